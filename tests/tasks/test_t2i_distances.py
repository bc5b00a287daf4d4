"""Distances with known answers, and the prompt lists."""

import numpy as np
import pytest

from effbench.api import PluginError
from effbench.tasks.diffusion.distances import (
    RealSet,
    frechet_distance,
    frechet_distance_by_products,
    kernel_distance,
    polynomial_kernel,
)
from effbench.tasks.diffusion.prompts import load_prompts
from effbench.zoo.digits_pixart.prompts import phrasings


def draw(n, shift=0.0, scale=1.0, seed=0):
    return np.random.default_rng(seed).normal(shift, scale, (n, 4))


def test_frechet_distance_of_two_gaussians_is_the_closed_form():
    real, ours = RealSet(draw(3_000)), draw(3_000, 0.5, 2.0, seed=1)
    assert frechet_distance(ours, real)(np.ones(3_000)) == pytest.approx(4 * 0.25 + 4 * (2 - 1) ** 2, rel=0.05)


def test_the_distance_by_products_is_the_distance_by_covariances():
    rng = np.random.default_rng(0)
    features, real = rng.normal(size=(12, 40)), RealSet(rng.normal(0.2, 1.1, (300, 40)))
    few = frechet_distance_by_products(features, real.mean, np.cov(real.features, rowvar=False))
    for weights in (np.ones(12), rng.integers(0, 3, 12).astype(float)):
        assert few(weights) == pytest.approx(frechet_distance(features, real)(weights), rel=1e-6)


def test_a_set_is_at_no_distance_from_itself():
    features = draw(300)
    assert frechet_distance(features, RealSet(features))(np.ones(300)) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_the_double_loop_and_unbiased():
    x, y = draw(6), draw(9, seed=3)
    k = polynomial_kernel
    within = np.mean([k(x[[i]], x[[j]])[0, 0] for i in range(6) for j in range(6) if i != j])
    real = np.mean([k(y[[i]], y[[j]])[0, 0] for i in range(9) for j in range(9) if i != j])
    expected = within + real - 2 * k(x, y).mean()
    assert kernel_distance(x, RealSet(y))(np.ones(6)) == pytest.approx(expected)
    values = [kernel_distance(draw(30, seed=s), RealSet(draw(30, seed=s + 5000)))(np.ones(30)) for s in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_weight_zero_leaves_a_sample_out_and_weights_replicate():
    x, real = draw(20), RealSet(draw(50, seed=2))
    weights = np.r_[np.ones(15), np.zeros(5)]
    assert kernel_distance(x, real)(weights) == pytest.approx(kernel_distance(x[:15], real)(np.ones(15)))
    assert frechet_distance(x, real)(weights * 3) > 0
    assert np.isnan(kernel_distance(x, real)(np.eye(20)[0]))


def test_no_prompt_of_a_split_is_in_another_and_the_manifest_is_the_recipe():
    prompts = {split: load_prompts("digits", split) for split in ("calibration", "evaluation")}
    recipe = {
        s: [p.caption(d) for p in phrasings(s) for d in range(10)] for s in ("train", "calibration", "evaluation")
    }
    for split, samples in prompts.items():
        assert [s.data["prompt"] for s in samples] == recipe[split]
        assert len({s.id for s in samples}) == len(samples)
    assert not set(recipe["train"]) & set(recipe["evaluation"])
    assert not set(recipe["calibration"]) & set(recipe["evaluation"])
    assert [s.target["digit"] for s in prompts["evaluation"][:10]] == list(range(10))


def test_prompt_files(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("a\n\nb\nc\nd\ne\nf\n")
    ours = {
        split: [s.data["prompt"] for s in load_prompts(str(file), split)] for split in ("calibration", "evaluation")
    }
    assert ours == {"calibration": ["a", "f"], "evaluation": ["b", "c", "d", "e"]}
    file.write_text("one\n")
    with pytest.raises(PluginError, match="at least 2"):
        load_prompts(str(file), "evaluation")
    with pytest.raises(PluginError, match="nor a readable file"):
        load_prompts("nowhere.txt", "evaluation")
