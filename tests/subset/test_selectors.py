"""Every selector: what it returns, that it looks at nothing but what it is given, and what the searching ones are for."""

from itertools import combinations

import numpy as np
import pytest
from planted import few_that_tell, matrix, noisy

from effbench.errors import BadInput
from effbench.subset.embedding import embed
from effbench.subset.exact import Exact
from effbench.subset.greedy import GreedyTau
from effbench.subset.matrix import score_matrix
from effbench.subset.medoids import k_medoids
from effbench.subset.selectors import SELECTORS, find_selector
from effbench.subset.soft import SoftTau, pair_differences, soft_tau
from effbench.subset.tau import tau_b
from effbench.subset.unsearched import Stratified, TextMedoids

WORDS = ["red apple", "green leaf", "blue car", "old house", "white dog"]


def with_texts(methods=9, samples=40):
    values = noisy(methods, samples).values
    names = [f"m{row}" for row in range(methods)], [f"s{column}" for column in range(samples)]
    return score_matrix(
        "score", values, *names, texts=[f"a {WORDS[i % 5]} on a {WORDS[i % 3]}" for i in range(samples)]
    )


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selection_is_distinct_weighted_and_repeatable(name):
    pool, size = (matrix(noisy(8, 12).values), 3) if name == "exact" else (with_texts(), 7)
    found = find_selector(name).select([pool], size, 4)
    assert len(set(found.rows.tolist())) == size and found.rows.min() >= 0 and found.rows.max() < len(pool.samples)
    assert (found.weights > 0).all() and found.weights.sum() == pytest.approx(1)
    assert find_selector(name).select([pool], size, 4).rows.tolist() == found.rows.tolist()
    assert found.estimate(pool) == pytest.approx(pool.values[:, found.rows] @ found.weights)
    for wrong in (0, len(pool.samples) + 1):
        with pytest.raises(BadInput, match="cannot be chosen from a pool of"):
            find_selector(name).select([pool], wrong, 4)


@pytest.mark.parametrize(
    "selector", [SoftTau(), GreedyTau(), GreedyTau(shortlist=None)], ids=["soft", "halves", "plain"]
)
def test_searches_find_the_samples_that_tell(selector):
    pool, telling = few_that_tell()
    found = selector.select([pool], 8, 0)
    assert len(set(found.rows.tolist()) & set(telling.tolist())) >= 7  # of 8; by chance 0.3
    assert tau_b(found.estimate(pool), pool.truth) > 0.9


def test_soft_tau_takes_at_every_step_the_sample_that_the_equation_puts_first():
    pool = noisy(7, 15)
    differences = pair_differences(pool)
    best = max(range(15), key=lambda row: soft_tau(differences[[row]], 0.6))
    second = max((row for row in range(15) if row != best), key=lambda row: soft_tau(differences[[best, row]], 0.6))
    assert SoftTau().select([pool], 2, 0).rows.tolist() == sorted([best, second])
    assert soft_tau(differences, 1e6) == pytest.approx(1.0, abs=1e-6)  # all samples keep every pair apart


def test_exact_is_the_best_of_all():
    pool = noisy(8, 9, noise=3.0)
    found = Exact().select([pool], 3, 0)
    taus = {rows: tau_b(pool.values[:, rows].mean(1), pool.truth) for rows in combinations(range(9), 3)}
    assert taus[tuple(found.rows.tolist())] == max(taus.values()) == found.details["tau"]


def test_strata_hold_one_sample_each():
    pool = matrix(np.arange(40)[None, :] + np.arange(6)[:, None] * 1.0)
    assert (Stratified().select([pool], 8, 1).rows // 5).tolist() == list(range(8))


def test_medoids_are_the_middles_of_their_groups():
    centres = np.array([[0.0, 0], [10, 0], [0, 10]])
    offsets = np.array([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    points = np.concatenate([centre + offsets for centre in centres])
    rows, counts = k_medoids(points, 3, 0)
    assert rows.tolist() == [0, 5, 10] and counts.tolist() == [5, 5, 5]
    assert k_medoids(np.zeros((4, 2)), 4, 0)[0].tolist() == [0, 1, 2, 3]


def test_prompts_of_the_same_words_lie_together():
    vectors = embed(["a red apple", "red apple here", "a blue car", "blue car there", "unseen"])
    near = vectors @ vectors.T
    assert near[0, 1] > near[0, 2] and near[2, 3] > near[1, 3]
    assert not embed(["one", "two"]).any()


def test_what_they_lack_is_said():
    with pytest.raises(BadInput, match="k-medoids needs the samples' prompts"):
        TextMedoids().select([noisy(6, 20)], 3, 0)
    with pytest.raises(BadInput, match="no selector 'frequencies'; did you mean 'frequency'"):
        find_selector("frequencies")
