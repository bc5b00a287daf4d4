"""Binomial draws: the distribution at every size, and nothing but the key decides."""

import numpy as np
import pytest
from scipy import stats

from effbench.tasks.vmc_energy.binomial import binomial, mix

KEYS = np.array([int(mix(np.uint64(k))) for k in range(20_000)], np.uint64)


def drawn(trials, share):
    return np.array([binomial(trials, share, key) for key in KEYS])


@pytest.mark.parametrize("share", [0.003, 0.2, 0.5, 0.77, 0.9995])
@pytest.mark.parametrize("trials", [1, 5, 40, 300, 20_000])
def test_counts_follow_the_distribution(trials, share):
    found = drawn(trials, share)
    values, observed = np.unique(found, return_counts=True)
    assert values.min() >= 0 and values.max() <= trials
    law = stats.binom(trials, share)
    expected = law.pmf(np.arange(trials + 1)) * len(KEYS)
    observed = np.bincount(found, minlength=trials + 1)
    # Cells from both ends until each holds five; a chi-square over what is left.
    edges, inside = [0], 0.0
    for value, count in enumerate(expected):
        inside += count
        if inside >= 5 and expected[value + 1 :].sum() >= 5:
            edges.append(value + 1)
            inside = 0.0
    pooled, asked = np.add.reduceat(observed, edges), np.add.reduceat(expected, edges)
    if len(edges) > 1:
        assert stats.chisquare(pooled, asked * pooled.sum() / asked.sum()).pvalue > 1e-4


@pytest.mark.parametrize("share", [1e-12, 3e-7, 0.04, 0.5])
@pytest.mark.parametrize("trials", [10**6, 10**12, 10**15])
def test_large_counts_have_the_right_mean_and_spread(trials, share):
    found, law = drawn(trials, share).astype(float), stats.binom(trials, share)
    assert abs(found.mean() - law.mean()) < 5 * law.std() / np.sqrt(len(found)) + 1e-12
    spread = found.var() / law.var()
    assert abs(spread - 1) < 5 * np.sqrt((2 + law.stats("k")) / len(found)) + 1e-6 if law.mean() > 0.01 else True
    if law.mean() > 1000:  # the shape, too: as normal as the law is
        assert stats.kstest((found - law.mean()) / law.std(), "norm").pvalue > 1e-4


def test_only_the_key_decides_and_certain_draws_are_certain():
    assert binomial(1000, 0.3, KEYS[5]) == binomial(1000, 0.3, KEYS[5])
    assert len(set(drawn(10**15, 0.3))) > 0.99 * len(KEYS)
    assert (drawn(17, 0.0) == 0).all() and (drawn(17, 1.0) == 17).all() and (drawn(0, 0.5) == 0).all()
