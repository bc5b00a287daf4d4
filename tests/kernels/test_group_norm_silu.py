"""GroupNorm and SiLU in one pass against operators of torch in float64."""

import pytest
import torch
from comparing import rms_ratio

from effbench.kernels.group_norm_silu import group_norm_silu

CLOSE = 1e-6


def some(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("with_offset", [False, True])
@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 136, 8, 8), 8), ((3, 6, 5, 3), 3), ((1, 4, 1, 1), 1), ((2, 10, 17, 16), 10)]
)
def test_it_equals_the_reference(machine, poisoned, shape, groups, with_offset):
    x, weight, bias = some(*shape) * 3 + 5, some(shape[1]), some(shape[1] + 1)[1:]
    offset = some(*shape[:2]) * 2 if with_offset else None
    found = group_norm_silu(x, weight, bias, groups, 1e-5, offset=offset)
    wide = [None if part is None else part.double() for part in (x, weight, bias, offset)]
    exact = group_norm_silu(*wide[:3], groups, 1e-5, offset=wide[3], impl="reference")
    assert rms_ratio(found, exact) < CLOSE
    if with_offset:
        assert rms_ratio(group_norm_silu(x, weight, bias, groups), exact) > 1e-2 or shape[1] == groups


def test_what_is_not_finite_stays_in_its_group(machine):
    x = some(2, 8, 4, 4)
    x[1, 3, 2, 2] = torch.nan
    found = group_norm_silu(x, torch.ones(8), torch.zeros(8), 4)
    assert found[1, 2:4].isnan().all() and found[0].isfinite().all() and found[1, 4:].isfinite().all()


def test_large_magnitudes_saturate_as_silu_does(machine):
    bias = torch.tensor([500.0, -500.0])
    found = group_norm_silu(some(1, 2, 3, 3), torch.zeros(2), bias, 1)
    assert torch.equal(found[0, 0], torch.full((3, 3), 500.0)) and found[0, 1].abs().max() < 1e-30


def test_other_types_are_computed_by_torch_and_refusals():
    x = some(2, 8, 4, 4)
    half = group_norm_silu(x.bfloat16(), torch.ones(8).bfloat16(), torch.zeros(8).bfloat16(), 4)
    assert half.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="takes float32 on the CPU"):
        group_norm_silu(x.double(), torch.ones(8).double(), torch.zeros(8).double(), 4, impl="cpu")
    with pytest.raises(ValueError, match="a multiple of 3 groups"):
        group_norm_silu(x, torch.ones(8), torch.zeros(8), 3)
    with pytest.raises(ValueError, match=r"an offset \[2, 8\], got \[8\]"):
        group_norm_silu(x, torch.ones(8), torch.zeros(8), 4, offset=torch.ones(8))
