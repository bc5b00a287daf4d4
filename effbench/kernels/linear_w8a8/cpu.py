"""The fast CPU path: quantization of rows, integer product, scales and bias in one call of compiled code."""

from __future__ import annotations

import threading
from typing import Any

import torch

from effbench.kernels.adaln_quantize.cpu import float_bits, modulation_fields
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.hadamard.cpu import rotation
from effbench.kernels.linear_w8a8.around import Before, Modulation, Residual
from effbench.kernels.linear_w8a8.packed import PackedWeight
from effbench.kernels.linear_w8a8.program import ACTIVATED, AS_IT_IS, GATED, MODULATED
from effbench.kernels.quantize_rows.row import settings
from effbench.kernels.recording import record_kernel
from effbench.kernels.threads import packed

NO_MODULATION: tuple[int, ...] = (0, 0, 1, 0, 0, 0)
"""Values of ``adaln_quantize.program.MORE_FIELDS`` where there is none; rows are divided by the third."""
NO_RESIDUAL: tuple[int, ...] = (0, 0, 0)


class _Scratch(threading.local):
    """Memory that kernels called by one thread work in; it grows to what the largest of them needs, and stays."""

    def __init__(self) -> None:
        self.memory = torch.empty(0, dtype=torch.uint8)

    def address(self, size: int) -> int:
        """Return the address of ``size`` bytes, which the next call overwrites."""
        if self.memory.numel() < size:
            self.memory = torch.empty(size, dtype=torch.uint8)
        return self.memory.data_ptr()


_scratch = _Scratch()


class Layer:
    """A packed weight with its bias and how its rows are quantized, laid out once for every call of the kernel.

    Arguments are those of the public function, checked by it. A call takes float32 rows on the CPU, also checked.
    """

    def __init__(
        self,
        weight: PackedWeight,
        bias: torch.Tensor | None,
        bits: int,
        symmetric: bool,
        static: StaticRange | None,
        multiplier: torch.Tensor | None,
        rotate: bool,
    ) -> None:
        assert weight.panels is not None
        self.weight, self.bias = weight, bias
        self._arguments = weight, bias, bits, symmetric, static, multiplier, rotate
        addend = weight.panels.no_bias if bias is None else bias.detach().contiguous()
        scales = None if multiplier is None else multiplier.detach().contiguous()
        self._held = addend, scales  # the fields are their addresses
        self._fields = packed(
            weight.inputs,
            weight.padded_inputs,
            0 if scales is None else scales.data_ptr(),
            rotation(weight.inputs) if rotate else 0,
            *settings(bits, symmetric, static),
            *weight.fields,
            addend.data_ptr(),
            weight.outputs,
            weight.tile_configuration.data_ptr(),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it by its arguments: addresses belong to what was not copied."""
        return type(self), self._arguments

    def __call__(
        self, x: torch.Tensor | QuantizedRows, before: Before = None, residual: Residual | None = None
    ) -> torch.Tensor:
        """Return what the reference of the weight's operation specifies of x [..., I] as [..., O]."""
        weight = self.weight
        if isinstance(x, QuantizedRows):
            codes, scale, zero = x.codes.contiguous(), x.scale.contiguous(), x.zero.contiguous()
            source = (0, codes.data_ptr(), scale.data_ptr(), zero.data_ptr())
        else:
            codes = x if x.is_contiguous() else x.contiguous()
            source = (codes.data_ptr(), 0, 0, 0)
        shape = codes.shape
        y = torch.empty((*shape[:-1], weight.outputs))
        rows = y.numel() // weight.outputs
        if rows:
            threads = torch.get_num_threads()
            block_rows, scratch_bytes = weight.block(rows)
            kind, modulation = AS_IT_IS, NO_MODULATION
            if isinstance(before, str):
                kind = ACTIVATED if before == "gelu" else GATED
            elif isinstance(before, Modulation):
                shift, scale = (_side_by_side(part) for part in before[:2])
                kind, modulation = MODULATED, (*modulation_fields(codes, shift, scale), float_bits(before.eps))
            addition = NO_RESIDUAL
            if residual is not None:
                stream, gate = residual.stream.contiguous(), residual.gate
                if gate is None:
                    addition = (stream.data_ptr(), 0, 0)
                else:
                    gate = _side_by_side(gate)
                    addition = (stream.data_ptr(), gate.data_ptr(), gate.stride(0) * 4)
                    modulation = (*modulation[:2], shape[1], *modulation[3:])
            weight.kernel.run(
                threads,
                *source,
                *(rows, y.data_ptr()),
                *(_scratch.address(threads * scratch_bytes), scratch_bytes, block_rows),
                *(kind, *modulation),
                *addition,
                tail=self._fields,
            )
        record_kernel(weight.kernel_name, x, weight.panels, self.bias, out=y)
        return y


def _side_by_side(items: torch.Tensor) -> torch.Tensor:
    """Return what belongs to items [B, C] with channels beside one another, as a view where they are."""
    return items if items.stride(1) == 1 else items.contiguous()
