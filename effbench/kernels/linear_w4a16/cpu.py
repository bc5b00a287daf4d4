"""W4A16 on the CPU: a strip of channels is unpacked to float32 at a time, and multiplied by torch's own product."""

from __future__ import annotations

import torch

from effbench.kernels.linear_w4a8.reference import unpack
from effbench.kernels.linear_w4a16.packed import PackedNibbles
from effbench.kernels.recording import record_kernel

STRIP_BYTES = 2**20
"""Of float32 weights that exist at a time: they stay in a second-level cache, and are little beside any model."""


def linear_w4a16(x: torch.Tensor, weight: PackedNibbles, bias: torch.Tensor | None) -> torch.Tensor:
    """Return what ``linear_w4a16.reference`` specifies, for arguments that the public function has checked."""
    y = torch.empty((*x.shape[:-1], weight.outputs))
    groups = weight.scale.shape[1]
    step = max(1, STRIP_BYTES // (4 * weight.inputs))
    for start in range(0, weight.outputs, step):
        end = min(start + step, weight.outputs)
        codes = unpack(weight.codes[start:end]).view(end - start, groups, -1)
        part = (codes - weight.zero[start:end, :, None]) * weight.scale[start:end, :, None]
        strip = None if bias is None else bias[start:end]
        y[..., start:end] = torch.nn.functional.linear(x, part.view(end - start, -1), strip)
    record_kernel("linear_w4a16/strips", x, out=y)
    return y
