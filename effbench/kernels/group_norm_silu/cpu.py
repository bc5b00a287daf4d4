"""GroupNorm and SiLU on the CPU: groups shared by the threads."""

from __future__ import annotations

from functools import cache

import torch

from effbench.kernels import isa
from effbench.kernels.adaln_quantize.cpu import float_bits
from effbench.kernels.group_norm_silu.program import FIELDS, group_norm_silu_program
from effbench.kernels.machine_code import address_of
from effbench.kernels.recording import record_kernel
from effbench.kernels.threads import Kernel


@cache
def kernel(name: str) -> Kernel:
    """Return the compiled kernel of an instruction set."""
    machine = isa.named(name)
    return Kernel(address_of("group_norm_silu", group_norm_silu_program(machine), machine), len(FIELDS))


def group_norm_silu(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    groups: int,
    eps: float,
    offset: torch.Tensor | None,
) -> torch.Tensor:
    """Return what ``group_norm_silu.reference`` specifies, for arguments that the public function has checked."""
    name = isa.current().vectors
    source, gain, shift = x.contiguous(), weight.contiguous(), bias.contiguous()
    added = None if offset is None else offset.contiguous()
    y = torch.empty(x.shape)
    images, channels, height, width = x.shape
    if x.numel():
        kernel(name).run(
            min(torch.get_num_threads(), images * groups),
            *(source.data_ptr(), gain.data_ptr(), shift.data_ptr(), 0 if added is None else added.data_ptr()),
            *(y.data_ptr(), images, channels, groups, height * width, float_bits(eps)),
        )
    record_kernel(f"group_norm_silu/{name}", x, weight, bias, offset, out=y)
    return y
