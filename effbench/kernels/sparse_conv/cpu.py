"""Sparse convolution on the CPU in float32: fused loops compiled for the width of the outputs."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

from effbench.kernels import isa
from effbench.kernels.machine_code import address_of
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import taps
from effbench.kernels.sparse_conv.depthwise import depthwise_gradient_program, depthwise_program
from effbench.kernels.sparse_conv.kernel_map import KernelMap
from effbench.kernels.sparse_conv.program import BLOCK, FIELDS, convolution_program, gradient_program, scratch_bytes
from effbench.kernels.threads import Kernel

FOLLOWS = True
"""Whether a bias and ReLU are part of ``convolve``."""


@cache
def _kernel(name: str, vectors: int, channels: int | None, gradient: bool) -> Kernel:
    """Return a kernel for outputs of so many vectors; ``channels`` of the inputs are None where each has its own weight."""
    machine = isa.named(name)
    if channels is None:
        program = (depthwise_gradient_program if gradient else depthwise_program)(machine, vectors)
    else:
        program = gradient_program(machine, vectors, channels) if gradient else convolution_program(machine, vectors)
    function = "sparse_conv_gradient" if gradient else "sparse_conv"
    return Kernel(address_of(function, program, machine), len(FIELDS))


def _whole(x: torch.Tensor, lanes: int) -> torch.Tensor:
    """Return a tensor whose rows are whole vectors that lie in one piece, with zeros behind them where they were none."""
    short = -x.shape[-1] % lanes
    return functional.pad(x, (0, short)) if short else x.contiguous()


def convolve(
    features: torch.Tensor,
    weight: torch.Tensor,
    found: KernelMap,
    groups: int,
    bias: torch.Tensor | None = None,
    relu: bool = False,
) -> torch.Tensor:
    """Return the outputs [M, Cout] of features [N, Cin] and weight [taps, Cin / groups, Cout].

    A bias [Cout] and ReLU follow where they are asked for, without groups alone.
    """
    depthwise = 1 < groups == features.shape[1] == weight.shape[2]
    if groups > 1 and not depthwise:
        return taps.convolve(features, weight, found, groups)
    machine = isa.named(isa.current().vectors)
    rows, outputs = found.source.shape[1], weight.shape[2]
    padded = _whole(weight, machine.lanes)
    x = _whole(features, machine.lanes) if depthwise else features.contiguous()
    threads = max(1, min(torch.get_num_threads(), -(-rows // BLOCK)))
    y = torch.empty(rows + threads, padded.shape[2])
    first = torch.zeros(padded.shape[2]) if bias is None else _whole(bias, machine.lanes)
    if not len(features):
        y[:] = first.relu() if relu else first
    elif rows:
        scratch = torch.empty(threads * scratch_bytes(), dtype=torch.uint8)
        channels = None if depthwise else 0  # of any number: the program counts them
        _kernel(machine.name, padded.shape[2] // machine.lanes, channels, False).run(
            threads,
            *(operand.data_ptr() for operand in (x, padded, found.source, y, scratch)),
            *(rows, len(padded), features.shape[1], 4 * x.shape[1], 0, first.data_ptr(), int(relu)),
        )
    y = y[:rows, :outputs].contiguous()
    record_kernel(f"sparse_conv/{machine.name}", features, weight, found, groups, out=y)
    return y


def weight_gradient(features: torch.Tensor, gradient: torch.Tensor, found: KernelMap, groups: int) -> torch.Tensor:
    """Return the gradient [taps, Cin / groups, Cout] of a weight, given that of the outputs [M, Cout]."""
    depthwise = 1 < groups == features.shape[1] == gradient.shape[1]
    if groups > 1 and not depthwise:
        return taps.weight_gradient(features, gradient, found, groups)
    machine = isa.named(isa.current().vectors)
    (window, rows), channels, outputs = found.source.shape, features.shape[1], gradient.shape[1]
    padded = _whole(gradient, machine.lanes)
    x = _whole(features, machine.lanes) if depthwise else features.contiguous()
    result = torch.zeros(window, channels // groups, padded.shape[1])
    if rows and len(features):
        threads = max(1, min(torch.get_num_threads(), window))
        scratch = torch.empty(threads * scratch_bytes(), dtype=torch.uint8)
        _kernel(machine.name, padded.shape[1] // machine.lanes, None if depthwise else channels, True).run(
            threads,
            *(operand.data_ptr() for operand in (x, padded, found.source, result, scratch)),
            *(rows, window, channels, 4 * x.shape[1], 4 * padded.shape[1], 0, 0),
        )
    result = result[:, :, :outputs].contiguous()
    record_kernel(f"sparse_conv/{machine.name}-gradient", features, gradient, found, groups, out=result)
    return result
