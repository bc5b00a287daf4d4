"""Bytes that one operator of torch reads and writes as it runs by itself: its input tensors and its output tensors.

Views move nothing, a broadcast tensor is read once, a lookup reads what it returns, an update in place writes its
destination. What a fused kernel keeps inside does not count; nor does what stays in a cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def traffic(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> Traffic:
    """Return what a call of an ``OpOverload`` moved; nothing where it only made a view."""
    name = operator._overloadpacket.__name__
    arguments = {a.name: (a, value) for a, value in zip(operator._schema.arguments, args)}
    arguments |= {a.name: (a, kwargs[a.name]) for a in operator._schema.arguments if a.name in kwargs}
    changed = [t for a, v in arguments.values() if a.alias_info and a.alias_info.is_write for t in tensors(v)]
    inputs = [t for _, value in arguments.values() for t in tensors(value)]
    known = {storage(t) for t in inputs}
    outputs = list(tensors(out))
    fresh = [t for t in outputs if storage(t) not in known]
    if operator.namespace == "prim" or (outputs and not fresh and not changed):
        return Traffic([], [], [])
    first = next(iter(arguments.values()))[1] if arguments else None
    unread = {id(t) for a, value in arguments.values() if a.is_out for t in tensors(value)}
    if name in ONLY_WRITTEN:
        unread |= {id(t) for t in tensors(first)}
    read = [TensorTraffic(t, distinct_bytes(t)) for t in _once(t for t in inputs if id(t) not in unread)]
    written = [] if name in NOT_WRITTEN else [TensorTraffic(t, distinct_bytes(t)) for t in _once([*changed, *fresh])]
    if name in LOOKUPS:
        read = _limit(read, first, sum(moved.bytes for moved in written))
    elif name in SCATTERED and SCATTERED[name] in arguments:
        source = sum(distinct_bytes(t) for t in tensors(arguments[SCATTERED[name]][1]) if t.numel() > 1)
        if source:
            read, written = _limit(read, first, source), _limit(written, first, source)
    return Traffic(read, written, fresh)


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Yield every strided tensor in an argument or a result; of a sparse one, its indices and its values."""
    import torch

    if isinstance(value, torch.Tensor):
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


def distinct_bytes(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor's elements, each element of a broadcast dimension once."""
    if tensor.is_nested:
        return tensor.untyped_storage().nbytes()
    sizes = [size for size, stride in zip(tensor.shape, tensor.stride()) if stride or size == 0]
    return math.prod(sizes) * tensor.element_size()


def _once(found: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors without those that show the same memory in the same way."""
    seen: dict[Any, torch.Tensor] = {}
    for t in found:
        where = id(t) if t.is_nested else (storage(t), t.storage_offset(), t.shape, t.stride(), t.dtype)
        seen.setdefault(where, t)
    return list(seen.values())


def _limit(moved: list[TensorTraffic], tensor: Any, size: int) -> list[TensorTraffic]:
    """Return ``moved`` with no more than ``size`` bytes for ``tensor``."""
    return [TensorTraffic(t, min(n, size)) if t is tensor else TensorTraffic(t, n) for t, n in moved]
