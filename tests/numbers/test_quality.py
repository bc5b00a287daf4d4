"""Quality numbers from scores: groups, slices, trainings, shares that no sample contradicts, and their bounds."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effbench.api import Metric, Scores, weighted_means
from effbench.numbers.parts import Rows
from effbench.numbers.quality import quality_numbers
from effbench.replicates import Replicates
from effbench.stats.bootstrap import wilson_interval
from effbench.stats.resampled import Resampled, resample
from effbench.storeschema import Summarised

sys.path.insert(0, str(Path(__file__).parent.parent / "stats"))
from test_bounds import METRICS

SCORE = Metric("score", "", higher_is_better=True, primary=True)
HIT = Metric("hit", "share", higher_is_better=True, primary=True)


def numbers_of(make_setting, metrics, scores, ids, groups=None, seeds=None, **changes):
    """Return key -> number of scores, with replicates as the runner makes them."""
    groups, seeds = groups or ids, seeds or [0] * len(ids)
    trainings = changes.get("trainings", ())
    summarise = weighted_means(metrics, scores)
    weights = changes.get("weights")
    scale = 1.0 if weights is None else np.array([weights[i] for i in ids])
    found = resample(lambda w: summarise(w * scale), groups, 500, trainings=seeds if len(trainings) > 1 else None)
    setting = make_setting(metrics, sorted(set(ids)), seeds=tuple(sorted(set(seeds))), **changes)
    summary = Summarised(values=summarise(np.ones(len(ids)) * scale))
    rows = Rows(scores, tuple(ids), tuple(groups), tuple(seeds))
    made = quality_numbers(setting, rows, summary, Replicates.of(found, "x"), None)
    return {number.name: number for number in made}


def test_groups_are_what_is_resampled_and_counted(make_setting):
    rng = np.random.default_rng(0)
    ids = [f"{g}-{k}" for g in range(10) for k in range(20)]
    values = np.repeat(rng.normal(size=10), 20) + 0.01 * rng.normal(size=200)
    alone = numbers_of(make_setting, [SCORE], Scores({"score": values}), ids)["score"]
    grouped = numbers_of(make_setting, [SCORE], Scores({"score": values}), ids, [i.split("-")[0] for i in ids])["score"]
    assert (alone.n, alone.units, grouped.n, grouped.units) == (200, "", 10, "groups")
    widths = [number.ci_high - number.ci_low for number in (alone, grouped)]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(20), rel=0.35)  # 200 rows that hold 10 values


def test_a_slice_is_of_its_own_samples_alone(make_setting):
    sliced = Metric("score", "", higher_is_better=True, slice="species=print")
    ids = [str(i) for i in range(40)]
    species = ["print" if i % 4 == 0 else "" for i in range(40)]
    scores = Scores({"score": np.arange(40.0)}, slices={"species": species})
    found = numbers_of(make_setting, [SCORE, sliced], scores, ids)
    number = found["score[species=print]"]
    assert number.value == np.arange(0, 40, 4).mean() and (number.n, number.slice) == (10, "species=print")
    assert number.ci_low < number.value < number.ci_high and found["score"].n == 40


def test_a_share_is_wilsons_alone_and_its_replicates_with_groups(make_setting):
    ids = [str(i) for i in range(30)]
    hits = np.array([1.0] * 27 + [0.0] * 3)
    plain = numbers_of(make_setting, [HIT], Scores({"hit": hits}), ids)["hit"]
    assert plain.ci_method == "wilson" and (plain.ci_low, plain.ci_high) == wilson_interval(27, 30, 0.95)
    grouped = numbers_of(make_setting, [HIT], Scores({"hit": hits}), ids, [str(i // 3) for i in range(30)])["hit"]
    assert grouped.ci_method == "wilson_effective" and grouped.ci_low < plain.ci_low


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_that_no_group_contradicts_is_bounded_by_the_number_of_groups(make_setting, value):
    ids = [str(i) for i in range(24)]
    number = numbers_of(
        make_setting, [HIT], Scores({"hit": np.full(24, value)}), ids, [str(i // 3) for i in range(24)]
    )["hit"]
    assert (number.ci_low, number.ci_high) == pytest.approx(
        wilson_interval(8 * value, 8, 0.95)
    )  # eight groups, all alike


def test_a_share_of_a_set_that_no_group_contradicts_is_bounded_too(make_setting):
    rate = Metric("rate", "share", higher_is_better=False, per="set", primary=True)
    setting = make_setting([rate], ["a", "b"])
    ids, groups = tuple(map(str, range(16))), tuple(str(i // 2) for i in range(16))
    found = Replicates({"rate": np.zeros(200)}, "x")
    rows = Rows(Scores({"score": np.zeros(16)}), ids, groups, (0,) * 16)
    (number,) = quality_numbers(setting, rows, Summarised(values={"rate": 0.0}), found, None)
    assert (number.ci_low, number.ci_high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 8)))


def test_trainings_widen_the_interval_and_one_alone_says_so(make_setting):
    rng = np.random.default_rng(1)
    samples = [str(i) for i in range(50)]
    ids, seeds = samples * 5, [s for s in range(5) for _ in samples]
    values = np.tile(rng.normal(size=50), 5) + np.repeat(rng.normal(size=5), 50)
    fixed = numbers_of(make_setting, [SCORE], Scores({"score": values}), ids, seeds=seeds)["score"]
    trained = numbers_of(make_setting, [SCORE], Scores({"score": values}), ids, seeds=seeds, trainings=(0, 1, 2, 3, 4))
    trained = trained["score"]
    assert trained.ci_method == "bootstrap_percentile_and_trainings" and fixed.flags == trained.flags == ()
    assert trained.ci_high - trained.ci_low > 2 * (fixed.ci_high - fixed.ci_low)
    once = numbers_of(make_setting, [SCORE], Scores({"score": values[:50]}), samples, trainings=(0,))["score"]
    assert once.flags == ("one_training",)


def test_a_weighted_subset_is_resampled_with_its_weights(make_setting):
    ids = [str(i) for i in range(20)]
    weights = {i: 1.9 if int(i) < 10 else 0.1 for i in ids}
    scores = Scores({"score": np.r_[np.zeros(10), np.ones(10)]})
    number = numbers_of(make_setting, [SCORE], scores, ids, weights=weights)["score"]
    assert number.value == pytest.approx(0.05) and number.ci_high < 0.3


def test_a_metric_of_a_set_is_withheld_of_a_part(make_setting):
    distance = Metric("distance", "", higher_is_better=False, per="set", primary=True)
    setting = make_setting([distance], ["a", "b"], pool=10)
    rows = Rows(Scores({}), ("a", "b"), ("a", "b"), (0, 0))
    (number,) = quality_numbers(setting, rows, Summarised(values={"distance": 1.0}), None, None)
    assert (number.value, number.reason) == (None, "too_few_samples")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(METRICS)), st.integers(6, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_every_interval_of_every_shipped_metric_lies_in_its_range_and_holds_the_value(
    make_setting, key, n, seed, at_the_edge
):
    metric, rng = METRICS[key], np.random.default_rng(seed)
    least, most = metric.range
    low = least if np.isfinite(least) else -10.0
    high = most if np.isfinite(most) else low + 10.0
    values = low + (high - low) * (rng.random(n) ** 8 if at_the_edge else rng.random(n))
    values = np.round(values) if metric.unit == "share" else values
    draws = rng.choice(values, (100, n)).mean(axis=1)
    if metric.per == "set":  # every resample of a set lies further away than the set
        draws = np.clip(draws + 0.3 * (high - low), least, most)
    ids = tuple(str(i) for i in range(n))
    found = {metric.name: Resampled(float(values.mean()), draws, np.zeros(0), np.zeros((0, 0)))}
    summary = Summarised(values={metric.name: float(values.mean())})
    rows = Rows(Scores({metric.name: values}), ids, ids, (0,) * n)
    (number,) = quality_numbers(make_setting([metric], ids), rows, summary, Replicates.of(found, "x"), None)
    assert least <= number.ci_low <= number.ci_high <= most
    if metric.per == "set":
        assert number.ci_low <= number.value <= number.ci_high
