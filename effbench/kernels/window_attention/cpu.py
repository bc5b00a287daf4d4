"""Banded attention on the CPU: blocks of rows, each by torch's own attention against the slice of keys that it can see.

All blocks away from the ends see equally many keys, so that one call takes them as views, head by block: nothing is copied.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn.functional import scaled_dot_product_attention

from effbench.kernels.recording import record_kernel

UNBANDED = 64
"""Up to so many tokens one call with a mask over all keys is quicker than blocks."""
PAYING = 192
"""From so many tokens on blocks are quicker than full attention for small heads too; measured, as all of these."""
MOST_ROWS = 192
"""Of a block: torch takes 64 rows at a time from 192 on, 32 below."""
COPIED = 256
"""From so wide a band on rows are first put beside one another: they are read in so many blocks."""


def bands_pay(tokens: int, half_width: int) -> bool:
    """Return whether a band is quicker on the CPU than full attention over so many tokens."""
    return tokens >= PAYING and 4 * half_width < tokens


def block_rows(tokens: int, half_width: int) -> int:
    """Return how many rows a block has."""
    return tokens if tokens <= UNBANDED else min(MOST_ROWS, max(32, half_width // 2))


def window_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    residual: torch.Tensor | None,
    scale: float | None,
) -> torch.Tensor:
    """Return what ``window_attention.reference`` specifies, for arguments that the public function has checked."""
    tokens = q.shape[2]
    if half_width >= tokens - 1:
        y = scaled_dot_product_attention(q, k, v, scale=scale)
        record_kernel("window_attention/full", q, out=y)
        return y if residual is None else y + residual
    if half_width >= COPIED:
        k, v = k.contiguous(), v.contiguous()
    batch, heads, _, width = q.shape
    y = torch.empty(batch, tokens, heads, width, dtype=q.dtype).transpose(1, 2)  # as the layer behind it reads them
    rows = block_rows(tokens, half_width)
    mask = _mask(rows, half_width, q.dtype)

    def put(start: int, end: int, part: torch.Tensor, items: slice = slice(None)) -> None:
        place = (items, slice(None), slice(start, end))
        if residual is None:
            y[place] = part
        else:
            torch.add(part, residual[place], out=y[place])

    # Blocks whose window lies inside the sequence.
    first = -(-half_width // rows) * rows
    inner = max(0, (tokens - half_width - first) // rows)
    last = first + inner * rows
    if inner:
        wide = rows + 2 * half_width
        for item in range(len(q)):
            views = [
                x[item, :, begin:].unfold(1, size, rows)[:, :inner].transpose(-1, -2)  # [H, blocks, size, D]
                for x, begin, size in ((q, first, rows), (k, first - half_width, wide), (v, first - half_width, wide))
            ]
            part = scaled_dot_product_attention(*views, attn_mask=mask, scale=scale)
            put(first, last, part.flatten(1, 2)[None], slice(item, item + 1))
    else:
        first = last = 0
    for start in (*range(0, first, rows), *range(last, tokens, rows)):
        end = min(start + rows, tokens)
        low, high = max(0, start - half_width), min(tokens, end + half_width)
        seen = mask[: end - start, low - start + half_width : high - start + half_width]
        keys, values = k[:, :, low:high], v[:, :, low:high]
        put(start, end, scaled_dot_product_attention(q[:, :, start:end], keys, values, attn_mask=seen, scale=scale))
    record_kernel("window_attention/bands", q, out=y)
    return y


def attention_with_residual(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, half_width: int, scale: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``window_attention.reference`` specifies, for arguments that the public function has checked."""
    full = scaled_dot_product_attention(q, k, v, scale=scale)
    return full, full - window_attention(q, k, v, half_width, None, scale)


@lru_cache(maxsize=8)
def _mask(rows: int, half_width: int, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to the scores of a block [rows, rows + 2 w], whose first key is w before its first row."""
    offset = torch.arange(rows + 2 * half_width)[None, :] - torch.arange(rows)[:, None]
    mask = torch.zeros(offset.shape, dtype=dtype)
    return mask.masked_fill_((offset < 0) | (offset > 2 * half_width), -torch.inf)
