"""What a linear layer does before and after its product in the same pass equals the same done in turn, bit for bit."""

import pytest
import torch
from comparing import rms_ratio

from effbench.kernels.adaln_quantize import adaln_quantize
from effbench.kernels.codes import StaticRange
from effbench.kernels.gelu_quantize import gelu_quantize
from effbench.kernels.hadamard.reference import has_rotation
from effbench.kernels.linear_w4a8 import linear_w4a8, pack_w4a8
from effbench.kernels.linear_w8a8 import Modulation, Residual, linear_w8a8, pack_w8a8, quantize_weight
from effbench.quantization.rounding import quantize_weight as rounded
from effbench.quantization.schemes import WeightScheme

BATCH, ROWS = 3, 21
SIZES = [(7, 5), (192, 65), (64, 257), (768, 192)]
CASES = [
    (transform, *size)
    for transform in ("plain", "multiplied", "rotated")
    for size in SIZES
    if transform != "rotated" or has_rotation(size[0])
]


def some(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def layer(kind, inputs, outputs):
    weight = some(outputs, inputs)
    if kind == "w8a8":
        return linear_w8a8, pack_w8a8(quantize_weight(weight))
    return linear_w4a8, pack_w4a8(rounded(weight, WeightScheme(4, 32 if inputs % 32 == 0 else None)))


def modulation(inputs):
    """Return shift and scale as a block has them: views of one tensor, so that items lie further apart than channels."""
    shift, scale, _ = some(BATCH, 3 * inputs).chunk(3, dim=1)
    return Modulation(shift, scale, 1e-5)


@pytest.mark.parametrize("kind", ["w8a8", "w4a8"])
@pytest.mark.parametrize(("transform", "inputs", "outputs"), CASES)
def test_before_equals_the_fused_producers(machine, poisoned, kind, transform, inputs, outputs):
    product, weight = layer(kind, inputs, outputs)
    x, bias = some(BATCH, ROWS, inputs) * 2 + 1, some(outputs)
    how = {"multiplier": some(inputs) if transform != "plain" else None, "rotate": transform == "rotated"}
    bits, before = weight.activation_bits, modulation(inputs)
    modulated = adaln_quantize(x, *before, bits, **how)
    assert torch.equal(product(x, weight, bias, before=before, **how), product(modulated, weight, bias))
    activated = gelu_quantize(x, bits, **how)
    assert torch.equal(product(x, weight, bias, before="gelu", **how), product(activated, weight, bias))


@pytest.mark.parametrize("kind", ["w8a8", "w4a8"])
@pytest.mark.parametrize("outputs", [5, 64, 65, 257])
@pytest.mark.parametrize("rows", [1, ROWS, 200])
def test_the_residual_is_added_as_operators_add_it(machine, poisoned, kind, outputs, rows):
    product, weight = layer(kind, 64, outputs)
    x, bias, stream = some(BATCH, rows, 64), some(outputs), some(BATCH, rows, outputs)
    y = product(x, weight, bias)
    gate = some(BATCH, 2 * outputs)[:, outputs:]
    assert torch.equal(product(x, weight, bias, residual=Residual(stream)), y + stream)
    assert torch.equal(product(x, weight, bias, residual=Residual(stream, gate)), gate[:, None] * y + stream)


def test_all_of_it_at_once_beside_the_reference(machine):
    product, weight = layer("w8a8", 192, 100)
    x, stream, gate = some(BATCH, ROWS, 192), some(BATCH, ROWS, 100), some(BATCH, 100)
    for before in (None, "gelu", modulation(192)):
        how = {"before": before, "residual": Residual(stream, gate), "multiplier": some(192), "rotate": True}
        found, exact = (product(x, weight, some(100), impl=impl, **how) for impl in ("cpu", "reference"))
        assert rms_ratio(found, exact) < 1e-3
        assert rms_ratio(found, product(x, weight, some(100), **{**how, "before": None, "rotate": False})) > 1e-2


@pytest.mark.parametrize("inputs", [7, 64, 544])
def test_geglu(machine, poisoned, inputs):
    product, weight = layer("w8a8", inputs, 40)
    x, bias = some(BATCH, ROWS, 2 * inputs) * 2, some(40)
    value, gate = x.double().chunk(2, dim=-1)
    made = (value * torch.nn.functional.gelu(gate)).float()
    found = product(x, weight, bias, before="geglu")
    assert rms_ratio(found, product(made, weight, bias)) < 1e-3
    assert rms_ratio(found, product(x, weight, bias, before="geglu", impl="reference")) < 1e-3
    assert (
        rms_ratio(found, product((value * torch.nn.functional.gelu(gate, approximate="tanh")).float(), weight, bias))
        > 0
    )
    with pytest.raises(ValueError, match="do not fit a weight"):
        product(x[..., :inputs], weight, bias, before="geglu")


def test_the_error_of_exact_gelu(machine):
    """Seen through a layer of one input that is 1: rows of one number have a scale that tells it."""
    gate = torch.linspace(-9, 9, 5001)
    rows = torch.stack([torch.ones_like(gate), gate], dim=1)
    weight = pack_w8a8(quantize_weight(torch.ones(1, 1)))
    found = linear_w8a8(rows, weight, before="geglu", symmetric=True)[:, 0].double()
    error = (found - torch.nn.functional.gelu(gate.double())).abs() / (1 + gate.double().abs())
    assert error.max() < 4e-7


def test_a_static_range_after_gelu(machine):
    product, weight = layer("w8a8", 96, 40)
    x, static = some(BATCH, ROWS, 96), StaticRange(0.02, 10, weight.activation_bits)
    activated = torch.nn.functional.gelu(x, approximate="tanh")
    assert rms_ratio(product(x, weight, before="gelu", static=static), product(activated, weight, static=static)) < 1e-3


def test_refusals():
    product, weight = layer("w8a8", 64, 32)
    x, fit = some(BATCH, ROWS, 64), modulation(64)
    with pytest.raises(ValueError, match=r"shift and scale \[B, I\], got \[3, 32\] and \[3, 64\]"):
        product(x, weight, before=Modulation(fit.shift[:, :32], fit.scale))
    with pytest.raises(ValueError, match=r"shift and scale \[B, I\]"):
        product(x[0], weight, before=fit)
    with pytest.raises(ValueError, match="a Modulation, 'gelu', 'geglu' or None, not 'relu'"):
        product(x, weight, before="relu")
    with pytest.raises(ValueError, match=r"a residual \[3, 21, 64\] does not fit \[3, 21, 32\]"):
        product(x, weight, residual=Residual(x))
    with pytest.raises(ValueError, match=r"a gate .* is \[B, 32\], got \[2, 32\]"):
        product(x, weight, residual=Residual(some(BATCH, ROWS, 32), some(2, 32)))
    with pytest.raises(ValueError, match=r"rows are torch\.float32, what is done to them has torch\.bfloat16"):
        product(x, weight, residual=Residual(some(BATCH, ROWS, 32).bfloat16()))
    with pytest.raises(ValueError, match="quantized already"):
        product(gelu_quantize(x, weight.activation_bits), weight, before="gelu")
