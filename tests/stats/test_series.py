"""Monte Carlo series against processes whose correlation is known, and R-hat against its formula."""

import numpy as np
import pytest
from scipy.signal import lfilter

from effbench.stats.series import autocorrelation_time, effective_size, mean_with_error, r_hat


def autoregressive(shape, correlation, seed=0):
    noise = np.random.default_rng(seed).normal(0, 1, shape)
    noise[..., 0] /= np.sqrt(1 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], noise, axis=-1)


@pytest.mark.parametrize(("correlation", "tau"), [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0)])
def test_the_time_of_an_autoregressive_series_is_known(correlation, tau):
    series = autoregressive(200_000, correlation)
    assert autocorrelation_time(series) == pytest.approx(tau, rel=0.06)
    assert effective_size(series) == pytest.approx(200_000 / tau, rel=0.06)
    assert autocorrelation_time(autoregressive((20, 10_000), correlation)) == pytest.approx(tau, rel=0.06)


def test_the_error_is_the_scatter_of_the_means_and_the_naive_one_is_far_too_small():
    many = [mean_with_error(autoregressive(4000, 0.9, seed)) for seed in range(200)]
    scatter = np.std([one.value for one in many], ddof=1)
    assert np.mean([one.error for one in many]) == pytest.approx(scatter, rel=0.15)
    assert autoregressive(4000, 0.9).std() / np.sqrt(4000) < 0.3 * scatter


def test_an_anticorrelated_series_is_not_credited():
    assert autocorrelation_time(autoregressive(10_000, -0.5)) == 1.0


def test_a_series_shorter_than_fifty_times_has_no_error():
    found = mean_with_error(autoregressive(1000, 0.99))
    assert (found.error, found.interval, found.reason) == (None, None, "too_few_samples")
    assert found.value is not None


def test_chains_that_stay_apart_have_no_time():
    apart = autoregressive((4, 2000), 0.5) + np.array([[0.0], [10.0], [20.0], [30.0]])
    assert autocorrelation_time(apart) is None
    assert r_hat(apart) > 3


def test_r_hat_by_hand():
    # halves (0, 2), (1, 3), (4, 6), (5, 7): within 2; means 1, 2, 5, 6, of variance 17 / 3; h = 2
    assert r_hat([[0, 2, 1, 3], [4, 6, 5, 7]]) == pytest.approx(np.sqrt(1 / 2 + (17 / 3) / 2))
    assert r_hat([[0, 2, 99, 1, 3], [4, 6, 99, 5, 7]]) == r_hat([[0, 2, 1, 3], [4, 6, 5, 7]])  # an odd one is left out


def test_r_hat_is_one_for_chains_that_mix_and_sees_a_drift_within_one_chain():
    mixed = np.random.default_rng(0).normal(0, 1, (4, 2000))
    assert r_hat(mixed) == pytest.approx(1.0, abs=0.005)
    assert r_hat(mixed[:1] + np.linspace(0, 3, 2000)) > 1.1


def test_only_ranks_see_chains_that_differ_in_spread():
    spread = np.random.default_rng(0).normal(0, 1, (4, 2000)) * np.array([[1], [1], [1], [5]])
    assert r_hat(spread) < 1.01
    assert r_hat(spread, rank_normalised=True) > 1.1
    heavy = np.random.default_rng(1).standard_cauchy((4, 2000))
    assert r_hat(heavy, rank_normalised=True) == pytest.approx(1.0, abs=0.01)
