"""Imitated quantization: identity at 16 bits, error within half a step, and rows that do not know of one another."""

import pytest
import torch
from operands import generator, outlier_layer

from effbench.quantization.fake import fake_rows, fake_tensor
from effbench.quantization.ranges import static_range


def rows():
    x = torch.randn(9, 48, generator=generator())
    x[1], x[2], x[3], x[4] = 0.0, 2.5, -x[3].abs() - 0.1, -1.5
    x[5, 7] = 1000.0
    return x


def test_sixteen_bits_are_the_identity():
    x = rows()
    assert fake_rows(x, 16) is x
    assert fake_tensor(x, static_range(-1, 1, 16)) is x


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_error_is_at_most_half_a_step_and_the_second_time_changes_nothing(bits, symmetric):
    x = rows()
    rounded = fake_rows(x, bits, symmetric)
    low, high = x.amin(-1).clamp(max=0), x.amax(-1).clamp(min=0)
    span = torch.maximum(high, -low) / (2 ** (bits - 1) - 1) if symmetric else (high - low) / (2**bits - 1)
    # The zero point is rounded too, so that one end of an asymmetric range can lose another half step.
    assert ((rounded - x).abs() <= span[:, None] * (0.5 if symmetric else 1.0) + 1e-5).all()
    assert (rounded[1] == 0).all()
    assert torch.allclose(fake_rows(rounded, bits, symmetric), rounded, rtol=1e-4, atol=1e-6)


def test_tokens_do_not_know_of_one_another():
    x = torch.randn(4, 6, 32, generator=generator()) * torch.logspace(-2, 2, 24).reshape(4, 6, 1)
    together = fake_rows(x, 4)
    assert all(torch.equal(fake_rows(x[i : i + 1], 4), together[i : i + 1]) for i in range(4))
    order = torch.randperm(6, generator=generator())
    assert torch.equal(fake_rows(x[:, order], 4), together[:, order])
    scale = (
        x.abs().amax((0, 2), keepdim=True) / 7
    )  # one scale a token position over the whole batch, as the old code has it
    shared = (x / scale).round() * scale
    alone = (x[:1] / (x[:1].abs().amax((0, 2), keepdim=True) / 7)).round() * x[:1].abs().amax((0, 2), keepdim=True) / 7
    assert not torch.allclose(shared[:1], alone), "the comparison could not see scales that a batch shares"


def test_groups_have_scales_of_their_own():
    x, _ = outlier_layer(inputs=64, outliers=1)
    plain, grouped = ((fake_rows(x, 4, group=group) - x).norm() for group in (None, 16))
    assert grouped < plain / 1.5
    assert torch.equal(fake_rows(x, 4, group=64), fake_rows(x, 4))


def test_a_static_range_cuts_off():
    x = torch.tensor([-9.0, -1.0, 0.0, 0.4, 9.0])
    assert torch.allclose(fake_tensor(x, static_range(-1, 1.55, 8)), torch.tensor([-1.0, -1.0, 0.0, 0.4, 1.55]))
    with pytest.raises(ValueError, match="NaN"):
        fake_tensor(torch.tensor([float("nan")]), static_range(-1, 1))
