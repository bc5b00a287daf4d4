"""Confidence sequences: the error rate over all looks together, beside a t test that is looked at as often and fails."""

import numpy as np
import pytest
from scipy import stats

from effbench.stats.bootstrap import Interval
from effbench.stats.sequential import EARLIEST, confidence_sequence

LOOKS = (25, 38, 57, 86, 129, 194, 291)
RUNS = 400
SIGNS = Interval(-1, 1)


def skewed(rng, n):
    return rng.exponential(size=n) - 1


def flips(rng, n):
    """Differences of two shares that agree on most samples."""
    return rng.choice([-1.0, 0.0, 1.0], size=n, p=[0.1, 0.8, 0.1])


DRAWS = {
    "normal": (lambda rng, n: rng.normal(size=n), None),
    "skewed": (skewed, None),
    "flips": (flips, SIGNS),
    "flips without bounds": (flips, None),
}


def ever_wrong(draw, bounds, level, mean=0.0):
    """Return the share of runs in which some look excluded the true mean."""
    wrong = 0
    for run in range(RUNS):
        values = draw(np.random.default_rng(run), LOOKS[-1])
        found = [confidence_sequence(values[:n], level, bounds=bounds, tightest_at=150) for n in LOOKS]
        wrong += any(not f.low <= mean <= f.high for f in found if f is not None)
    return wrong / RUNS


@pytest.mark.parametrize("name", DRAWS)
def test_no_more_runs_than_promised_are_ever_wrong(name):
    draw, bounds = DRAWS[name]
    limit = 0.05 + 2 * np.sqrt(0.05 * 0.95 / RUNS)
    assert ever_wrong(draw, bounds, 0.95) <= limit


@pytest.mark.parametrize("name", ["normal", "flips without bounds"])
def test_a_t_test_at_every_look_is_wrong_far_more_often(name):
    draw, _ = DRAWS[name]
    wrong = 0
    for run in range(RUNS):
        values = draw(np.random.default_rng(run), LOOKS[-1])
        wrong += any(stats.ttest_1samp(values[:n], 0).pvalue < 0.05 for n in LOOKS)
    assert wrong / RUNS > 0.12


@pytest.mark.parametrize(("bounds", "level"), [(None, 0.95), (SIGNS, 0.95), (SIGNS, 0.99)])
def test_a_difference_is_found_long_before_the_samples_end(bounds, level):
    needed = []
    for run in range(50):
        values = np.random.default_rng(run).choice([-1.0, 0.0, 1.0], size=LOOKS[-1], p=[0.05, 0.45, 0.5])
        decided = [n for n in LOOKS if confidence_sequence(values[:n], level, bounds=bounds, tightest_at=150).low > 0]
        needed.append(decided[0] if decided else np.inf)
    assert np.median(needed) <= 57 and np.isfinite(needed).all()


def test_the_asymptotic_radius_is_the_paper_s():
    values = np.random.default_rng(0).normal(3, 2, 100)
    found = confidence_sequence(values, 0.95, bounds=None, tightest_at=100)
    squared = (-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 100
    radius = values.std() * np.sqrt(
        2 * (100 * squared + 1) / (100**2 * squared) * np.log(np.sqrt(100 * squared + 1) / 0.05)
    )
    assert found == pytest.approx((values.mean() - radius, values.mean() + radius))
    plain = stats.t.interval(0.95, 99, values.mean(), stats.sem(values))
    assert 1.3 < (found.high - found.low) / (plain[1] - plain[0]) < 1.7  # what looking at any time costs


def test_betting_equals_the_products_written_out():
    values = np.random.default_rng(1).choice([0.0, 0.25, 1.0], size=40)
    alpha, found = 0.1, confidence_sequence(values, 0.9, bounds=Interval(0, 1), tightest_at=1)

    def is_out(m):
        mean, variance, total, spread, ours, theirs = 0.5, 0.25, 0.5, 0.25, 1.0, 1.0
        for t, x in enumerate(values.tolist(), start=1):
            bet = np.sqrt(2 * np.log(2 / alpha) / (variance * t * np.log(t + 1)))
            ours *= 1 + min(bet, 0.5 / m) * (x - m)
            theirs *= 1 - min(bet, 0.5 / (1 - m)) * (x - m)
            total += x
            mean = total / (t + 1)
            spread += (x - mean) ** 2
            variance = spread / (t + 1)
            if max(ours, theirs) / 2 >= 1 / alpha:
                return True
        return False

    grid = np.linspace(0, 1, 1001)[1:-1]
    inside = [m for m in grid if not is_out(m)]
    assert found.low == pytest.approx(inside[0] - 0.001) and found.high == pytest.approx(inside[-1] + 0.001)


def test_nothing_is_said_too_early_or_of_values_that_are_all_alike():
    assert confidence_sequence(np.arange(EARLIEST - 1.0), 0.95, bounds=None, tightest_at=100) is None
    assert confidence_sequence(np.zeros(200), 0.95, bounds=None, tightest_at=100) is None
    assert confidence_sequence([], 0.95, bounds=SIGNS, tightest_at=100) is None
    alike = confidence_sequence(np.zeros(200), 0.95, bounds=SIGNS, tightest_at=100)
    assert alike.low < 0 < alike.high and alike.high - alike.low < 0.15


def test_values_outside_their_bounds_are_refused():
    with pytest.raises(ValueError, match=r"within \[-1, 1\]"):
        confidence_sequence([0.0, 2.0], 0.95, bounds=SIGNS, tightest_at=100)
    with pytest.raises(ValueError, match="finite"):
        confidence_sequence([np.nan], 0.95, bounds=SIGNS, tightest_at=100)
