"""Sparse convolution on the CPU in float32: fused loops compiled for the width of the outputs."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

from effbench.kernels import isa
from effbench.kernels.machine_code import address_of
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import taps
from effbench.kernels.sparse_conv.maps import KernelMap
from effbench.kernels.sparse_conv.program import BLOCK, FIELDS, convolution_program, gradient_program, scratch_bytes
from effbench.kernels.threads import Kernel


@cache
def _convolution(name: str, vectors: int) -> Kernel:
    machine = isa.named(name)
    return Kernel(address_of("sparse_conv", convolution_program(machine, vectors), machine), len(FIELDS))


@cache
def _gradient(name: str, vectors: int, channels: int) -> Kernel:
    machine = isa.named(name)
    program = gradient_program(machine, vectors, channels)
    return Kernel(address_of("sparse_conv_gradient", program, machine), len(FIELDS))


def _whole(x: torch.Tensor, lanes: int) -> torch.Tensor:
    """Return a tensor whose rows are whole vectors that lie in one piece, with zeros behind them where they were none."""
    short = -x.shape[-1] % lanes
    return functional.pad(x, (0, short)) if short else x.contiguous()


def convolve(features: torch.Tensor, weight: torch.Tensor, found: KernelMap, groups: int) -> torch.Tensor:
    """Return the outputs [M, Cout] of features [N, Cin] and weight [taps, Cin / groups, Cout]."""
    if groups > 1:
        return taps.convolve(features, weight, found, groups)
    machine = isa.named(isa.current().vectors)
    rows, outputs = found.source.shape[1], weight.shape[2]
    features, padded = features.contiguous(), _whole(weight, machine.lanes)
    threads = max(1, min(torch.get_num_threads(), -(-rows // BLOCK)))
    y = torch.empty(rows + threads, padded.shape[2])
    scratch = torch.empty(threads * scratch_bytes(), dtype=torch.uint8)
    if rows and len(features):
        _convolution(machine.name, padded.shape[2] // machine.lanes).run(
            threads,
            *(x.data_ptr() for x in (features, padded, found.source, y, scratch)),
            *(rows, len(padded), features.shape[1], 4 * features.shape[1], 0),
        )
    y = y[:rows, :outputs].contiguous()
    record_kernel(f"sparse_conv/{machine.name}", features, weight, found, groups, out=y)
    return y


def weight_gradient(features: torch.Tensor, gradient: torch.Tensor, found: KernelMap, groups: int) -> torch.Tensor:
    """Return the gradient [taps, Cin / groups, Cout] of a weight, given that of the outputs [M, Cout]."""
    if groups > 1:
        return taps.weight_gradient(features, gradient, found, groups)
    machine = isa.named(isa.current().vectors)
    (window, rows), channels, outputs = found.source.shape, features.shape[1], gradient.shape[1]
    features, padded = features.contiguous(), _whole(gradient, machine.lanes)
    result = torch.zeros(window, channels, padded.shape[1])
    threads = max(1, min(torch.get_num_threads(), window))
    scratch = torch.empty(threads * scratch_bytes(), dtype=torch.uint8)
    if rows and len(features):
        _gradient(machine.name, padded.shape[1] // machine.lanes, channels).run(
            threads,
            *(x.data_ptr() for x in (features, padded, found.source, result, scratch)),
            *(rows, window, channels, 4 * channels, 4 * padded.shape[1]),
        )
    result = result[:, :, :outputs].contiguous()
    record_kernel(f"sparse_conv/{machine.name}-gradient", features, gradient, found, groups, out=result)
    return result
