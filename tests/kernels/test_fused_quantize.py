"""The fused producers of quantized rows: codes equal the reference's but for ties, of which a tiny share may differ by 1."""

import pytest
import torch
from comparing import rms_ratio

from effbench.kernels.adaln_quantize import adaln_quantize
from effbench.kernels.gelu_quantize import gelu_quantize
from effbench.kernels.hadamard.reference import has_rotation
from effbench.kernels.linear_w8a8 import linear_w8a8, pack_w8a8, quantize_weight

TIES = 1e-4
"""Share of codes that may differ by 1: what is computed in float32 by one path and otherwise by another falls on either side
of a tie about once in 2^24 / 255 times, and rotation multiplies the chances by its additions."""
WIDTHS = [1, 7, 63, 64, 65, 192, 1152]
CASES = [(width, rotate) for width in WIDTHS for rotate in (False, True) if has_rotation(width) or not rotate]


def check(ours, exact):
    difference = (ours.codes.int() - exact.codes.int()).abs()
    assert difference.max() <= 1 and (difference > 0).float().mean() <= TIES
    assert torch.allclose(ours.scale, exact.scale, rtol=1e-5, equal_nan=True)
    assert (ours.zero - exact.zero).abs().max() <= 1
    assert torch.equal(ours.sums, ours.codes.sum(-1, dtype=torch.int32))


def some(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(("width", "rotate"), CASES)
@pytest.mark.parametrize("symmetric", [False, True])
def test_gelu(machine, poisoned, width, symmetric, rotate):
    x, multiplier = some(3, 9, width) * 2, some(width) if rotate else None
    x[1, 2, 0], x[2, 0, width - 1] = torch.nan, torch.inf
    how = {"symmetric": symmetric, "multiplier": multiplier, "rotate": rotate}
    check(*(gelu_quantize(x, 8, **how, impl=impl) for impl in ("cpu", "reference")))


@pytest.mark.parametrize(("width", "rotate"), CASES)
@pytest.mark.parametrize("symmetric", [False, True])
def test_adaln(machine, poisoned, width, symmetric, rotate):
    x, shift, scale = some(4, 11, width) * 3 + 2, some(4, width), some(width, 4).T
    x[1, 2, 0] = torch.nan
    how = {"symmetric": symmetric, "multiplier": some(width) if rotate else None, "rotate": rotate}
    check(*(adaln_quantize(x, shift, scale, 1e-6, 7, **how, impl=impl) for impl in ("cpu", "reference")))


def test_the_error_of_gelu_against_float64(machine):
    """At most 2e-7 of 1 + |x|, and 2e-5 of the value far down its tail; each row has one number, which its scale tells."""
    x = torch.linspace(-9.5, 12, 20001)[:, None]
    wide = x[:, 0].double()
    exact = (wide / (1 + torch.exp(-2 * (2 / torch.pi) ** 0.5 * (wide + 0.044715 * wide**3)))).abs()
    found = gelu_quantize(x, 8, symmetric=True).scale.double() * 127
    counted = exact > 1e-29  # rows below count as zero
    error = (found - exact).abs()[counted]
    assert counted.float().mean() > 0.98
    assert (error / (1 + wide[counted].abs())).max() < 2e-7
    assert (error / exact[counted]).max() < 2e-5


def test_the_check_sees_another_gelu():
    x = some(20, 192) * 2
    exact = gelu_quantize(x, impl="reference")
    other = gelu_quantize(x * 1.01)
    with pytest.raises(AssertionError):
        check(other, exact)


def test_what_they_make_is_what_the_layer_takes(machine):
    weight = pack_w8a8(quantize_weight(some(30, 64)))
    x = some(2, 5, 64)
    found = linear_w8a8(gelu_quantize(x, weight.activation_bits), weight)
    plain = linear_w8a8(torch.nn.functional.gelu(x, approximate="tanh"), weight)
    assert rms_ratio(found, plain) < 1e-3


def test_refusals():
    x = some(2, 3, 8)
    with pytest.raises(ValueError, match=r"shift and scale \[B, C\] of one dtype, got .*\[2, 3, 8\], .*\[3, 8\]"):
        adaln_quantize(x, some(3, 8), some(3, 8))
    with pytest.raises(ValueError, match="2 to 8 bits"):
        gelu_quantize(x, 16)
    assert gelu_quantize(x[:0]).codes.shape == (0, 3, 8)
