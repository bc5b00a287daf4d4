"""Operations and bytes of banded attention: every pair of a query and a key inside the band, counted one by one."""

from __future__ import annotations

from typing import Any

from effbench.kernels.cost import SEEN_BY_TORCH, Cost
from effbench.kernels.operands import operand_bytes


def band_pairs(tokens: int, half_width: int) -> int:
    """Return how many pairs (i, j) of ``tokens`` queries and keys have |i - j| <= ``half_width``.

    2w + 1 for each query, less w (w + 1) / 2 at either end of the sequence.
    """
    w = min(half_width, max(0, tokens - 1))
    return tokens * (2 * w + 1) - w * (w + 1)


def attention_flops(q: Any, pairs: int) -> int:
    """Return the operations of q [B, H, N, D] over so many pairs a head: q k^T and p v, 2 per multiply-accumulate."""
    batch, heads, _, width = q.shape
    return 4 * int(batch) * int(heads) * int(width) * pairs


def flops(q: Any, k: Any, v: Any, half_width: int, residual: Any, *, out: Any) -> int:
    """Return the operations of attention inside a band."""
    return attention_flops(q, band_pairs(q.shape[2], half_width))


def flops_with_residual(q: Any, k: Any, v: Any, half_width: int, *, out: Any) -> int:
    """Return the operations of full attention: what the band leaves out is the same products, summed apart."""
    return attention_flops(q, q.shape[2] ** 2)


def bytes_moved(q: Any, *operands: Any, out: Any) -> int:
    """Return the bytes of q, k, v and of a residual, read, and of what comes out, written."""
    return operand_bytes(q, *operands, out)


def multiplies(q: Any, *_: Any, out: Any) -> str:
    """Return the type that multiplies: that of q."""
    return str(q.dtype).removeprefix("torch.")


COSTS = {
    "window_attention/full": SEEN_BY_TORCH,
    **{
        f"window_attention/{name}": Cost(flops, bytes_moved, multiplies)
        for name in ("avx512-vnni", "avx2", "portable", "triton")
    },
    "window_attention/triton-residual": Cost(flops_with_residual, bytes_moved, multiplies),
}
"""Recorded kernel -> cost; ``full`` is torch's own attention."""
