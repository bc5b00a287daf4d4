"""Writes kernels as LLVM IR: values with Python's operators, loops, loads and stores of vectors.

A kernel is written once, with the number of lanes as a parameter; a vector of any length is legal on any processor, and what
an instruction set has of its own (``dot.py``) is one function. Addresses are 64-bit integers, in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32 = ir.FloatType()
POINTER = ir.PointerType()
Number = int | float
Vectors = Sequence["Value"]


class Value:
    """A number or a vector of them in the program; operators make instructions, Python's numbers become constants."""

    def __init__(self, code: Code, ir_value: Any) -> None:
        self.code, self.ir = code, ir_value

    @property
    def type(self) -> Any:
        """Return the LLVM type."""
        return self.ir.type

    @property
    def is_float(self) -> bool:
        """Return whether it is, or its elements are, float32."""
        return (self.type.element if isinstance(self.type, ir.VectorType) else self.type) == F32

    def _other(self, other: Value | Number) -> Any:
        return self.code.constant(self.type, other).ir if isinstance(other, int | float) else other.ir

    def _binary(self, integer: str, floating: str, other: Value | Number) -> Value:
        operation = getattr(self.code.builder, floating if self.is_float else integer)
        return Value(self.code, operation(self.ir, self._other(other)))

    def __add__(self, other: Value | Number) -> Value:
        return self._binary("add", "fadd", other)

    __radd__ = __add__

    def __sub__(self, other: Value | Number) -> Value:
        return self._binary("sub", "fsub", other)

    def __rsub__(self, other: Number) -> Value:
        return self.code.constant(self.type, other) - self

    def __mul__(self, other: Value | Number) -> Value:
        return self._binary("mul", "fmul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Value | Number) -> Value:
        return Value(self.code, self.code.builder.fdiv(self.ir, self._other(other)))

    def __floordiv__(self, other: Value | Number) -> Value:
        """Divide integers that are not negative."""
        return Value(self.code, self.code.builder.udiv(self.ir, self._other(other)))

    def __and__(self, other: Value | Number) -> Value:
        return Value(self.code, self.code.builder.and_(self.ir, self._other(other)))

    def __or__(self, other: Value | Number) -> Value:
        return Value(self.code, self.code.builder.or_(self.ir, self._other(other)))

    def __lshift__(self, bits: int) -> Value:
        return Value(self.code, self.code.builder.shl(self.ir, self._other(bits)))

    def __rshift__(self, bits: int) -> Value:
        """Shift a signed number to the right."""
        return Value(self.code, self.code.builder.ashr(self.ir, self._other(bits)))

    def compared(self, how: str, other: Value | Number) -> Value:
        """Return where ``how`` ("<", ">=", "==", ...) holds; false for NaN, but for "!="."""
        builder, right = self.code.builder, self._other(other)
        if self.is_float:
            compare = builder.fcmp_unordered if how == "!=" else builder.fcmp_ordered
            return Value(self.code, compare(how, self.ir, right))
        return Value(self.code, builder.icmp_signed(how, self.ir, right))

    def least(self, other: Value | Number) -> Value:
        """Return the lesser of two; the other one where either is NaN, as minps of x86 does."""
        return self.code.select(self.compared("<", other), self, other)

    def greatest(self, other: Value | Number) -> Value:
        """Return the greater of two; the other one where either is NaN."""
        return self.code.select(self.compared(">", other), self, other)

    def __getitem__(self, lane: int) -> Value:
        return Value(self.code, self.code.builder.extract_element(self.ir, I32(lane)))


class Code:
    """The body of one function that is being written."""

    def __init__(self, module: ir.Module, function: ir.Function) -> None:
        self.module, self.function = module, function
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))

    def constant(self, kind: Any, number: Number) -> Value:
        """Return a number, in every lane of a vector type."""
        number = float(number) if kind == F32 or getattr(kind, "element", None) == F32 else int(number)
        return Value(self, ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number))

    def i64(self, number: int) -> Value:
        """Return a 64-bit integer."""
        return self.constant(I64, number)

    def load(self, kind: Any, address: Value, align: int = 1) -> Value:
        """Return what lies at an address."""
        pointer = self.builder.inttoptr(address.ir, POINTER)
        return Value(self, self.builder.load(pointer, typ=kind, align=align))

    def store(self, value: Value, address: Value, align: int = 1) -> None:
        """Write to an address."""
        self.builder.store(value.ir, self.builder.inttoptr(address.ir, POINTER), align=align)

    def load_lanes(self, kind: Any, address: Value, mask: Value) -> Value:
        """Return the lanes of a vector that a mask selects, 0 in the others, which are not read."""
        call = self.intrinsic("llvm.masked.load", kind, [POINTER, I32, mask.type, kind], suffix=f"{_name(kind)}.p0")
        pointer = self.builder.inttoptr(address.ir, POINTER)
        return call(Value(self, pointer), self.constant(I32, 1), mask, self.constant(kind, 0))

    def store_lanes(self, value: Value, address: Value, mask: Value) -> None:
        """Write the lanes that a mask selects."""
        kind = value.type
        call = self.intrinsic(
            "llvm.masked.store", ir.VoidType(), [kind, POINTER, I32, mask.type], suffix=f"{_name(kind)}.p0"
        )
        pointer = self.builder.inttoptr(address.ir, POINTER)
        call(value, Value(self, pointer), self.constant(I32, 1), mask)

    def intrinsic(self, name: str, result: Any, kinds: Sequence[Any], suffix: str = "") -> Callable[..., Value]:
        """Return a function that calls one of LLVM's, declared where it is not yet."""
        name = f"{name}.{suffix}" if suffix else name
        function = self.module.globals.get(name) or ir.Function(self.module, ir.FunctionType(result, kinds), name)
        return lambda *values: Value(self, self.builder.call(function, [value.ir for value in values]))

    def fused(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b + c, rounded once."""
        return self.intrinsic("llvm.fma", a.type, [a.type] * 3, suffix=_name(a.type))(a, b, c)

    def unary(self, name: str, value: Value) -> Value:
        """Return an intrinsic of one argument ("sqrt", "fabs", "rint") of a number or vector."""
        return self.intrinsic(f"llvm.{name}", value.type, [value.type], suffix=_name(value.type))(value)

    def select(self, condition: Value, yes: Value | Number, no: Value | Number) -> Value:
        """Return one of two values, lane by lane where the condition is a vector."""
        if isinstance(yes, int | float):
            assert isinstance(no, Value)
            yes = self.constant(no.type, yes)
        elif isinstance(no, int | float):
            no = self.constant(yes.type, no)
        assert isinstance(no, Value)
        return Value(self, self.builder.select(condition.ir, yes.ir, no.ir))

    def convert(self, how: str, value: Value, kind: Any) -> Value:
        """Return a value as another type: how is LLVM's "sitofp", "fptosi", "trunc", "zext", "sext" or "bitcast"."""
        return Value(self, getattr(self.builder, how)(value.ir, kind))

    def spread(self, value: Value, lanes: int) -> Value:
        """Return a number in every lane of a vector."""
        kind = ir.VectorType(value.type, lanes)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value.ir, I32(0))
        return self.shuffle(Value(self, first), [0] * lanes)

    def shuffle(self, value: Value, lanes: Sequence[int], second: Value | None = None) -> Value:
        """Return the named lanes of a vector, or of two, whose lanes are numbered on."""
        other = second.ir if second is not None else ir.Constant(value.type, ir.Undefined)
        picked = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
        return Value(self, self.builder.shuffle_vector(value.ir, other, picked))

    def reduce(self, value: Value, join: Callable[[Value, Value], Value]) -> Value:
        """Return the lanes of a vector (a power of two of them) joined pair by pair."""
        while value.type.count > 1:
            half = value.type.count // 2
            low, high = self.shuffle(value, range(half)), self.shuffle(value, range(half, 2 * half))
            value = join(low, high)
        return value[0]

    def first_lanes(self, count: Value, lanes: int) -> Value:
        """Return the mask of the first ``count`` (64-bit, may exceed them) lanes."""
        numbers = Value(self, ir.Constant(ir.VectorType(I32, lanes), list(range(lanes))))
        least = self.select(count.compared("<", lanes), count, lanes)
        return numbers.compared("<", self.spread(self.convert("trunc", least, I32), lanes))

    def loop(
        self,
        start: Value | int,
        stop: Value,
        step: Value | int,
        body: Callable[..., Vectors | None],
        carried: Vectors = (),
    ) -> list[Value]:
        """Write ``body(index, *carried) -> carried of the next turn`` for index = start, start + step, ... < stop.

        Returns what is carried after the last turn; that of the beginning where there is none.
        """
        first = self.i64(start) if isinstance(start, int) else start
        stride = self.i64(step) if isinstance(step, int) else step
        before = self.builder.block
        head, inside, after = (self.function.append_basic_block(name) for name in ("head", "body", "after"))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        index = self.builder.phi(I64)
        index.add_incoming(first.ir, before)
        phis = [self.builder.phi(value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value.ir, before)
        self.builder.cbranch(self.builder.icmp_signed("<", index, stop.ir), inside, after)
        self.builder.position_at_end(inside)
        results = body(Value(self, index), *(Value(self, phi) for phi in phis)) or ()
        index.add_incoming(self.builder.add(index, stride.ir), self.builder.block)
        for phi, value in zip(phis, results, strict=True):
            phi.add_incoming(value.ir, self.builder.block)
        self.builder.branch(head)
        self.builder.position_at_end(after)
        return [Value(self, phi) for phi in phis]

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Write what is done only where a condition holds."""
        with self.builder.if_then(condition.ir):
            yield

    def call(self, function: ir.Function, *values: Value) -> None:
        """Call another function of the program that returns nothing."""
        self.builder.call(function, [value.ir for value in values])

    def call_address(self, function: Value, *values: Value) -> None:
        """Call a function that returns nothing and is known by its address."""
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        self.builder.call(self.builder.inttoptr(function.ir, kind.as_pointer()), [value.ir for value in values])

    def copy(self, target: Value, source: Value, size: Value) -> None:
        """Copy ``size`` bytes; the two places must not overlap."""
        copy = self.intrinsic("llvm.memcpy.p0.p0.i64", ir.VoidType(), [POINTER, POINTER, I64, I1])
        places = [Value(self, self.builder.inttoptr(place.ir, POINTER)) for place in (target, source)]
        copy(*places, size, self.constant(I1, 0))


class Program:
    """One module of LLVM IR and its functions, all of which take 64-bit integers or float32 and return nothing."""

    def __init__(self) -> None:
        self.module = ir.Module()

    @contextmanager
    def function(self, name: str, *kinds: Any, inside: bool = True) -> Iterator[tuple[Code, list[Value], ir.Function]]:
        """Write a function; ``inside`` ones are called by others of the program alone."""
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), name)
        if inside:
            function.linkage = "internal"
        code = Code(self.module, function)
        yield code, [Value(code, argument) for argument in function.args], function
        code.builder.ret_void()

    @contextmanager
    def kernel(self, name: str, fields: Sequence[str]) -> Iterator[tuple[Code, Job]]:
        """Write the function that a thread team runs (``threads.Kernel``), on a job of 64-bit fields."""
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [POINTER]), name)
        code = Code(self.module, function)
        yield code, Job(code, Value(code, code.builder.ptrtoint(function.args[0], I64)), fields)
        code.builder.ret_void()

    def text(self) -> str:
        """Return the program."""
        return str(self.module)


class Job:
    """What a kernel was told: two functions of the thread team, then its named fields."""

    def __init__(self, code: Code, address: Value, fields: Sequence[str]) -> None:
        self.code = code
        names = ("thread_number", "team_size", *fields)
        self.fields = {name: code.load(I64, address + 8 * place, align=8) for place, name in enumerate(names)}

    def __getitem__(self, field: str) -> Value:
        return self.fields[field]

    def place_in_team(self) -> tuple[Value, Value]:
        """Return the number of this thread and how many there are, both 64-bit."""
        code, builder = self.code, self.code.builder
        entry = builder.block
        asked, known = (code.function.append_basic_block(name) for name in ("ask", "known"))
        builder.cbranch(self["thread_number"].compared("!=", 0).ir, asked, known)
        builder.position_at_end(asked)
        answers = []
        for name in ("thread_number", "team_size"):
            function = builder.inttoptr(self[name].ir, ir.FunctionType(I32, []).as_pointer())
            answers.append(builder.sext(builder.call(function, []), I64))
        builder.branch(known)
        builder.position_at_end(known)
        places = []
        for answer, alone in zip(answers, (0, 1), strict=True):
            phi = builder.phi(I64)
            phi.add_incoming(I64(alone), entry)
            phi.add_incoming(answer, asked)
            places.append(Value(code, phi))
        return places[0], places[1]


def _name(kind: Any) -> str:
    """Return a type as the names of intrinsics have it ("v16f32")."""
    count, element = (f"v{kind.count}", kind.element) if isinstance(kind, ir.VectorType) else ("", kind)
    return f"{count}{'f32' if element == F32 else f'i{element.width}'}"
