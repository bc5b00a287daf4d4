"""Anchors: planted factors and clusters are found with their shares, and an anchor stands for its cluster exactly."""

import numpy as np
import pytest
from planted import matrix, noisy

from effbench.subset.irt import ItemResponse, discriminations


def clusters(counts=(50, 30, 15, 5), methods=14, noise=1e-3, seed=0):
    """Prompts of four kinds, each ranking the methods in its own way, in random order; also the kind of each prompt."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    profiles, difficulty = 2 * rng.normal(size=(methods, len(counts))), 3 * rng.normal(size=len(kinds))
    values = profiles[:, kinds] + difficulty + noise * rng.normal(size=(methods, len(kinds)))
    return matrix(values), kinds


def test_one_anchor_of_each_planted_kind_with_the_kind_s_share():
    pool, kinds = clusters()
    for seed in range(3):
        found = ItemResponse().select([pool], 4, seed)
        shares = dict(zip(kinds[found.rows].tolist(), found.weights.tolist()))
        assert shares == pytest.approx({0: 0.5, 1: 0.3, 2: 0.15, 3: 0.05})


def test_the_anchors_say_what_the_pool_says_up_to_what_all_methods_share():
    pool, _ = clusters()
    found = ItemResponse().select([pool], 4, 0)
    ours, theirs = found.estimate(pool), pool.truth
    assert ours - ours.mean() == pytest.approx(theirs - theirs.mean(), abs=0.01)
    plain = pool.values[:, found.rows].mean(1)
    assert np.abs(plain - plain.mean() - (theirs - theirs.mean())).max() > 0.2, "the shares must matter here"


def test_one_planted_factor_is_recovered_and_difficulty_is_none():
    rng = np.random.default_rng(3)
    ability, discrimination, difficulty = rng.normal(size=12), rng.normal(size=80), 5 * rng.normal(size=80)
    found = discriminations(matrix(np.outer(ability, discrimination) + difficulty), 1)[:, 0]
    assert abs(np.corrcoef(found, discrimination)[0, 1]) == pytest.approx(1, abs=1e-9)
    assert np.sqrt((found**2).mean()) == pytest.approx(1)


def test_one_list_serves_two_metrics_whatever_their_units():
    pool, kinds = clusters()
    other = matrix(1000 * noisy(14, 100).values)
    rows = ItemResponse().select([pool, other], 9, 0).rows
    scaled = matrix(7 * other.values)
    assert ItemResponse().select([pool, scaled], 9, 0).rows.tolist() == rows.tolist()
    assert set(kinds[rows]) >= {0, 1, 2}
