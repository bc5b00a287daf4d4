"""The certificate: which pairs count, what is known exactly, how often its interval is right, what more settings buy."""

import itertools

import numpy as np
import pytest
from bench_flasheval.simulated import coverage_of
from planted import matrix, noisy

from effbench.errors import BadInput
from effbench.subset.building import build, searches_of
from effbench.subset.certificate import FEW, certify, folds_of, pair_regret, search_all, searches_for
from effbench.subset.judgement import Fold
from effbench.subset.learning import Point, outlook, points_of
from effbench.subset.left_out import Pairs, few_left_out, repeat_variance, share_interval
from effbench.subset.manifest import FAMILY
from effbench.subset.rounding import decimals_for, rounded_up, to_digits
from effbench.subset.selection import even
from effbench.subset.soft import SoftTau
from effbench.subset.tau import tau_b
from effbench.subset.unsearched import Random


class Fixed:
    name = "fixed"

    def __init__(self, rows):
        self.rows = rows

    def select(self, matrices, size, seed):
        return even(self.rows)


@pytest.mark.parametrize("methods", [6, 7, 24, 46])
def test_every_partition_leaves_each_method_out_once_and_few_at_a_time(methods):
    folds = few_left_out(methods, 40)
    for _, group in itertools.groupby(folds, lambda fold: fold.name):
        held = np.concatenate([fold.held_out for fold in group])
        assert sorted(held) == list(range(methods))
    for fold in folds:
        assert sorted([*fold.search, *fold.held_out]) == list(range(methods))
        assert 2 <= len(fold.held_out) <= max(3, methods // 10 + 1)


def test_too_few_methods_are_refused_and_the_budget_bounds_the_searches():
    with pytest.raises(BadInput, match="5 methods are too few to hold two out"):
        folds_of(noisy(5, 20), 100)
    assert len(few_left_out(46, 100)) == 100 and len(few_left_out(46, 19)) == 10 and len(few_left_out(46, 4)) == 4
    assert searches_for([noisy(46, 300)], 50) == 100
    large = noisy(80, 5000)
    assert 10 <= searches_for([large] * 4, 50) < 100


def test_a_pair_counts_where_both_were_held_out_and_once_however_often():
    pool = noisy(8, 30, noise=3.0)
    first, second = Fold(np.arange(4, 8), np.arange(4), "a"), Fold(np.arange(4), np.arange(4, 8), "a")
    chosen = [even([0, 1, 2]), even([3, 4])]
    once = Pairs.of(pool, [first, second], chosen)
    assert once.count == 12 and not once.seen[:4, 4:].any()  # no pair across: one of them was searched
    agree, apart, told = 0.0, 0.0, 0.0
    for fold, selection in zip((first, second), chosen):
        for i, j in itertools.combinations(fold.held_out, 2):
            ours, theirs = (np.sign(v[i] - v[j]) for v in (selection.estimate(pool), pool.truth))
            agree, apart, told = agree + ours * theirs, apart + ours**2, told + theirs**2
    assert once.tau() == pytest.approx(agree / np.sqrt(apart * told))
    assert Pairs.of(pool, [first, second, first], [*chosen, chosen[0]]).tau() == pytest.approx(once.tau())


def test_with_one_subset_for_all_it_is_tau_over_all_methods_and_the_mean_over_small_groups_is_not():
    """The fault that was reported: tau pooled inside small folds is another quantity than tau over all settings."""
    rng = np.random.default_rng(0)
    pool = matrix((rng.random((20, 60)) < rng.uniform(0.2, 0.8, (20, 1))).astype(float))
    rows = [1, 5, 9, 30]  # few answers, so that many methods tie
    folds = [
        Fold(np.setdiff1d(np.arange(20), pair), np.array(pair), "every pair")
        for pair in itertools.combinations(range(20), 2)
    ]
    found = certify(pool, FEW, folds, search_all(Fixed(rows), [pool], 4, folds, 0))
    assert found.pairs == 190 and found.searched == 18
    assert found.tau == pytest.approx(tau_b(even(rows).estimate(pool), pool.truth), abs=1e-6)


def test_means_that_tie_stay_tied_in_whatever_order_their_scores_are_added():
    """0.05 twenty times in another order is off by 1e-17: pairs that tie were told apart, at random."""
    rng = np.random.default_rng(1)
    values = rng.permuted(np.tile((np.arange(20) < 7).astype(float), (40, 1)), axis=1)
    pool = matrix(np.column_stack([values, np.arange(40.0)]))
    assert len(set(even(range(20)).estimate(pool).tolist())) == 1
    tenths = matrix(np.column_stack([values * 0.1, np.arange(40.0)]))
    assert len(set(even(range(20)).estimate(tenths).tolist())) == 1


def test_all_samples_are_certain_and_a_perfect_ranking_of_few_methods_is_not():
    pool = noisy(12, 30)
    folds = few_left_out(12, 60)
    every = certify(pool, FEW, folds, search_all(Random(), [pool], 30, folds, 0))
    assert (every.tau, every.pair_regret, tuple(every.interval)) == (1.0, 0.0, (1.0, 1.0))
    clear = noisy(12, 30, noise=1e-3)
    few = certify(clear, FEW, folds, search_all(Random(), [clear], 3, folds, 0))
    assert few.tau == 1.0 and few.interval.low < 0.7 and few.interval.high == pytest.approx(1)
    assert share_interval(1.0, 0.0, 200).low > 0.9
    assert share_interval(0.8, 0.01, 3).low < share_interval(0.8, 0.01, 30).low < 0.8


def test_regret_of_pairs_counts_losses_and_tosses():
    assert pair_regret(np.array([1.0, -1.0, 0.0]), np.array([2.0, 4.0, 6.0])) == pytest.approx((0 + 4 + 3) / 3)


@pytest.mark.parametrize(("population", "settings"), [("binary", 16), ("families", 20)])
def test_the_interval_holds_the_truth_of_simulated_pools(population, settings):
    """Thirty pools are too few for a percentage; docs/flasheval.md has it. Below 85 % is out of reach of chance at 95 %."""
    found = coverage_of(population, settings, 10, 30, 16)
    assert found.covered >= 0.85 and found.covered_mean >= 0.85
    assert abs(found.bias) < 0.08


def test_repeated_partitions_add_what_they_scatter_by():
    pool = noisy(24, 60, noise=4.0)
    folds = few_left_out(24, 40)
    chosen = search_all(Random(), [pool], 5, folds, 0)
    taus = [Pairs.of(pool, folds[at : at + 10], chosen[at : at + 10]).tau() for at in range(0, 40, 10)]
    assert repeat_variance(pool, folds, chosen) == pytest.approx(np.var(taus, ddof=1) / 4)
    assert repeat_variance(pool, folds[:10], chosen[:10]) == 0


def test_the_manifest_says_for_how_many_settings_it_holds_and_how_many_searches_it_took():
    pool = noisy(24, 60, noise=2.0, families=3)
    manifest = build([pool], SoftTau(), 8, 0, "p", searches=10)
    few, family = manifest.certificate
    assert (few.split, few.searched, few.folds) == (FEW, 21, 10) and few.worst_tau is None
    assert (family.split, family.searched, family.folds) == (FAMILY, 16, 3)
    assert "(21 methods searched, 10 searches, " in few.sentence
    assert "(3 families, 16 methods or more searched)" in family.sentence
    assert searches_of([pool], 8, 10) == 1 + 10 + 3 + 4 * 3
    assert [point.methods for point in manifest.more_methods[0].points] == [5, 8, 12, 17, 22]


def test_a_curve_that_rises_says_what_more_would_buy_and_a_flat_one_cannot_tell():
    class Learner:
        """One sample for every method it saw: its ranking is the better the more it saw."""

        name = "learner"

        def select(self, matrices, size, seed):
            return even(np.arange(len(matrices[0].methods)))

    rng = np.random.default_rng(3)
    noise = 4 * rng.normal(size=(40, 200))
    pool = matrix(rng.normal(size=(40, 1)) + noise - noise.mean(1, keepdims=True))

    def found(selector):
        few = folds_of(pool, 40)[FEW]
        points = [*points_of(few, 40), few]
        return outlook(pool, [(folds, search_all(selector, [pool], 40, folds, 0)) for folds in points])

    rising = found(Learner())
    assert rising.points[0].tau < rising.points[-1].tau and rising.methods == 80
    assert rising.gain is not None and rising.interval.low < rising.gain < rising.interval.high
    flat = found(Fixed(np.arange(60)))
    assert flat.gain is None and flat.interval is None
    assert all(isinstance(point, Point) for point in flat.points)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.0, 0.0),
        (0.016312, 0.01632),
        (2.7487e-6, 2.749e-6),
        (0.1 + 2e-17, 0.1),
        (0.30000000000000004, 0.3),
        (123456, 123500),
    ],
)
def test_a_resolution_keeps_digits_of_its_own_scale_and_is_never_finer_than_measured(value, kept):
    """Four decimals made HPS's resolution useless: its methods lie within thousandths."""
    assert rounded_up(value) == kept


def test_the_resolution_of_a_metric_in_millionths_is_that_of_the_metric_in_ones():
    pool = noisy(24, 60, noise=3.0)
    small = matrix(pool.values * 1e-6, families=pool.families)
    ones, millionths = (build([m], Random(), 20, 0, "p", searches=10).resolutions["score"] for m in (pool, small))
    assert ones and millionths == pytest.approx(ones * 1e-6, rel=1e-3)
    assert decimals_for(2e-6) == 9 and decimals_for(30.0) == 2 and to_digits(0.0123456) == 0.01235
