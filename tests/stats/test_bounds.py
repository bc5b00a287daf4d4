"""No interval leaves what a number can be: a Fréchet distance of 1.5 had [-0.3, 4.7]."""

import importlib
import inspect
import math
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import effbench.tasks
from effbench.api import Metric
from effbench.stats.bootstrap import centred, intervals_of
from effbench.tasks.diffusion.distances import (
    RealSet,
    frechet_distance,
    frechet_distance_by_products,
    kernel_distance,
)

NONNEGATIVE = (
    "frechet_distance",
    "fid",
    "feature_distance",
    "latent_error",
    "warping_error",
    "flicker",
    "lpips",
    "solve_s",
)
COSINES = ("alignment", "frame_alignment", "temporal_consistency", "ssim")


def shipped() -> dict[tuple[str, str], Metric]:
    """Return (module, name) -> metric, of all tasks and scorers that ship: whatever a module of theirs defines."""
    found = {}
    for module_info in pkgutil.walk_packages(effbench.tasks.__path__, "effbench.tasks."):
        module = importlib.import_module(module_info.name)
        for value in vars(module).values():
            holder = value.__dict__ if inspect.isclass(value) else {"": value}
            for item in holder.values():
                for metric in item if isinstance(item, tuple) else (item,):
                    if isinstance(metric, Metric):
                        found[module_info.name, metric.name] = metric
    return found


METRICS = shipped()


def test_shipped_metrics_declare_what_they_can_be():
    ranges = {name: metric.range for (_, name), metric in METRICS.items()}
    assert {"prompt_accuracy", "kernel_distance", "energy_error_mha", "vbench_imaging_quality"} <= set(ranges)
    for name in NONNEGATIVE:
        assert ranges[name] == (0, math.inf), name
    for name in COSINES:
        assert ranges[name] == (-1, 1), name
    for (_, name), metric in METRICS.items():
        assert metric.unit != "share" or metric.range == (0, 1), name
    assert ranges["kernel_distance"] == (-math.inf, math.inf)  # an estimate without bias of a squared distance


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1e6), st.integers(0, 2**32 - 1), st.floats(0, 10))
def test_centring_a_distance_never_leaves_zero_and_keeps_its_order(value, seed, spread):
    draws = np.random.default_rng(seed).gamma(1.0, 1.0, 200) * spread
    moved = centred(draws, value, True)
    assert (moved >= 0).all() and (np.diff(moved[np.argsort(draws)]) >= -1e-9).all()
    assert centred(np.array([4.0, np.nan]), 1.0, True)[0] == pytest.approx(1.0)
    assert np.isnan(centred(np.array([4.0, np.nan]), 1.0, True)[1])


def test_a_small_distance_whose_additive_interval_fell_below_zero():
    draws = np.random.default_rng(0).gamma(3.0, 1.0, 1000) + 1.0  # mean 4, of a distance measured as 0.5
    unbounded = intervals_of({"d": draws}, 0.95, {"d": 0.5}, clusters=20)["d"]
    bounded = intervals_of({"d": draws}, 0.95, {"d": 0.5}, clusters=20, bounds={"d": (0.0, math.inf)})["d"]
    assert unbounded.low < 0
    assert 0 <= bounded.low < 0.5 < bounded.high


def frechet_intervals(n, dimensions, shift, simulations):
    """Return the share of simulated sets whose interval holds the mean of the distance over such sets."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((dimensions, dimensions)) * np.exp(-np.arange(dimensions) / 4)
    real = RealSet(rng.standard_normal((2000, dimensions)) @ mixing.T)
    covariance = np.cov(real.features, rowvar=False)

    def drawn():
        return frechet_distance_by_products(
            rng.standard_normal((n, dimensions)) @ mixing.T + shift, real.mean, covariance
        )

    truth = np.mean([drawn()(np.ones(n)) for _ in range(300)])
    chance, held = np.full(n, 1 / n), 0
    for _ in range(simulations):
        few = drawn()
        draws = np.array([few(weights) for weights in rng.multinomial(n, chance, 100).astype(float)])
        bounds = {"d": (0.0, math.inf)}
        low, high = intervals_of({"d": draws}, 0.95, {"d": few(np.ones(n))}, clusters=n, bounds=bounds)["d"]
        held += 0 <= low <= truth <= high
    return held / simulations


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_interval_of_a_frechet_distance_covers_at_least_its_level(shift):
    assert frechet_intervals(12, 4, shift, 60) >= 0.86  # 95 %, less three binomial deviations of 60


@pytest.mark.slow
@pytest.mark.parametrize(("n", "dimensions"), [(20, 16), (40, 16), (20, 64)])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_interval_of_a_frechet_distance_covers_its_level_at_more_sizes(n, dimensions, shift):
    assert frechet_intervals(n, dimensions, shift, 400) >= 0.93


def test_a_distance_to_itself_is_zero_and_too_few_samples_stay_nan():
    features = np.random.default_rng(1).standard_normal((50, 4))
    real = RealSet(features)
    assert 0 <= frechet_distance(features, real)(np.ones(50)) < 1e-9
    alone = np.eye(50)[0]
    assert math.isnan(frechet_distance(features, real)(alone))
    assert math.isnan(frechet_distance_by_products(features, real.mean, np.cov(features, rowvar=False))(alone))
    assert kernel_distance(features, real)(np.ones(50)) < 0  # without bias, and therefore below zero here
