"""Rounding of weights: bounds of the error, zero channels, groups, and GPTQ against rounding to nearest."""

import pytest
import torch
from operands import correlated_layer, generator, sqnr_db

from effbench.quantization.ranges import code_bounds, weight_range
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import WeightScheme

SCHEMES = [(bits, group, symmetric) for bits in (2, 3, 4, 5, 6) for group in (None, 16) for symmetric in (True, False)]
SCHEMES += [(8, None, True), (8, 16, True)]


@pytest.mark.parametrize(("bits", "group", "symmetric"), SCHEMES)
def test_each_weight_is_within_half_a_step_and_codes_are_in_bounds(bits, group, symmetric):
    weight = torch.randn(12, 64, generator=generator()) * torch.logspace(-3, 2, 12)[:, None]
    weight[4], weight[5], weight[6] = 0.0, 3.0, -weight[6].abs()  # zero, constant and negative channels
    found = quantize_weight(weight, WeightScheme(bits, group, symmetric))
    low, high = code_bounds(bits, symmetric)
    assert found.codes.dtype == torch.int8 and low <= int(found.codes.min()) and int(found.codes.max()) <= high
    assert (found.codes.int() - found.zero.repeat_interleave(64 // found.zero.shape[1], 1).int()).abs().max() <= 127
    steps = found.scale.repeat_interleave(64 // found.scale.shape[1], 1)
    assert ((found.dequantized() - weight).abs() <= steps * (0.5 + 1e-3)).all()
    assert (found.dequantized()[4] == 0).all()
    again = quantize_weight(found.dequantized(), WeightScheme(bits, group, symmetric))
    assert torch.allclose(again.dequantized(), found.dequantized(), rtol=1e-5, atol=1e-7)


def test_eight_bits_are_the_codes_of_the_kernels_reference():
    from effbench.kernels.linear_w8a8.reference import quantize_weight as reference

    weight = torch.randn(33, 65, generator=generator())
    ours, theirs = quantize_weight(weight, WeightScheme(8)), reference(weight)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))


@pytest.mark.parametrize(("bits", "group", "symmetric"), [s for s in SCHEMES if s[0] <= 4])
def test_gptq_loses_less_output_than_rounding_to_nearest(bits, group, symmetric):
    x, weight = correlated_layer()
    hessian, exact = x.T.double() @ x.double(), x @ weight.T
    nearest = quantize_weight(weight, WeightScheme(bits, group, symmetric))
    found = quantize_weight(weight, WeightScheme(bits, group, symmetric, "gptq"), hessian)
    assert torch.equal(found.scale, nearest.scale) and torch.equal(found.zero, nearest.zero)
    gained = sqnr_db(x @ found.dequantized().T, exact) - sqnr_db(x @ nearest.dequantized().T, exact)
    assert gained > 1.5, f"{gained:.2f} dB"
    wrong = quantize_weight(weight, WeightScheme(bits, group, symmetric, "gptq"), hessian.flip(0, 1))
    assert sqnr_db(x @ wrong.dequantized().T, exact) < sqnr_db(x @ found.dequantized().T, exact)


def test_gptq_across_blocks_of_columns_and_inputs_that_never_occur():
    x, weight = correlated_layer(inputs=200, rank=40)  # more than one block
    x[:, [0, 7, 150]] = 0
    hessian = x.T.double() @ x.double()
    found = quantize_weight(weight, WeightScheme(3, rounding="gptq"), hessian)
    nearest = quantize_weight(weight, WeightScheme(3))
    assert torch.equal(found.codes[:, [0, 7, 150]], nearest.codes[:, [0, 7, 150]])
    exact = x @ weight.T
    assert sqnr_db(x @ found.dequantized().T, exact) > sqnr_db(x @ nearest.dequantized().T, exact) + 1
    without_rows = quantize_weight(weight, WeightScheme(3, rounding="gptq"), torch.zeros(200, 200))
    assert torch.equal(without_rows.codes, nearest.codes)


def test_gptq_of_uncorrelated_inputs_is_rounding_to_nearest():
    weight = torch.randn(8, 32, generator=generator())
    found = quantize_weight(weight, WeightScheme(4, rounding="gptq"), torch.eye(32).double())
    assert torch.equal(found.codes, quantize_weight(weight, WeightScheme(4)).codes)


def test_refusals_are_one_sentence():
    weight = torch.randn(4, 8, generator=generator())
    with pytest.raises(ValueError, match="GPTQ rounding needs the Hessian"):
        quantize_weight(weight, WeightScheme(4, rounding="gptq"))
    with pytest.raises(ValueError, match="16 bits leave a weight as it is"):
        quantize_weight(weight, WeightScheme(16))
    weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        quantize_weight(weight, WeightScheme(4))


def test_smaller_groups_lose_less():
    weight = torch.randn(16, 256, generator=generator()) * torch.logspace(-1, 1, 256)
    found = [sqnr_db(quantize_weight(weight, WeightScheme(4, g)).dequantized(), weight) for g in (None, 128, 32)]
    assert found == sorted(found) and found[2] > found[0] + 1
    scale, _ = weight_range(weight, 4, groups=8)
    assert scale.shape == (16, 8)
