"""What sparse convolutions cost: a multiply-accumulate for every pair of rows and of channels, and the look-ups of a map.

Pairs depend on where the sites lie, and are counted in the map. Dense convolutions of the same shape cost
``dense_macs``: the ratio is what sparsity saves at most.
"""

from __future__ import annotations

import math
from typing import Any

from effbench.kernels.cost import Cost
from effbench.kernels.operands import operand_bytes

PER_LOOKUP = 2
"""Operations of one look-up: a key is formed and compared."""


def effective_macs(found: Any, weight: Any) -> int:
    """Return the multiply-accumulates of a ``KernelMap`` and a weight [..., Cin / groups, Cout]."""
    return int(found.total * weight.shape[-2] * weight.shape[-1])


def dense_macs(sites: Any, weight: Any) -> int:
    """Return those of the dense convolution, with a weight [*kernel, Cin / groups, Cout], at every cell of all grids."""
    return int(sites.batch_size * math.prod(sites.shape) * math.prod(weight.shape))


def flops(features: Any, weight: Any, found: Any, groups: int, *, out: Any) -> int:
    """Return the operations of a convolution."""
    return 2 * effective_macs(found, weight)


def gradient_flops(features: Any, gradient: Any, found: Any, groups: int, *, out: Any) -> int:
    """Return the operations of the gradient ``out`` [taps, Cin / groups, Cout] of a weight."""
    return 2 * effective_macs(found, out)


def bytes_moved(rows: Any, other: Any, found: Any, groups: int, *, out: Any) -> int:
    """Return the bytes of both operands and of the table, read once, and of what comes out, written."""
    return operand_bytes(rows, other, out) + int(found.source.nbytes)


def lookups(sites: Any, onto: Any, window: Any, *, out: Any) -> int:
    """Return the operations by which a map was found: a look-up for each output and tap; with a stride, for each pair.

    There the outputs were found by as many look-ups before.
    """
    return int(PER_LOOKUP * (len(onto) * window.taps if max(window.stride) == 1 else 2 * out.total))


def map_bytes(sites: Any, onto: Any, window: Any, *, out: Any) -> int:
    """Return the bytes of both keys, read, and of the table, written."""
    return int(sites.keys.nbytes + onto.keys.nbytes + out.source.nbytes)


def pool_flops(features: Any, found: Any, *, out: Any) -> int:
    """Return the comparisons of a maximum over the pairs of each output."""
    return int(found.total * features.shape[1])


def pool_bytes(features: Any, found: Any, *, out: Any) -> int:
    """Return the bytes of the features and the table, read, and of maxima and where they stood (int32), written."""
    return operand_bytes(features, out) + int(found.source.nbytes) + 4 * int(math.prod(out.shape))


def multiplies(features: Any, *_: Any, out: Any) -> str:
    """Return the type that multiplies: that of the features."""
    return str(features.dtype).removeprefix("torch.")


COSTS = {
    "sparse_conv/map": Cost(lookups, map_bytes, "int64"),
    "sparse_conv/max-pool": Cost(pool_flops, pool_bytes, multiplies),
    **{
        f"sparse_conv/{name}{part}": Cost(operations, bytes_moved, multiplies)
        for name in ("avx512-vnni", "avx2", "portable", "triton")
        for part, operations in (("", flops), ("-gradient", gradient_flops))
    },
}
"""Recorded kernel -> cost; tap by tap, torch's own products are seen by torch."""
