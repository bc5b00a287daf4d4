"""What one call computes and moves, counted as it runs: operations by data type, bytes, and the least bytes it must read.

Operations come from the formulas of ``torch.utils.flop_counter``, of ``formulas.py`` and of ``kernels/<op>/cost.py``. An
operator that none of them knows is an error: a count that silently leaves something out would flatter the method. What goes
past torch is counted where it records itself (``effbench.kernels.record_kernel``), and only there.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from effbench import kernels
from effbench.kernels.cost import SEEN_BY_TORCH, Cost, registered
from effbench.kernels.recording import listening
from effbench.measure.formulas import Formula, UnknownOp, formula_of, sounds_like_a_product
from effbench.measure.traffic import (
    LOOKUPS,
    TensorTraffic,
    distinct_bytes,
    lasting,
    roles_of,
    storage,
    tensors,
    traffic,
)

TORCHS_OWN = ("aten", "prim", "prims", "rngprims")
"""Namespaces whose operators torch can see into; an operator of any other needs its cost."""
ADDEND_FIRST = ("addmm", "addmv", "baddbmm", "_addmm_activation")
"""Operators whose first tensor is added to a product: the type of the second one says what multiplies."""


@dataclass(frozen=True)
class Compute:
    """FLOPs by the type that multiplies ("float32", "int8"), bytes moved unfused, operators that moved any.

    ``least_bytes`` is what any implementation must at least read and return: each tensor that stood before the call and
    was read, once, and the result.
    """

    flops_by_dtype: dict[str, int]
    bytes_moved: int
    ops: int
    least_bytes: int = 0

    @property
    def flops(self) -> int:
        """Return the operations of all types together."""
        return sum(self.flops_by_dtype.values())

    @property
    def intensity(self) -> float | None:
        """Return FLOPs per byte moved; None where nothing moved."""
        return self.flops / self.bytes_moved if self.bytes_moved else None


def measure_compute(call: Callable[[], Any]) -> Compute:
    """Return what ``call`` computes and moves; for a system that does not use torch, what its recorded kernels do.

    Raises ``UnknownOp`` where an operator or a recorded kernel has no formula.
    """
    if "torch" not in sys.modules:
        tally = _Tally({})
        with listening(tally.add_recorded):
            result = call()
        if "torch" not in sys.modules:
            return tally.compute(result)
    # What our own kernels cost is looked up where they record themselves: torch sees none of them as an operator.
    tally = _Tally(registered())  # the call has imported torch itself, and is counted in a second one
    with listening(tally.add_recorded), _counting(tally):
        result = call()
    return tally.compute(result)


def _costs_of(folder: str) -> dict[str, Cost]:
    """Return operator -> cost of one kernel folder."""
    costs: dict[str, Cost] = importlib.import_module(f"{kernels.__name__}.{folder}.cost").COSTS
    return costs


def _cost_of_recorded(name: str) -> Cost | None:
    """Return the cost of a recorded kernel, a plugin's or that of one of our folders (whose import may need torch)."""
    folder = name.partition("/")[0]
    ours = any(package.name == folder and package.ispkg for package in pkgutil.iter_modules(kernels.__path__))
    return registered().get(name) or (_costs_of(folder).get(name) if ours else None)


def _result_bytes(result: Any) -> int:
    """Return the bytes of every array and tensor in nested lists, tuples and mappings."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return sum(map(_result_bytes, result))
    return int(getattr(result, "nbytes", 0))


@dataclass
class _Tally:
    """What has been counted so far; ``outside`` holds the bytes read from each piece of memory that the call found."""

    costs: dict[str, Cost]
    flops: Counter[str] = field(default_factory=Counter)
    bytes_moved: int = 0
    ops: int = 0
    outside: dict[Any, int] = field(default_factory=dict)
    made_inside: set[int] = field(default_factory=set)
    unknown: UnknownOp | None = None
    formulas: dict[Any, Formula | None] = field(default_factory=dict)
    places: dict[int, Any] = field(default_factory=dict)
    whole: set[Any] = field(default_factory=set)
    """Operators that are known to have no pieces."""

    def formula(self, operator: Any) -> Formula | None:
        """Return the formula of an operator, looked up once in a call: a call runs thousands of a few dozen operators."""
        if operator not in self.formulas:
            self.formulas[operator] = formula_of(operator)
        return self.formulas[operator]

    def refuse(self, error: UnknownOp) -> UnknownOp:
        """Keep the first error and return this one."""
        self.unknown = self.unknown or error
        return error

    def compute(self, result: Any) -> Compute:
        """Return what was counted in a call that gave ``result``; raises the first error, even one that the method caught."""
        if self.unknown:
            raise self.unknown
        least = sum(self.outside.values()) + _result_bytes(result)
        return Compute(dict(self.flops), self.bytes_moved, self.ops, least)

    def add(self, operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> None:
        """Count one operator of torch's own; raises ``UnknownOp`` where its formula does not hold."""
        moved = traffic(operator, args, kwargs, out)
        # A lookup may read the same rows again and again: how much it must read is not known.
        self._remember([] if roles_of(operator).name in LOOKUPS else moved.read, moved.fresh)
        size = moved.bytes
        self.bytes_moved += size
        self.ops += size > 0
        if formula := self.formula(operator):
            operands = [value for value in (*args, *kwargs.values()) if hasattr(value, "layout")]
            if any(t.is_nested or str(t.layout) != "torch.strided" for t in operands):
                why = "has a sparse or nested operand, which its formula would count as dense"
                raise self.refuse(UnknownOp(operator._schema.name, why))
            self.flops[_multiplier(operator, args)] += formula(args, kwargs, out)

    def add_cost(self, cost: Cost, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> None:
        """Count one operator by its own formulas; bytes that its visible tensors do not explain are a packed weight."""
        size = self._add_formulas(cost, args, kwargs, out)
        read, made = [*tensors(list(args)), *tensors(list(kwargs.values()))], list(tensors(out))
        self._remember([TensorTraffic(t, distinct_bytes(t)) for t in read], made)
        packed = [hash(value) for value in args if type(value).__name__ == "ScriptObject"]
        if len(packed) == 1:
            self.outside["packed", packed[0]] = max(0, size - sum(map(distinct_bytes, (*read, *made))))

    def add_recorded(self, name: str, args: Sequence[Any], out: Any) -> None:
        """Count one kernel that recorded itself; raises ``UnknownOp`` where it has no cost.

        Of what it must at least read, tensors count: whether other arrays stood before the call is not known.
        """
        with _uncounted():
            cost = _cost_of_recorded(name)
            if cost is None:
                raise self.refuse(UnknownOp(name))
            if cost is not SEEN_BY_TORCH:
                self._add_formulas(cost, args, {}, out)
            if cost is not SEEN_BY_TORCH and "torch" in sys.modules:
                self._remember([TensorTraffic(t, distinct_bytes(t)) for t in tensors(list(args))], list(tensors(out)))

    def _add_formulas(self, cost: Cost, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        """Add what the formulas say; return the bytes."""
        size = cost.bytes_moved(*args, **kwargs, out=out)
        self.flops[cost.type_of(*args, **kwargs, out=out)] += cost.flops(*args, **kwargs, out=out)
        self.bytes_moved += size
        self.ops += 1
        return size

    def _remember(self, read: Sequence[TensorTraffic], made: Sequence[Any]) -> None:
        for tensor, size in read:
            where = self._place(tensor)
            if where not in self.made_inside:
                self.outside[where] = max(size, self.outside.get(where, 0))
        self.made_inside |= {self._place(tensor) for tensor in made}

    def _place(self, tensor: Any) -> int:
        """Return what identifies the memory behind a tensor for the whole of the call, even after it is freed."""
        where = storage(tensor)
        if where not in self.places:
            self.places[where] = lasting(tensor)
        return where


def _multiplier(operator: Any, args: Sequence[Any]) -> str:
    """Return the type of the operands of a product: that of its first tensor which is not an addend."""
    operands = list(tensors(list(args)))
    has_addend = operator._overloadpacket.__name__.removesuffix("_") in ADDEND_FIRST
    return str(operands[1 if has_addend else 0].dtype).removeprefix("torch.")


def _uncounted() -> Any:
    """Return a context in which nothing is counted: formulas of a recorded kernel may run operators themselves."""
    if "torch" not in sys.modules:
        return nullcontext()
    from torch.utils._python_dispatch import _disable_current_modes

    return _disable_current_modes()


def _counting(tally: _Tally) -> Any:
    """Return a context in which every operator that torch runs is counted in ``tally``."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counting(TorchDispatchMode):
        supports_higher_order_operators = True

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if not isinstance(func, torch._ops.OpOverload):
                raise tally.refuse(UnknownOp(f"higher_order::{func}"))
            if any(kind not in (torch.Tensor, torch.nn.Parameter) for kind in types):
                return NotImplemented  # a tensor of its own kind first says what it runs, and that is counted
            name = func._schema.name
            if name in tally.costs:
                out = func(*args, **kwargs)
                tally.add_cost(tally.costs[name], args, kwargs, out)
                return out
            if func not in tally.whole and func.namespace != "prim" and tally.formula(func) is None:
                with self:
                    out = func.decompose(*args, **kwargs)
                if out is not NotImplemented:
                    return out
                if func.namespace not in TORCHS_OWN or sounds_like_a_product(name):
                    raise tally.refuse(UnknownOp(name))
                tally.whole.add(func)
            out = func(*args, **kwargs)
            tally.add(func, args, kwargs, out)
            return out

    return Counting()  # type: ignore[no-untyped-call]  # torch's own constructor
