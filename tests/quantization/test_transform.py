"""Smoothing and rotation: no change in exact numbers, less to quantize, and one rounding after both."""

import pytest
import torch
from operands import generator, outlier_layer, sqnr_db

from effbench.quantization.fake import fake_rows
from effbench.quantization.rotation import incoherence, random_signs, without_rotation
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import WeightScheme
from effbench.quantization.smoothing import smoothing_multiplier, weighted_salience
from effbench.quantization.transform import Transform


def transforms(x, w, alpha=0.5):
    smoothing = smoothing_multiplier(x.abs().amax(0), w.abs().amax(0), alpha)
    signs = random_signs(x.shape[1], "layer", 3)
    return {
        "smoothing": Transform.of(smoothing),
        "rotation": Transform.of(None, signs),
        "both": Transform.of(smoothing, signs),
    }


@pytest.mark.parametrize("inputs", [64, 144, 192, 240])
@pytest.mark.parametrize("kind", ["smoothing", "rotation", "both"])
def test_the_product_is_unchanged_in_exact_numbers(inputs, kind):
    x, w = outlier_layer(inputs=inputs)
    transform = transforms(x, w)[kind]
    exact = x.double() @ w.double().T
    moved = transform.activations(x).double() @ transform.weight(w).double().T
    assert ((moved - exact).norm() / exact.norm()).item() < 1e-6
    forgotten = transform.activations(x).double() @ w.double().T  # the weight's side left out
    assert ((forgotten - exact).norm() / exact.norm()).item() > 1e-2


@pytest.mark.parametrize("kind", ["smoothing", "rotation", "both"])
def test_the_hessian_follows_the_inputs(kind):
    x, w = outlier_layer()
    transform = transforms(x, w)[kind]
    moved = transform.activations(x).double()
    expected = moved.T @ moved
    found = transform.hessian(x.double().T @ x.double())
    assert ((found - expected).norm() / expected.norm()).item() < 1e-6


def test_incoherence_falls_on_outliers_with_each_part():
    x, w = outlier_layer()
    before = incoherence(x)
    for kind, transform in transforms(x, w).items():
        assert incoherence(transform.activations(x)) < before / 2, kind
    assert incoherence(torch.zeros(2, 4)) == 1.0


def test_signs_are_of_the_seed_and_the_name_alone():
    assert set(random_signs(64, "a", 0).tolist()) == {-1.0, 1.0}
    assert torch.equal(random_signs(64, "a", 0), random_signs(64, "a", 0))
    assert not torch.equal(random_signs(64, "a", 0), random_signs(64, "b", 0))
    assert not torch.equal(random_signs(64, "a", 0), random_signs(64, "a", 1))


def test_widths_without_a_rotation_are_listed():
    layers = [("a", torch.nn.Linear(192, 4)), ("b", torch.nn.Linear(36, 4)), ("c", torch.nn.Linear(4608, 4))]
    assert without_rotation(layers) == ["b"]


def test_both_conventions_of_alpha():
    x_max, w_max = torch.tensor([8.0, 2.0]), torch.tensor([0.5, 2.0])
    smoothquant = smoothing_multiplier(x_max, w_max, 0.25)
    assert torch.allclose(1 / smoothquant, x_max**0.25 / w_max**0.75)
    released = smoothing_multiplier(x_max, w_max, 0.99, "vidit-q")
    assert torch.allclose(released, w_max**0.99 / x_max**0.01)
    assert torch.allclose(released, smoothing_multiplier(x_max, w_max, 0.01, "smoothquant"))
    assert not torch.allclose(released, smoothing_multiplier(x_max, w_max, 0.99, "smoothquant"))
    with pytest.raises(ValueError, match="alpha of smoothing lies in"):
        smoothing_multiplier(x_max, w_max, 1.5)


def test_zero_channels_get_one_and_touch_no_other():
    x_max, w_max = torch.rand(16, generator=generator()) + 0.1, torch.rand(16, generator=generator(1)) + 0.1
    before = smoothing_multiplier(x_max, w_max, 0.5)
    x_max[3], w_max[5], x_max[7], w_max[7] = 0, 0, 0, 0
    after = smoothing_multiplier(x_max, w_max, 0.5)
    others = [i for i in range(16) if i not in (3, 5, 7)]
    assert torch.equal(before[others], after[others])
    assert (after[[3, 5, 7]] == 1).all()


def test_salience_leans_to_timesteps_that_rank_unlike_the_weight():
    w_max = torch.tensor([1.0, 2.0, 3.0, 4.0])
    alike, unlike = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([4.0, 3.0, 2.0, 1.0])
    found = weighted_salience(torch.stack([alike, unlike]), w_max)
    weight = torch.exp(torch.tensor(1.0)) / (torch.exp(torch.tensor(1.0)) + torch.exp(torch.tensor(-1.0)))
    assert torch.allclose(found, weight * unlike + (1 - weight) * alike)


@pytest.mark.parametrize(("bits", "least_db"), [(8, 1.0), (4, 1.5)])
def test_one_rounding_beats_the_released_two(bits, least_db):
    """Dossier: 2-12 dB at W8A8 and 3-11 dB at W4A8 on synthetic outlier layers."""
    x, w = outlier_layer(inputs=192, factor=100.0)
    smoothing = smoothing_multiplier(x.abs().amax(0), w.abs().amax(0), 0.5)
    signs = random_signs(192, "layer")
    both, exact, scheme = Transform.of(smoothing, signs), x @ w.T, WeightScheme(bits)
    rows = fake_rows(both.activations(x), 8)
    once = quantize_weight(both.weight(w), scheme).dequantized()
    rounded = quantize_weight(Transform.of(smoothing).weight(w), scheme).dequantized()
    twice = quantize_weight(Transform.of(None, signs).weight(rounded), scheme).dequantized()
    gain = sqnr_db(rows @ once.T, exact) - sqnr_db(rows @ twice.T, exact)
    print(f"W{bits}A8: once above twice by {gain:.1f} dB")
    assert gain > least_db
