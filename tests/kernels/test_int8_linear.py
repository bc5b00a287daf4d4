"""The int8 layer against its exact reference, and proof that the comparison can fail."""

from pathlib import Path

import pytest
import torch

from effbench.kernels.int8_linear import Int8Linear, SimulatedInt8Linear, replace_linears
from effbench.kernels.int8_linear.reference import fake_quantise_rows, int8_linear_reference, quantise_weight


def rms_ratio(ours, reference):
    return ((ours - reference).pow(2).mean() / reference.pow(2).mean().clamp(min=1e-30)).sqrt().item()


def layer(inputs, outputs, bias=True):
    torch.manual_seed(inputs * 1000 + outputs)
    return torch.nn.Linear(inputs, outputs, bias=bias)


@pytest.mark.parametrize("inputs", [1, 7, 63, 64, 65, 257])
@pytest.mark.parametrize(("rows", "outputs", "bias"), [(1, 65, True), (33, 7, False), (64, 64, True)])
def test_the_fast_path_equals_the_reference(inputs, rows, outputs, bias):
    linear = layer(inputs, outputs, bias)
    x = torch.randn(rows, inputs) * 3 + 1
    assert (
        rms_ratio(Int8Linear(linear)(x), int8_linear_reference(x, quantise_weight(linear.weight), linear.bias)) < 1e-6
    )


def test_codes_at_the_end_of_their_range_do_not_saturate_and_eight_bits_would():
    linear = torch.nn.Linear(512, 16, bias=False)
    linear.weight.data = torch.where(torch.rand(16, 512) < 0.9, 1.0, -1.0)
    x = torch.cat([torch.full((4, 511), 10.0), torch.zeros(4, 1)], dim=1)
    exact = int8_linear_reference(x, quantise_weight(linear.weight), None)
    fast = Int8Linear(linear)
    assert rms_ratio(fast(x), exact) < 1e-6
    full_range = torch.ops.quantized.linear_dynamic(x, fast._packed, reduce_range=False)  # 8-bit codes
    if "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
        assert rms_ratio(full_range, exact) > 1e-3, "the comparison could not see a saturating kernel"


def test_a_zero_channel_touches_no_other():
    linear = layer(64, 8)
    x = torch.randn(5, 64)
    before = Int8Linear(linear)(x)
    linear.weight.data[3] = 0
    after = Int8Linear(linear)(x)
    others = [i for i in range(8) if i != 3]
    assert torch.equal(before[:, others], after[:, others])
    assert torch.equal(after[:, 3], linear.bias[3].expand(5))


@pytest.mark.parametrize("value", [-2.0, 0.0, 5.0])
def test_constant_rows(value):
    linear = layer(64, 8)
    x = torch.full((3, 64), value)
    assert torch.allclose(Int8Linear(linear)(x), linear(x), atol=0.15)


def test_a_sample_does_not_depend_on_its_batch():
    fast, x = Int8Linear(layer(64, 10)), torch.randn(3, 5, 64) * torch.tensor([1.0, 10.0, 100.0])[:, None, None]
    together = fast(x)
    assert all(torch.equal(together[i : i + 1], fast(x[i : i + 1])) for i in range(3))
    assert fast(x).shape == (3, 5, 10)


def test_sizes_and_refusals():
    linear = layer(64, 10)
    assert Int8Linear(linear).packed_bytes() == 64 * 10 + 10 * (4 + 4)
    with pytest.raises(ValueError, match="float32"):
        Int8Linear(linear.half())


def test_simulated_is_the_product_of_rounded_operands_and_named_layers_stay():
    net = torch.nn.Sequential(layer(16, 16), layer(16, 4))
    kept = net[1]
    assert replace_linears(net, SimulatedInt8Linear, lambda name: name == "1") == 1
    assert net[1] is kept
    x = torch.randn(5, 16)
    weight, bias = quantise_weight(layer(16, 16).weight), layer(16, 16).bias
    rounded = fake_quantise_rows(x, 8).double()
    exact = rounded @ (weight.codes.double() * weight.scale.double()[:, None]).T + bias.double()
    assert rms_ratio(net[0](x), exact.float()) < 1e-5


def test_fake_quantisation_errs_by_half_a_step_and_keeps_zero():
    x = torch.randn(50, 33)
    step = (x.amax(-1).clamp(min=0) - x.amin(-1).clamp(max=0)) / 255
    assert ((fake_quantise_rows(x, 8) - x).abs().amax(-1) <= step * 0.51 + 1e-7).all()
    assert fake_quantise_rows(torch.zeros(2, 5), 8).eq(0).all()
    assert fake_quantise_rows(torch.tensor([[0.0, -3.0, -1.0]]), 8)[0, 0] == 0
