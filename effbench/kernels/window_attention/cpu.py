"""Banded attention on the CPU, compiled for each width of a head; full attention is torch's own."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch.nn.functional import scaled_dot_product_attention

from effbench.kernels import isa
from effbench.kernels.adaln_quantize.cpu import float_bits
from effbench.kernels.machine_code import address_of
from effbench.kernels.recording import record_kernel
from effbench.kernels.threads import Kernel
from effbench.kernels.window_attention.program import FIELDS, ROWS, attention_program, scratch_bytes

UNPAID = 64
"""Up to so many tokens a band saves a fraction of a tenth of a millisecond a call at most, by machine, and the call that
keeps its residual costs as much more; measured, ``make bench-attention``."""


def bands_pay(tokens: int, half_width: int) -> bool:
    """Return whether a band saves time worth having on the CPU beside full attention over so many tokens."""
    return tokens > UNPAID and 3 * half_width < tokens


@cache
def _kernel(name: str, width: int) -> Kernel:
    machine = isa.named(name)
    return Kernel(address_of("window_attention", attention_program(machine, width), machine), len(FIELDS))


def window_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    residual: torch.Tensor | None,
    scale: float | None,
) -> torch.Tensor:
    """Return what ``window_attention.reference`` specifies, for arguments that the public function has checked."""
    batch, heads, tokens, width = q.shape
    if half_width >= tokens - 1:
        y = scaled_dot_product_attention(q, k, v, scale=scale)
        record_kernel("window_attention/full", q, out=y)
        return y if residual is None else y + residual
    name = isa.current().vectors
    y = torch.empty(batch, tokens, heads, width).transpose(1, 2)  # as the layer behind it reads them
    if y.numel():
        threads = min(torch.get_num_threads(), batch * heads * -(-tokens // ROWS))
        scratch = torch.empty(threads * scratch_bytes(width), dtype=torch.uint8)
        operands = (q, k, v, residual, y)
        _kernel(name, width).run(
            threads,
            *(0 if x is None else x.data_ptr() for x in operands),
            *(0 if x is None else 4 * x.stride(axis) for x in operands for axis in range(3)),
            *(batch, heads, tokens, half_width),
            float_bits(math.log2(math.e) * (width**-0.5 if scale is None else scale)),
            *(scratch.data_ptr(), scratch_bytes(width)),
        )
    record_kernel(f"window_attention/{name}", q, k, v, half_width, residual, out=y)
    return y


def attention_with_residual(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, half_width: int, scale: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``window_attention.reference`` specifies, for arguments that the public function has checked."""
    full = scaled_dot_product_attention(q, k, v, scale=scale)
    return full, full - window_attention(q, k, v, half_width, None, scale)
