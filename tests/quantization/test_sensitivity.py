"""Sensitivities: known answers of the measures, an untouched model, and a search that goes on after it was killed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_denoiser import toy

from effbench.api import PluginError
from effbench.kernels.codes import StaticRange
from effbench.quantization import sensitivity
from effbench.quantization.ranges import static_range
from effbench.quantization.sensitivity import Trial, changed, is_content, measure_sensitivity
from effbench.quantization.similarity import CEILING_DB, K1, global_ssim, local_ssim, sqnr_db

STATICS = {(name, bits): static_range(-6, 6, bits) for name in ("block.conv", "block.ff") for bits in (2, 4, 8)}
TRIALS = [
    Trial(part, f"block.{name}", bits, measure)
    for part in ("weight", "activation")
    for name, measure in (("ff", "ssim"), ("conv", "sqnr"))
    for bits in (2, 4, 8)
]


@pytest.mark.parametrize("power_db", [20.0, 40.0, 60.0])
def test_sqnr_is_that_of_noise_of_known_power(power_db):
    rng = np.random.default_rng(0)
    y = rng.normal(0, 3, 200_000)
    noise = rng.normal(0, 3 * 10 ** (-power_db / 20), y.size)
    assert sqnr_db(y, y + noise) == pytest.approx(power_db, abs=0.05)


def test_sqnr_at_its_ends():
    y = np.array([3.0, 4.0])
    assert sqnr_db(y, y) == CEILING_DB and sqnr_db(np.zeros(2), y) == -CEILING_DB
    assert sqnr_db(y, np.zeros(2)) == 0.0
    assert np.isnan(sqnr_db(y, np.array([np.nan, 1]))) and np.isnan(sqnr_db(y, np.array([np.inf, 1])))


@pytest.mark.parametrize("measure", [global_ssim, local_ssim])
def test_ssim_of_equal_pictures_is_one_and_falls_with_noise(measure):
    rng = np.random.default_rng(0)
    pictures = rng.uniform(size=(2, 3, 16, 16)).astype(np.float32)
    assert measure(pictures, pictures) == pytest.approx(1.0, abs=1e-12)
    values = [measure(pictures + rng.normal(0, s, pictures.shape), pictures) for s in (0.01, 0.1, 0.5)]
    assert 1 > values[0] > values[1] > values[2]


def test_global_ssim_by_hand():
    a, b = np.full((1, 4, 4), 0.2), np.full((1, 4, 4), 0.6)
    assert global_ssim(a, b) == pytest.approx((2 * 0.2 * 0.6 + K1**2) / (0.2**2 + 0.6**2 + K1**2))
    halves = np.array([[[0.0, 1.0], [0.0, 1.0]]])  # mean 1/2, sample variance 1/3, covariance with its mirror -1/3
    c1, c2 = 1e-4, 9e-4
    expected = (2 / 4 + c1) * (-2 / 3 + c2) / ((2 / 4 + c1) * (2 / 3 + c2))
    assert global_ssim(halves, halves[:, :, ::-1]) == pytest.approx(expected)


def test_one_window_saturates_where_eleven_pixels_do_not():
    """Details that are lost all over a picture hardly move its one window, which is why that is not the default."""
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 1, 64)
    picture = np.broadcast_to(grid, (3, 64, 64)) * 0.8 + 0.1
    noisy = picture + rng.normal(0, 0.02, picture.shape)
    assert 1 - global_ssim(noisy, picture) < 0.02 < 0.1 < 1 - local_ssim(noisy, picture)


def test_a_picture_smaller_than_the_window_is_one_sentence():
    with pytest.raises(ValueError, match="at least 11x11, got 8x8"):
        local_ssim(np.zeros((1, 3, 8, 8)), np.zeros((1, 3, 8, 8)))


def test_which_layers_carry_content():
    content = "up.0.transformer_blocks.0.ff.net.2", "mid.attn2.to_k.rest"
    quality = "up.0.attn1.to_k", "up.0.resnets.1.conv1.skip", "time.off.proj", "up.ffn2.conv"
    assert all(map(is_content, content)) and not any(map(is_content, quality))


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_scores_rise_with_the_bits_and_the_model_is_untouched():
    system, ctx, samples = toy()
    before, objects = state_of(system.denoiser), dict(system.denoiser.named_parameters())
    found = measure_sensitivity(system, ctx, samples, TRIALS, STATICS)
    assert list(found) == TRIALS
    for first in range(0, len(TRIALS), 3):
        low, middle, high = (found[trial] for trial in TRIALS[first : first + 3])
        assert low < middle < high
    assert found[Trial("weight", "block.conv", 8, "sqnr")] - found[Trial("weight", "block.conv", 4, "sqnr")] > 15
    after = dict(system.denoiser.named_parameters())
    assert all(after[name] is value for name, value in objects.items()) and after.keys() == objects.keys()
    assert all(torch.equal(value, before[name]) for name, value in system.denoiser.state_dict().items())
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in system.denoiser.modules())


def test_the_model_is_untouched_after_an_error_too():
    system, ctx, samples = toy()
    objects, calls = dict(system.denoiser.named_parameters()), 0

    def run(system, batch, seed):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("killed")
        return ctx.run(system, batch, seed)

    for trial in (TRIALS[0], TRIALS[6]):
        calls = 0
        with pytest.raises(RuntimeError, match="killed"):
            measure_sensitivity(system, replace(ctx, run=run), samples, [trial], STATICS)
        assert dict(system.denoiser.named_parameters()) == objects
        assert not any(m._forward_pre_hooks or m._forward_hooks for m in system.denoiser.modules())


def test_sqnr_is_that_of_the_changed_layer_by_hand():
    """One recorded call at a time, on the inputs of the run in float: errors of earlier steps do not add up."""
    system, ctx, samples = toy()
    system = replace(system, steps=2)
    trial = Trial("weight", "block.conv", 4, "sqnr")
    found = measure_sensitivity(system, ctx, samples, [trial], STATICS)[trial]
    inputs, outputs = [], []

    def see(_, args, kwargs, out):
        inputs.append((args, kwargs))
        outputs.append(out[0])

    handle = system.denoiser.register_forward_hook(see, with_kwargs=True)
    ctx.run(system, samples, 0)
    handle.remove()
    with changed(system.denoiser, trial, STATICS):
        again = [system.denoiser(*args, **kwargs)[0] for args, kwargs in inputs]
    signal = sum(float(y.double().square().sum()) for y in outputs)
    noise = sum(float((y.double() - z.double()).square().sum()) for y, z in zip(outputs, again))
    assert found == pytest.approx(10 * np.log10(signal / noise), abs=1e-6)


def test_a_killed_search_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFBENCH_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(sensitivity, "SAVE_EVERY", 1)
    system, ctx, samples = toy()
    expected = measure_sensitivity(*toy(), TRIALS, STATICS, checkpoint="other")
    done = []

    def killed(at, total, text):
        done.append(at)
        if at == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_sensitivity(system, replace(ctx, progress=killed), samples, TRIALS, STATICS)
    assert done == list(range(8))
    again = []
    found = measure_sensitivity(
        system, replace(ctx, progress=lambda at, *_: again.append(at)), samples, TRIALS, STATICS
    )
    assert again == list(range(7, len(TRIALS))) and found == expected


def test_a_checkpoint_of_another_search_is_not_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFBENCH_WORK", str(tmp_path))
    system, ctx, samples = toy()
    first = measure_sensitivity(system, ctx, samples, TRIALS[:1], STATICS)
    for other in (
        lambda: measure_sensitivity(system, ctx, samples[:2], TRIALS[:1], STATICS),
        lambda: measure_sensitivity(system, ctx, samples, TRIALS[:1], STATICS, window="global"),
        lambda: measure_sensitivity(replace(system, steps=2), ctx, samples, TRIALS[:1], STATICS),
    ):
        assert other() != first
        assert measure_sensitivity(system, ctx, samples, TRIALS[:1], STATICS) == first
    next(tmp_path.glob("*.json")).write_text("{")
    assert measure_sensitivity(system, ctx, samples, TRIALS[:1], STATICS) == first


def test_what_cannot_be_measured_is_one_sentence():
    system, ctx, samples = toy()
    with pytest.raises(PluginError, match="no calibration samples"):
        measure_sensitivity(system, ctx, [], TRIALS, STATICS)
    broken = {("block.conv", 8): StaticRange(float("nan"), 0, 8)}
    with pytest.raises(PluginError, match=r"sensitivity of block\.conv \(activation, 8 bits\) is nan"):
        measure_sensitivity(system, ctx, samples, [Trial("activation", "block.conv", 8, "sqnr")], broken)
