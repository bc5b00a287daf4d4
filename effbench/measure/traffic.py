"""Bytes that one operator of torch reads and writes as it runs by itself: its input tensors and its output tensors.

Views move nothing, a broadcast tensor is read once, a lookup reads what it returns, an update in place writes its
destination. What a fused kernel keeps inside does not count; nor does what stays in a cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

NOT_WRITTEN = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
"""Operators that only set memory apart: their result is written by whoever fills it."""
ONLY_WRITTEN = frozenset(
    {"bernoulli_", "copy_", "exponential_", "fill_", "normal_", "random_", "uniform_", "zero_", "_foreach_zero_"}
)
"""Operators that overwrite their first argument without reading it."""
LOOKUPS = frozenset({"embedding", "gather", "index", "index_select", "take"})
"""Operators that read as much of their first argument as they return."""
SCATTERED = {
    "index_add_": "source",
    "index_copy_": "source",
    "index_put_": "values",
    "scatter_": "src",
    "scatter_add_": "src",
    "scatter_reduce_": "src",
}
"""Operators that touch as much of their first argument as this one holds."""


class TensorTraffic(NamedTuple):
    """A tensor, and the bytes of it that an operator moved."""

    tensor: torch.Tensor
    bytes: int


class Traffic(NamedTuple):
    """What an operator read and wrote; ``fresh`` are outputs that did not share memory with any input."""

    read: list[TensorTraffic]
    written: list[TensorTraffic]
    fresh: list[torch.Tensor]

    @property
    def bytes(self) -> int:
        """Return the bytes moved in all."""
        return sum(moved.bytes for moved in (*self.read, *self.written))


@dataclass(frozen=True)
class Roles:
    """What an operator's schema says: where its arguments stand, which it writes, which are there only to be written."""

    positions: dict[str, int]
    written: frozenset[int]
    out: frozenset[int]
    name: str
    is_view: bool


@cache
def roles_of(operator: Any) -> Roles:
    """Return the roles of an ``OpOverload``'s arguments; asked once, since a call of a model runs thousands of operators.

    What returns only aliases of what it does not write is a view, if it has no pieces, of which one could copy (``reshape``).
    """
    arguments, results = list(enumerate(operator._schema.arguments)), operator._schema.returns
    only_aliases = bool(results) and all(r.alias_info and not r.alias_info.is_write for r in results)
    return Roles(
        {a.name: position for position, a in arguments},
        frozenset(position for position, a in arguments if a.alias_info and a.alias_info.is_write),
        frozenset(position for position, a in arguments if a.is_out),
        operator._overloadpacket.__name__,
        operator.namespace == "prim" or (only_aliases and not operator._can_decompose()),
    )


def traffic(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> Traffic:
    """Return what a call of an ``OpOverload`` moved; nothing where it only made a view."""
    roles = roles_of(operator)
    if roles.is_view:
        return Traffic([], [], [])
    name, values = roles.name, dict(enumerate(args))
    if kwargs:
        values |= {position: kwargs[key] for key, position in roles.positions.items() if key in kwargs}
    held = {position: found for position, value in values.items() if (found := list(tensors(value)))}
    inputs = [t for found in held.values() for t in found]
    changed = (
        [t for position, found in held.items() if position in roles.written for t in found] if roles.written else []
    )
    known = {storage(t) for t in inputs}
    outputs = list(tensors(out))
    fresh = [t for t in outputs if storage(t) not in known]
    if outputs and not fresh and not changed:
        return Traffic([], [], [])
    first = next(iter(values.values()), None)
    unread = {id(t) for position in roles.out for t in held.get(position, ())}
    if name in ONLY_WRITTEN:
        unread |= {id(t) for t in tensors(first)}
    read = [TensorTraffic(t, distinct_bytes(t)) for t in _once([t for t in inputs if id(t) not in unread])]
    written = [] if name in NOT_WRITTEN else [TensorTraffic(t, distinct_bytes(t)) for t in _once([*changed, *fresh])]
    if name in LOOKUPS:
        read = _limit(read, first, sum(moved.bytes for moved in written))
    elif name in SCATTERED and roles.positions.get(SCATTERED[name]) in held:
        source = sum(distinct_bytes(t) for t in held[roles.positions[SCATTERED[name]]] if t.numel() > 1)
        if source:
            read, written = _limit(read, first, source), _limit(written, first, source)
    return Traffic(read, written, fresh)


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Yield every strided tensor in an argument or a result; of a sparse one, its indices and its values."""
    if value is None or isinstance(value, int | float | str):
        return
    import torch

    if type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout == torch.strided:
        yield value  # nearly every one: the questions below take longer than the sum that they are for
    elif isinstance(value, torch.Tensor):
        for tensor in parts(value):
            if tensor.layout == torch.strided:
                yield tensor
            elif tensor.layout == torch.sparse_coo:
                yield from (tensor._indices(), tensor._values())
            elif tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
                yield from (tensor.crow_indices(), tensor.col_indices(), tensor.values())
            elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
                yield from (tensor.ccol_indices(), tensor.row_indices(), tensor.values())
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)


def parts(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield what a tensor keeps: itself, or of one made of others (codes and scales of a quantized weight) those.

    Such a tensor shows the shape and the type of the weight that it stands for, and has no memory of its own.
    """
    from torch.utils._python_dispatch import is_traceable_wrapper_subclass

    if is_traceable_wrapper_subclass(tensor):
        for name in tensor.__tensor_flatten__()[0]:
            yield from parts(getattr(tensor, name))
    else:
        yield tensor


def storage(tensor: torch.Tensor) -> int:
    """Return what identifies the memory behind a tensor as long as it lives."""
    return int(tensor.untyped_storage()._cdata)


def lasting(tensor: torch.Tensor) -> Any:
    """Return what keeps, while it is held, a freed tensor's identity from being given to another; it holds no data."""
    from torch.multiprocessing.reductions import StorageWeakRef

    return StorageWeakRef(tensor.untyped_storage())


def distinct_bytes(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor's elements, each element of a broadcast dimension once."""
    if tensor.is_nested:
        return tensor.untyped_storage().nbytes()
    sizes = [size for size, stride in zip(tensor.shape, tensor.stride()) if stride or size == 0]
    return math.prod(sizes) * tensor.element_size()


def _once(found: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors without those that show the same memory in the same way."""
    if len(found) < 2:
        return found
    seen: dict[Any, torch.Tensor] = {}
    for t in found:
        where = id(t) if t.is_nested else (storage(t), t.storage_offset(), t.shape, t.stride(), t.dtype)
        seen.setdefault(where, t)
    return list(seen.values())


def _limit(moved: list[TensorTraffic], tensor: Any, size: int) -> list[TensorTraffic]:
    """Return ``moved`` with no more than ``size`` bytes for ``tensor``."""
    return [TensorTraffic(t, min(n, size)) if t is tensor else TensorTraffic(t, n) for t, n in moved]
