"""Sampling: the law of independent draws, nothing lost, nothing twice, and no matter who walks which part of the tree."""

import numpy as np
import pytest
from networks import made
from scipy import stats

from effbench.kernels.local_energy.determinants import sector
from effbench.tasks.vmc_energy import sampling
from effbench.tasks.vmc_energy.frozen import frozen_integrals
from effbench.tasks.vmc_energy.sampling import Prefixes, finish, grow, root, sample, sample_within

INTEGRALS = frozen_integrals("lih")
NETWORK = made(INTEGRALS)
ALPHA, BETA = sector(6, 2, 2)


def counts_of(drawn):
    place = {tuple(row): at for at, row in enumerate(NETWORK.tokens_of(ALPHA, BETA).tolist())}
    found = np.zeros(len(place), np.int64)
    for row, count in zip(drawn.tokens.tolist(), drawn.counts):
        found[place[tuple(row)]] += count
    return found


@pytest.mark.parametrize("draws", [1_000, 100_000, 10**9])
def test_counts_are_those_of_independent_draws(draws):
    """Item 7: chi-square of the counts on the 225 determinants of LiH, small cells pooled."""
    shares = np.exp(2 * NETWORK.log_psi(ALPHA, BETA).real)
    for seed in range(3):
        found, expected = counts_of(sample(NETWORK, draws, seed)), draws * shares
        small = expected < 5
        observed, asked = (
            np.append(found[~small], found[small].sum()),
            np.append(expected[~small], expected[small].sum()),
        )
        kept = asked > 0
        assert stats.chisquare(observed[kept], asked[kept] * draws / asked[kept].sum()).pvalue > 1e-4


@pytest.mark.parametrize("draws", [1, 17, 10**6, 10**15])
def test_nothing_is_lost_and_nothing_stands_twice(draws):
    drawn = sample(NETWORK, draws, 3)
    assert drawn.counts.sum() == draws and (drawn.counts > 0).all()
    assert len(np.unique(drawn.tokens.numpy(), axis=0)) == len(drawn.tokens)


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("level", [1, 3])
def test_workers_that_share_the_tree_draw_the_same(workers, level):
    whole = sample(NETWORK, 10**7, 5)
    prefixes = root(10**7, 5)
    for _ in range(level):
        prefixes = grow(NETWORK, prefixes)
    parts = [
        finish(NETWORK, Prefixes(*(part[worker::workers] for part in prefixes)))
        for worker in range(min(workers, len(prefixes.counts)))
    ]
    assert np.array_equal(sum(counts_of(part) for part in parts), counts_of(whole))
    rows = np.concatenate([part.tokens.numpy() for part in parts])
    assert len(np.unique(rows, axis=0)) == len(rows) == len(whole.tokens)  # subtrees share no determinant


def test_a_broad_state_is_sampled_within_bounds(monkeypatch):
    """Li2O's sector has 4e7 determinants; a walk to its end would hold most of them."""
    network, widths = made(frozen_integrals("li2o"), hf_bias=0.0), []

    def grown(*given):
        found = grow(*given)
        widths.append(len(found.counts))
        return found

    monkeypatch.setattr(sampling, "grow", grown)
    drawn, draws = sample_within(network, 1e12, 3, 300)
    assert len(drawn.counts) <= 300 and max(widths) <= 4 * 300
    whole = sample(network, int(draws), 3)
    assert np.array_equal(drawn.tokens, whole.tokens) and np.array_equal(drawn.counts, whole.counts)
    assert len(sample(network, int(2 * draws), 3).counts) > 300


def test_another_seed_draws_anew():
    assert not np.array_equal(counts_of(sample(NETWORK, 10**6, 1)), counts_of(sample(NETWORK, 10**6, 2)))


@pytest.mark.parametrize("draws", [0, 10**16])
def test_draws_that_cannot_be_counted_are_refused(draws):
    with pytest.raises(ValueError, match="can be counted"):
        root(draws, 0)
