"""The certificate: disjoint folds, what it says where the answer is known, and how often its interval is right."""

import numpy as np
import pytest
from planted import few_that_tell, noisy

from effbench.errors import BadInput
from effbench.subset.frequency import FrequencySearch
from effbench.subset.judgement import Fold, families_left_out, judge, random_halves, resolution_of, top_regret
from effbench.subset.random_curve import RandomCurve
from effbench.subset.selection import even
from effbench.subset.unsearched import Random


class Everything:
    name = "everything"

    def select(self, matrices, size, seed):
        self.methods = matrices[0].methods
        return even(np.arange(len(matrices[0].samples)))


def test_folds_are_disjoint_and_a_family_is_left_out_whole():
    pool = noisy(12, 30, families=3)
    for fold in [*random_halves(12, range(4)), *families_left_out(pool)]:
        assert not set(fold.search) & set(fold.held_out)
        assert sorted([*fold.search, *fold.held_out]) == list(range(12))
    names = [{pool.families[row] for row in fold.held_out} for fold in families_left_out(pool)]
    assert names == [{"f0"}, {"f1"}, {"f2"}]
    assert families_left_out(noisy(12, 30, families=6)) == []  # families of two rank nothing


def test_a_selector_never_sees_a_held_out_method_and_a_leak_is_refused():
    pool, selector = noisy(12, 30), Everything()
    fold = random_halves(12, [0])[0]
    judge(selector, [pool], 30, [fold], "random-half")
    assert selector.methods == tuple(pool.methods[row] for row in fold.search)
    with pytest.raises(BadInput, match="a method stands on both sides"):
        judge(selector, [pool], 30, [Fold(np.arange(8), np.arange(4, 12), "leak")], "random-half")
    with pytest.raises(BadInput, match="leaves four on either side"):
        judge(selector, [pool], 30, [], "leave-one-family-out")


def test_all_samples_are_perfect_and_cost_no_regret():
    found = judge(Everything(), [noisy(12, 30)], 30, random_halves(12, [0, 1]), "random-half")[0]
    assert (found.tau, found.searched_tau, found.regret, found.optimism) == (1.0, 1.0, 0.0, 0.0)
    assert found.random_size is None and tuple(found.interval) == (1.0, 1.0)


def test_what_search_gains_on_noise_alone_is_called_optimism():
    pool = noisy(24, 400, noise=6.0, seed=3)
    found = judge(FrequencySearch(5000, 250, 6), [pool], 10, random_halves(24, range(5)), "random-half")[0]
    assert found.optimism > 0.2  # no sample tells more than another, so nothing of the search carries over
    assert abs(found.tau - found.random_tau) < 0.15
    assert found.random_size < 60


def test_a_search_that_finds_the_telling_samples_is_worth_many_random_ones():
    pool, _ = few_that_tell(methods=24, samples=300, telling=12, seed=2)
    found = judge(FrequencySearch(20_000, 1000, 8), [pool], 8, random_halves(24, range(3)), "random-half")[0]
    assert found.tau > found.random_tau + 0.2 and found.random_size > 40
    assert found.interval.low <= found.tau <= found.interval.high


def test_regret_counts_spreads_of_the_truth():
    truth = np.array([0.0, 1.0, 2.0, 5.0])
    assert top_regret(np.array([0, 1, 9, 2.0]), truth, True) == pytest.approx(3 / truth.std())
    assert top_regret(np.array([0, 1, 9, 2.0]), truth, False) == 0.0


def test_the_random_curve_rises_to_one_and_is_inverted():
    curve = RandomCurve.of(noisy(12, 300, noise=4.0))
    assert curve.taus[-1] == 1.0 and curve.taus[0] < curve.taus[3] < curve.taus[-2]
    assert curve.size_of(curve.tau_at(70)) == pytest.approx(70, rel=0.02)
    assert curve.size_of(1.0) is None and curve.size_of(-0.5) == pytest.approx(5)


@pytest.mark.proof
def test_the_interval_covers_what_more_methods_would_show():
    """Pools of 40 methods drawn from one population: the interval of each should hold the mean tau of very many."""
    rng = np.random.default_rng(11)
    rows = rng.choice(200, 15, replace=False)

    class Fixed:
        name = "fixed"

        def select(self, matrices, size, seed):
            return even(rows)

    def pool(seed):
        return noisy(40, 200, noise=3.0, seed=seed, families=1)

    judged = [judge(Fixed(), [pool(seed)], 15, random_halves(40, range(3)), "random-half")[0] for seed in range(60)]
    taus = [found.tau for found in judged]
    target = np.mean(taus)
    covered = np.mean([found.interval.low <= target <= found.interval.high for found in judged])
    assert covered >= 0.9
    needed = 2 * 1.96 * np.std(taus)  # width of an interval that knew the spread over pools
    assert np.mean([found.interval.high - found.interval.low for found in judged]) < 2 * needed


def test_random_is_judged_as_random():
    found = judge(Random(), [noisy(24, 300, noise=4.0)], 20, random_halves(24, range(8)), "random-half")[0]
    assert found.tau == pytest.approx(found.random_tau, abs=0.08)


def test_the_resolution_is_where_orders_become_reliable():
    found = np.array([0.9, -0.8, 0.7, 0.6, 0.5, 0.4, -0.3, 0.2, 0.1, 0.05])
    truth = np.array([0.5, -0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5])  # the pairs of 0.3 and 0.1 are wrong
    assert resolution_of(found, truth, 1.0) == 0.4
    assert resolution_of(found, truth, 0.85) == 0.2  # seven of eight
    assert resolution_of(-found, truth, 0.95) is None
    assert resolution_of(np.zeros(4), np.ones(4)) is None
    assert resolution_of(np.array([1.0] * 30 + [0.0]), np.ones(31)) == 0  # one tie among 31: every difference will do
    tied = np.array([0.5, 0.5, 0.5, 0.5])  # equal differences stand or fall together
    assert resolution_of(tied, np.array([1, 1, 1, -1.0]), 0.9) is None
    assert resolution_of(tied, np.array([-1, 1, 1, 1.0]), 0.75) == 0.5


def test_a_subset_of_all_samples_resolves_every_difference_and_a_poor_one_fewer():
    pool = noisy(24, 300, noise=4.0)
    folds = random_halves(24, range(3))
    every = judge(Random(), [pool], 300, folds, "random-half")[0]
    fine, coarse = (judge(Random(), [pool], size, folds, "random-half")[0].resolution for size in (100, 20))
    assert every.tau == 1 and every.resolution < fine < coarse
