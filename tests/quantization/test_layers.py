"""Quantized layers: real equals simulated, states by timestep, bytes, and how they replace the layers of a model."""

import pytest
import torch
from operands import generator, outlier_layer, sqnr_db

from effbench.diffusion import Step
from effbench.kernels import isa
from effbench.kernels.linear_w4a8.reference import linear_w4a8
from effbench.kernels.linear_w8a8.reference import linear_w8a8
from effbench.kernels.quantize_rows import quantize_rows
from effbench.quantization.fake import fake_rows, fake_tensor
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear, replace_layers
from effbench.quantization.preparing import leading_part, state_of_layer
from effbench.quantization.products import Inputs, LinearState
from effbench.quantization.ranges import at_most_bits, static_range
from effbench.quantization.rotation import random_signs
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import ActivationScheme, WeightScheme
from effbench.quantization.timesteps import TimestepRanges
from effbench.quantization.transform import Transform

STATIC = ActivationScheme("static-tensor")
CASES = {
    "w8a8": (WeightScheme(8), ActivationScheme()),
    "w8a8 symmetric": (WeightScheme(8), ActivationScheme(symmetric=True)),
    "w8a8 static": (WeightScheme(8), STATIC),
    "w4a8": (WeightScheme(4), ActivationScheme()),
    "w4a8 asymmetric": (WeightScheme(4, symmetric=False), ActivationScheme()),
    "w4a8 group": (WeightScheme(4, group=48), ActivationScheme()),
    "w4a8 static": (WeightScheme(4), STATIC),
    "w4a16": (WeightScheme(4), ActivationScheme("none")),
    "w4a16 group": (WeightScheme(4, group=48, symmetric=False), ActivationScheme("none")),
}


def layer_of(x, w, weight, activation, execution, low_rank=0, bias=True):
    transform = Transform.of(torch.rand(x.shape[-1], generator=generator(5)) + 0.5, random_signs(x.shape[-1], "l"))
    moved = transform.activations(x)
    static = static_range(float(moved.min()), float(moved.max())) if activation.kind == "static-tensor" else None
    state = state_of_layer(w, weight, transform, static, low_rank=low_rank)
    return QuantizedLinear([state], torch.linspace(-1, 1, len(w)) if bias else None, activation, execution)


@pytest.mark.usefixtures("eight_bit_codes")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("low_rank", [0, 8])
def test_real_and_simulated_execution_agree(case, low_rank):
    x, w = outlier_layer(rows=33, inputs=144, outputs=65)
    real, simulated = (layer_of(x, w, *CASES[case], execution, low_rank) for execution in ("real", "simulated"))
    ours, theirs = real(x.reshape(3, 11, 144)), simulated(x.reshape(3, 11, 144))
    assert ours.shape == (3, 11, 65) and ours.dtype == torch.float32
    error = ((ours - theirs).norm() / theirs.norm()).item()
    exact = x @ w.T + torch.linspace(-1, 1, 65)
    # A row's largest value may lie on a tie between two codes, which one rounding more or less decides.
    assert error < 1e-4 < ((theirs.flatten(0, 1) - exact).norm() / exact.norm()).item()
    assert real.packed_bytes() > 0 == simulated.packed_bytes()
    assert real.scheme_bytes == simulated.scheme_bytes


@pytest.mark.parametrize("kind", ["dynamic-token", "static-tensor"])
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("forced", ["", "avx2", "portable"])
def test_a_real_layer_is_the_simulated_one_of_the_bits_that_the_processor_has(forced, bits, kind, monkeypatch):
    if forced and isa.LARGEST_FIRST.index(forced) < isa.LARGEST_FIRST.index(isa.detect()):
        pytest.skip(f"this processor has no {forced}")
    monkeypatch.setenv("EFFBENCH_ISA", forced)
    exact_bits = isa.activation_bits()
    x, w = outlier_layer(rows=33, inputs=144, outputs=65)
    real = layer_of(x, w, WeightScheme(bits), ActivationScheme(kind), "real", bias=False)
    simulated = layer_of(x, w, WeightScheme(bits), ActivationScheme(kind), "simulated", bias=False)
    transform, static, _ = simulated.inputs[0]
    moved = transform.activations(x)
    rounded = fake_rows(moved, exact_bits) if static is None else fake_tensor(moved, at_most_bits(static, exact_bits))
    expected = rounded @ simulated.get_buffer("weight_0").T
    assert ((real(x) - expected).norm() / expected.norm()).item() < 1e-4
    if exact_bits < 8:
        assert ((real(x) - simulated(x)).norm() / expected.norm()).item() > 1e-3, (
            "7-bit codes could not be told from 8-bit"
        )


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, None), (4, 48)])
def test_the_algebra_of_zero_points_is_the_product_of_dequantized_operands(symmetric, bits, group):
    """In float64, where nothing but the algebra can differ."""
    x, w = outlier_layer(rows=33, inputs=144, outputs=65)
    rows = quantize_rows(x + 3, 8, symmetric=symmetric)
    weight = quantize_weight(w, WeightScheme(bits, group, symmetric=bits == 8 or symmetric))
    product = linear_w8a8 if bits == 8 else linear_w4a8
    operand = (rows.codes.double() - rows.zero[:, None]) * rows.scale.double()[:, None]
    per_group = weight.codes.double().unflatten(1, (weight.scale.shape[1], -1)) - weight.zero.double()[:, :, None]
    exact = operand @ (per_group * weight.scale.double()[:, :, None]).flatten(1).T
    found = product(rows, weight, None).double()
    assert ((found - exact).norm() / exact.norm()).item() < 1e-7
    forgotten = product(rows._replace(zero=torch.zeros_like(rows.zero)), weight, None).double()
    assert ((forgotten - exact).norm() / exact.norm()).item() > 1e-2


@pytest.mark.parametrize("execution", ["real", "simulated"])
def test_tokens_are_quantized_by_themselves(execution):
    x, w = outlier_layer(rows=24)
    layer = layer_of(x, w, WeightScheme(8), ActivationScheme(), execution)
    x = x * torch.logspace(-2, 2, 24)[:, None]
    together, order = layer(x.reshape(4, 6, -1)), torch.randperm(6, generator=generator())
    alone = torch.cat([layer(x.reshape(4, 6, -1)[i : i + 1]) for i in range(4)])
    for ours, theirs in ((layer(x.reshape(4, 6, -1)[:, order]), together[:, order]), (alone, together)):
        # A product of floats depends on its batch in its last bits; one of integers does not.
        error = (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)
        assert error.max() < (1e-6 if execution == "real" else 1e-5)


def test_a_wrong_multiplier_would_be_seen():
    x, w = outlier_layer(rows=33, inputs=144, outputs=65)
    signs = random_signs(144, "l")
    state = state_of_layer(w, WeightScheme(8), Transform.of(None, signs))
    wrong = state._replace(inputs=Inputs(Transform(signs.abs(), rotate=True)))
    right, wrong = (QuantizedLinear([s], None, ActivationScheme(), "real") for s in (state, wrong))
    exact = x @ w.T
    assert sqnr_db(wrong(x), exact) < 5 < 25 < sqnr_db(right(x), exact)


def test_more_bits_lose_less():
    x, w = outlier_layer()
    exact = x @ w.T
    lost = [
        sqnr_db(layer_of(x, w, WeightScheme(b), ActivationScheme(bits=b), "simulated", bias=False)(x), exact)
        for b in (2, 3, 4, 5, 6, 8)
    ]
    assert lost == sorted(lost) and lost[-1] > lost[2] + 15
    assert sqnr_db(layer_of(x, w, WeightScheme(16), ActivationScheme("none"), "simulated", bias=False)(x), exact) > 100


def test_a_branch_takes_the_leading_part_of_a_weight():
    x, w = outlier_layer(inputs=64, outputs=48)
    w = w + 3 * torch.outer(torch.randn(48, generator=generator(1)), torch.randn(64, generator=generator(2)))
    branch = leading_part(w, 4)
    assert branch.down.shape == (4, 64) and branch.up.shape == (48, 4)
    u, s, vh = torch.linalg.svd(w.double())
    best = (u[:, :4] * s[:4]) @ vh[:4]
    assert torch.allclose(branch.up @ branch.down, best.float(), atol=1e-4)
    exact = x @ w.T
    plain, split = (
        layer_of(x, w, WeightScheme(4), ActivationScheme("none"), "simulated", r, bias=False) for r in (0, 4)
    )
    assert sqnr_db(split(x), exact) > sqnr_db(plain(x), exact) + 3


def test_states_follow_the_ranges_of_timesteps():
    x, w = outlier_layer(rows=4)
    ranges = TimestepRanges(2)
    states = [state_of_layer(w, WeightScheme(bits), Transform()) for bits in (8, 2)]
    layer = QuantizedLinear(states, None, ActivationScheme("none"), "simulated", ranges)
    seen = []
    for index in range(5):
        ranges.step_begins(Step(index, 5, 0, 0.0))
        seen.append(torch.equal(layer(x), x @ states[1].dequantized().T))
    assert seen == [False, False, False, True, True] and layer.mean_bits == 5
    ranges.call_ends()
    assert torch.equal(layer(x), x @ states[0].dequantized().T)
    with pytest.raises(ValueError, match="2 states for 3 ranges"):
        QuantizedLinear(states, None, ActivationScheme(), "simulated", TimestepRanges(3))


@pytest.mark.parametrize(
    ("weight", "activation"),
    [
        (WeightScheme(6), ActivationScheme()),
        (WeightScheme(8), ActivationScheme(bits=6)),
        (WeightScheme(8, group=48), ActivationScheme()),
        (WeightScheme(4), ActivationScheme(group=48)),
        (WeightScheme(16), ActivationScheme()),
    ],
)
def test_what_no_kernel_computes_is_no_real_layer(weight, activation):
    x, w = outlier_layer(rows=4)
    with pytest.raises(ValueError, match="no kernel computes"):
        layer_of(x, w, weight, activation, "real")
    assert layer_of(x, w, weight, activation, "simulated")(x).isfinite().all()


def test_bytes_by_hand():
    w = torch.randn(10, 64, generator=generator())
    for bits, group, expected in ((8, None, 640 + 50), (4, None, 320 + 50), (4, 16, 320 + 200), (3, None, 240 + 50)):
        state = LinearState(quantize_weight(w, WeightScheme(bits, group)), bits)
        assert QuantizedLinear([state], None, ActivationScheme()).scheme_bytes == expected


@pytest.mark.usefixtures("eight_bit_codes")
@pytest.mark.parametrize(("stride", "padding", "kernel"), [(1, 1, 3), (2, 0, 3), (1, 0, 1), (2, 2, 5)])
def test_a_real_convolution_equals_the_simulated_one(stride, padding, kernel):
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(5, 7, kernel, stride, padding)
    x = torch.randn(2, 5, 9, 11) + 1  # the range does not centre on 0, so that padding by a wrong code would show
    weight = quantize_weight(conv.weight.flatten(1), WeightScheme(8))
    static = static_range(float(x.min()), float(x.max()))
    real, simulated = (QuantizedConv2d(conv, weight, 8, STATIC, static, e) for e in ("real", "simulated"))
    exact = conv(x)
    assert torch.allclose(real(x), simulated(x), atol=1e-5) and sqnr_db(real(x), exact) > 30
    assert real.packed_bytes() > 0 == simulated.packed_bytes() and real.weights == 5 * 7 * kernel**2


def test_a_convolution_in_one_range_a_sample_does_not_know_its_batch():
    conv = torch.nn.Conv2d(4, 6, 3, padding=1)
    x = torch.randn(3, 4, 8, 8, generator=generator()) * torch.tensor([0.1, 1.0, 10.0])[:, None, None, None]
    layer = QuantizedConv2d(conv, conv.weight, 16, ActivationScheme(bits=4))
    assert all(torch.allclose(layer(x[i : i + 1]), layer(x)[i : i + 1], atol=1e-5) for i in range(3))
    with pytest.raises(ValueError, match="a real convolution is W8A8"):
        QuantizedConv2d(conv, conv.weight, 8, ActivationScheme(), None, "real")
    with pytest.raises(ValueError, match="padded by zeros"):
        QuantizedConv2d(torch.nn.Conv2d(4, 6, 3, padding_mode="circular"), conv.weight, 8, ActivationScheme())
    with pytest.raises(ValueError, match="range that calibration found"):
        QuantizedConv2d(conv, conv.weight, 8, STATIC)


def test_layers_are_replaced_by_name_wherever_they_stand():
    shared = torch.nn.Linear(4, 4)
    net = torch.nn.ModuleDict(
        {"a": torch.nn.Sequential(shared, torch.nn.Linear(4, 2)), "b": shared, "c": torch.nn.Conv1d(2, 2, 1)}
    )
    kept = net["a"][1]
    asked = []

    def make(name, layer):
        asked.append(name)
        return torch.nn.Identity() if isinstance(layer, torch.nn.Linear) else None

    assert replace_layers(net, make, lambda name: name == "a.1") == ["a.0", "b"]
    assert net["a"][0] is net["b"] and isinstance(net["b"], torch.nn.Identity)
    assert net["a"][1] is kept and isinstance(net["c"], torch.nn.Conv1d) and asked == ["a.0", "c"]
