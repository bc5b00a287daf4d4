"""Ranges: hand-computed scales, ranges that hold 0, channels of zeros, and running ranges."""

import pytest
import torch
from operands import generator

from effbench.quantization.ranges import RunningRange, static_range, weight_range


@pytest.mark.parametrize(
    ("low", "high", "symmetric", "scale", "zero"),
    [
        (-1.0, 1.55, False, 0.01, 100),
        (0.5, 2.55, False, 0.01, 0),  # 0 is in it
        (-2.55, -1.0, False, 0.01, 255),
        (0.0, 0.0, False, 1.0, 0),
        (-1.27, 0.5, True, 0.01, 128),
    ],
)
def test_known_answers(low, high, symmetric, scale, zero):
    found = static_range(low, high, 8, symmetric)
    assert (found.scale, found.zero, found.bits) == (pytest.approx(scale), zero, 8)


def test_what_is_not_finite_is_refused():
    for low, high in ((float("nan"), 1.0), (0.0, float("inf")), (0.0, float("nan"))):
        with pytest.raises(ValueError, match="finite"):
            static_range(low, high)


def test_a_running_range_is_updated_once_per_batch():
    seen = RunningRange()
    seen.update(torch.tensor([-1.0, 2.0]))
    assert (seen.low, seen.high) == (-1.0, 2.0)
    seen.update(torch.tensor([0.0, 4.0]))
    assert (seen.low, seen.high) == (pytest.approx(-0.95), pytest.approx(0.95 * 2 + 0.05 * 4))
    assert seen.batches == 2
    three_times = 0.95**3 * 2 + (1 - 0.95**3) * 4  # what MixDQ's release makes of it
    assert abs(seen.high - three_times) > 0.1


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_zero_channel_changes_no_other(symmetric, groups):
    weight = torch.randn(8, 32, generator=generator())
    before = weight_range(weight, 4, groups, symmetric)
    weight[3] = 0
    weight[5, :8] = 0  # one group of another
    after = weight_range(weight, 4, groups, symmetric)
    others = [row for row in range(8) if row not in (3, 5)]
    for one, other in zip(before, after):
        assert torch.equal(one[others], other[others])
    assert (after[0][3] == 1).all()
    filled = before[0].clone()
    filled[after[0] == 1] = 1e-6
    if (after[0] == 1).any():
        filled[:] = 1e-6  # what the released quantizers do: one small group overwrites the scales of all
    assert not torch.equal(filled[others], before[0][others]), "the comparison could not see the released code's bug"
