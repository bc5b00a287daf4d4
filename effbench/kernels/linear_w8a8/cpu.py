"""The fast CPU path: quantization of rows, integer product, scales and bias in one call of compiled code."""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.hadamard.cpu import rotation
from effbench.kernels.linear_w8a8.packed import PackedW8
from effbench.kernels.quantize_rows.row import settings
from effbench.kernels.recording import record_kernel


def linear_w8a8(
    x: torch.Tensor | QuantizedRows,
    weight: PackedW8,
    bias: torch.Tensor | None,
    bits: int,
    symmetric: bool,
    static: StaticRange | None,
    multiplier: torch.Tensor | None,
    rotate: bool,
) -> torch.Tensor:
    """Return what ``linear_w8a8.reference`` specifies, for arguments that the public function has checked."""
    inputs, panels = weight.inputs, weight.panels
    assert panels is not None
    if isinstance(x, QuantizedRows):
        codes, scale, zero = x.codes.contiguous(), x.scale.contiguous(), x.zero.contiguous()
        shape, source = codes.shape, (0, codes.data_ptr(), scale.data_ptr(), zero.data_ptr())
    else:
        codes = x if x.is_contiguous() else x.contiguous()
        shape, source = codes.shape, (codes.data_ptr(), 0, 0, 0)
    y = codes.new_empty((*shape[:-1], weight.outputs), dtype=torch.float32)
    rows = codes.numel() // inputs
    if rows:
        threads = torch.get_num_threads()
        block_rows, scratch_bytes = weight.block(rows)
        scratch = torch.empty(threads * scratch_bytes, dtype=torch.uint8)
        weight.kernel.run(
            threads,
            *source,
            rows,
            inputs,
            weight.padded_inputs,
            0 if multiplier is None else multiplier.data_ptr(),
            rotation(inputs) if rotate else 0,
            *settings(bits, symmetric, static),
            *weight.fields,
            panels.no_bias.data_ptr() if bias is None else bias.data_ptr(),
            y.data_ptr(),
            weight.outputs,
            scratch.data_ptr(),
            scratch_bytes,
            block_rows,
        )
    record_kernel(weight.kernel_name, x, weight, bias, out=y)
    return y
