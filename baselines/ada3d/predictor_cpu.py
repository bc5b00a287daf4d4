"""The importance predictor in evaluation on the CPU: packed once, then a compiled pass over a map (``predictor_program``)."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn

from effbench.kernels import cost, isa
from effbench.kernels.machine_code import address_of
from effbench.kernels.operands import operand_bytes
from effbench.kernels.recording import record_kernel
from effbench.kernels.threads import Kernel
from effbench.lidar.detector.blocks import folded
from effbench_baselines.ada3d.predictor_program import (
    FIELDS,
    GROUPS,
    SIDE,
    predictor_program,
    row_bytes,
    scratch_bytes,
)

FEWEST_ROWS = 16
"""Of a map for each thread: two threads compute the four rows between them twice."""


@cache
def _kernel(name: str, classes: int) -> Kernel:
    machine = isa.named(name)
    return Kernel(address_of("importance", predictor_program(machine, classes), machine), len(FIELDS))


def packed(body: nn.Sequential) -> torch.Tensor:
    """Return weights and shifts of a predictor's body, norms folded in, in the order in which the program reads them."""
    convolutions = [m for m in body if isinstance(m, nn.Conv2d)]
    norms = [m for m in body if isinstance(m, nn.BatchNorm2d)]
    pieces = []
    for convolution, norm in zip(convolutions, norms, strict=True):
        scale, shift = folded(norm)
        weight = convolution.weight.detach() * scale.detach()[:, None, None, None]
        groups = convolution.groups if convolution.groups > 1 else len(weight)
        pieces.append(torch.cat([weight.reshape(groups, -1), shift.detach().reshape(groups, -1)], 1).flatten())
    return torch.cat(pieces).contiguous()


def empty_planes(batch: int, rows: int, columns: int) -> torch.Tensor:
    """Return zeros [batch, rows + 2, 8, SIDE + columns in whole vectors + SIDE], which adapted features are written into."""
    return torch.zeros(batch, rows + 2, GROUPS, int(row_bytes(columns)) // 4)


def importance(planes: torch.Tensor, parameters: torch.Tensor, classes: int, columns: int) -> torch.Tensor:
    """Return the mean over classes [B, H, W] of what the predictor says of ``empty_planes`` with features in them."""
    batch, rows = len(planes), planes.shape[1] - 2
    y = torch.empty(batch, rows, planes.shape[3] - 2 * SIDE)
    threads = max(1, min(torch.get_num_threads(), rows // FEWEST_ROWS))
    scratch = torch.zeros(threads * scratch_bytes(columns), dtype=torch.uint8)
    machine = isa.current().vectors
    operands = (planes, parameters, y, scratch)
    _kernel(machine, classes).run(threads, *(tensor.data_ptr() for tensor in operands), batch, rows, columns)
    out = y[:, :, :columns]
    record_kernel(f"ada3d_predictor/{machine}", planes, parameters, out=out)
    return out


def flops(planes: Any, parameters: Any, *, out: Any) -> int:
    """Return two operations for each weight and cell; a shift is counted like a weight, 35 of 419."""
    return int(2 * parameters.numel() * out.numel())


def bytes_moved(planes: Any, parameters: Any, *, out: Any) -> int:
    """Return the bytes of features and parameters, read once, and of the importance, written."""
    return operand_bytes(planes, parameters, out)


PREDICTOR_COST = cost.Cost(flops, bytes_moved, "float32")
"""Every cell of a map is computed, those that no score is needed of too: rows of whole vectors are quicker than a choice."""
for _machine in ("avx512-vnni", "avx2", "portable"):
    cost.register(f"ada3d_predictor/{_machine}", PREDICTOR_COST)
