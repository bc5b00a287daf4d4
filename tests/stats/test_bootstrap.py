"""The bootstrap: what is drawn, which percentiles are read, and that clusters count as one sample."""

import numpy as np
import pytest

from effbench.stats.bootstrap import (
    bootstrap_mean,
    bootstrap_replicates,
    cluster_weights,
    interval_of,
    intervals_of,
    least_clusters,
    percentile_intervals,
    wilson_interval,
)

SKEWED = np.random.default_rng(0).exponential(1.0, 40)


def test_all_rows_of_a_cluster_are_drawn_together():
    clusters = ["a", "b", "a", "c"]
    for weights in cluster_weights(clusters, 50, 0):
        assert weights[0] == weights[2]
        assert weights[0] + weights[1] + weights[3] == 3


def test_methods_on_the_same_samples_get_the_same_resamples_whatever_the_samples_are_called():
    ours, theirs = (list(cluster_weights(names, 20, 0)) for names in (["a", "b", "c"], ["x", "y", "z"]))
    assert np.array_equal(ours, theirs)


def test_the_tails_are_expanded_by_the_number_of_clusters():
    draws = np.arange(1.0, 10_000)
    # Phi(-sqrt(10 / 9) * 2.262157) = 0.008553 of 10,000 ranks for ten clusters; 0.025 for a million of them.
    assert interval_of(draws, 0.95, 10) == pytest.approx((85.5, 9914.5), abs=0.1)
    assert interval_of(draws, 0.95, 1_000_000) == pytest.approx((250.0, 9750.0), abs=0.1)


def test_six_clusters_are_the_least_at_95_percent_because_five_extremes_bracket_a_median_with_93_75_percent():
    assert [least_clusters(level) for level in (0.5, 0.9, 0.9375, 0.95, 0.99)] == [2, 5, 5, 6, 8]
    draws = np.arange(100.0)
    assert interval_of(draws, 0.95, 5) is None
    assert interval_of(draws, 0.95, 6) is not None


def test_a_value_that_is_often_undefined_has_no_interval_and_one_that_rarely_is_has():
    draws = np.arange(1000.0)
    draws[:5] = np.nan
    assert interval_of(draws, 0.95, 40) is not None
    draws[:11] = np.nan
    assert interval_of(draws, 0.95, 40) is None


def test_draws_hold_nan_where_the_summary_lacks_a_name_and_centring_moves_the_interval():
    names = [str(i) for i in range(8)]
    rare = bootstrap_replicates(lambda w: {"mean": 5.0 + w[0], **({"rare": 1.0} if w[0] else {})}, names, 200)
    assert np.isnan(rare["rare"]).any() and np.isfinite(rare["mean"]).all()
    plain, moved = (intervals_of(rare, 0.95, centre, clusters=8)["mean"] for centre in ({}, {"mean": 0.0}))
    assert np.subtract(moved, plain) == pytest.approx(-rare["mean"].mean())
    assert "rare" not in intervals_of(rare, 0.95, {}, clusters=8)


def test_a_mean_by_weights_and_the_mean_routine_agree():
    names = [str(i) for i in range(40)]
    symmetric = np.concatenate([SKEWED, -SKEWED])[::2]
    by_weights = percentile_intervals(lambda w: {"m": float(w @ symmetric / w.sum())}, names, 4000, 0.95, {})["m"]
    assert bootstrap_mean(symmetric, resamples=4000) == pytest.approx(by_weights, abs=0.06)


def test_the_ends_of_a_mean_follow_its_units_and_its_skewness():
    low, high = bootstrap_mean(SKEWED)
    assert bootstrap_mean(3 * SKEWED + 1) == pytest.approx((3 * low + 1, 3 * high + 1))
    assert high - SKEWED.mean() > 1.1 * (SKEWED.mean() - low)  # a mean of skewed values errs further upwards
    wide = bootstrap_mean(SKEWED, level=0.99)
    assert wide.low < low and wide.high > high


def test_seeds_of_a_prompt_add_no_samples():
    prompts = [f"p{i:02d}" for i in range(40) for _ in range(2)]
    assert bootstrap_mean(np.repeat(SKEWED, 2), clusters=prompts) == pytest.approx(bootstrap_mean(SKEWED))
    as_if_independent = bootstrap_mean(np.repeat(SKEWED, 2))
    assert np.ptp(as_if_independent) < 0.8 * np.ptp(bootstrap_mean(SKEWED))


def test_clusters_that_all_have_the_same_mean_leave_nothing_to_resample():
    within = np.tile([0.1, 0.2, 0.3], 10)
    assert bootstrap_mean(within, clusters=[str(i // 3) for i in range(30)]) is None
    assert bootstrap_mean(within) is not None


def test_chunks_of_resamples_are_all_filled(monkeypatch):
    monkeypatch.setattr("effbench.stats.bootstrap._CHUNK", 40 * 7)
    assert bootstrap_mean(SKEWED, resamples=1000) == pytest.approx(
        bootstrap_mean(SKEWED, resamples=1000, seed=1), abs=0.1
    )


def test_wilson_has_width_at_none_and_at_all():
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I: 81 of 263, 15 of 148, 0 of 20.
    assert wilson_interval(81, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148, 0.95) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20, 0.95) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(20, 20, 0.95) == pytest.approx((0.8389, 1.0), abs=5e-5)
