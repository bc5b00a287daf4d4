"""The iterative search: equal to its plain reference, the optimum of a small pool, planted structure, resumption."""

import numpy as np
import pytest
from planted import few_that_tell, matrix, noisy

from effbench.errors import BadInput
from effbench.subset.exact import Exact
from effbench.subset.frequency import FrequencySearch, best_indices, schedule, search_reference
from effbench.subset.matrix import score_matrix
from effbench.subset.sets import draw_reference, set_key


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("metrics", [1, 2])
def test_the_compiled_search_is_the_reference_search(seed, metrics):
    matrices = [noisy(9, 40, seed=place) for place in range(metrics)]
    tau, rows = search_reference(matrices, 5, seed, sets=300, top=30, rounds=4)
    found = FrequencySearch(sets=300, top=30, rounds=4).select(matrices, 5, seed)
    assert found.details["tau"] == tau and found.rows.tolist() == rows


def test_sets_are_distinct_uniform_and_named_by_their_number():
    drawn = np.array([draw_reference(10, 4, set_key(3, 1), index) for index in range(4000)])
    assert all(len(set(row)) == 4 for row in drawn.tolist())
    share = np.bincount(drawn.ravel(), minlength=10) / drawn.size
    assert np.abs(share - 0.1).max() < 0.01
    assert draw_reference(10, 4, set_key(3, 2), 0) != draw_reference(10, 4, set_key(3, 1), 0)


def test_it_reaches_the_optimum_of_a_small_pool_and_never_beats_it():
    pool = matrix(np.random.default_rng(7).normal(size=(8, 12)))
    best = Exact().select([pool], 3, 0).details["tau"]
    few = [FrequencySearch(sets=8, top=2, rounds=2).select([pool], 3, seed).details["tau"] for seed in range(8)]
    many = FrequencySearch(sets=4000, top=200, rounds=3).select([pool], 3, 0)
    assert all(tau <= best for tau in few) and min(few) < best
    assert many.details["tau"] == best and len(set(many.rows.tolist())) == 3


def test_planted_samples_are_found():
    pool, telling = few_that_tell()
    found = FrequencySearch(sets=20_000, top=1_000, rounds=10).select([pool], 8, 0)
    assert len(set(found.rows.tolist()) & set(telling.tolist())) >= 7  # of 8; by chance 0.3
    assert found.details["tau"] > 0.9


def test_the_whole_pool_is_the_truth():
    pool = noisy(6, 20)
    assert FrequencySearch(sets=10, top=5, rounds=2).select([pool], 20, 0).details["tau"] == pytest.approx(1.0)


def test_a_stopped_search_goes_on_where_it_was(tmp_path):
    pool, path = noisy(9, 60), tmp_path / "search.npz"
    whole = FrequencySearch(sets=500, top=50, rounds=5).select([pool], 6, 2)

    class Stop(Exception):
        pass

    def stop_after_two(turn, turns, tau):
        if turn == 2:
            raise Stop

    with pytest.raises(Stop):
        FrequencySearch(sets=500, top=50, rounds=5, checkpoint=path, progress=stop_after_two).select([pool], 6, 2)
    turns = []
    search = FrequencySearch(sets=500, top=50, rounds=5, checkpoint=path, progress=lambda t, n, tau: turns.append(t))
    resumed = search.select([pool], 6, 2)
    assert turns == [3, 4, 5, 6]
    assert resumed.rows.tolist() == whole.rows.tolist() and resumed.details == whole.details
    other = search.select([pool], 6, 3)  # another seed does not go on from this one's checkpoint
    assert other.rows.tolist() == FrequencySearch(sets=500, top=50, rounds=5).select([pool], 6, 3).rows.tolist()


def test_pools_shrink_to_the_size_and_ties_go_to_the_first():
    assert schedule(5000, 50, 12)[-1] == 50 and list(schedule(5000, 50, 12)) == sorted(
        schedule(5000, 50, 12), reverse=True
    )
    assert best_indices(np.array([1.0, 3, 2, 3, 2]), 3).tolist() == [1, 3, 2]


@pytest.mark.parametrize("size", [0, 21])
def test_a_size_beyond_the_pool_is_refused(size):
    with pytest.raises(BadInput, match=rf"a subset of {size} samples cannot be chosen from a pool of 20"):
        FrequencySearch().select([noisy(6, 20)], size, 0)


def test_exact_refuses_a_pool_that_is_too_large():
    with pytest.raises(BadInput, match="too many to look at all"):
        Exact().select([noisy(6, 200)], 20, 0)


def test_one_list_for_two_metrics_serves_both():
    rng = np.random.default_rng(5)
    ability = rng.normal(size=(14, 1))
    noise = np.where(np.arange(120) % 2 == 0, 0.3, 4.0)
    first = ability + rng.normal(size=(14, 120)) * noise
    second = ability + rng.normal(size=(14, 120)) * noise[::-1]
    names = [f"m{row}" for row in range(14)], [f"s{column}" for column in range(120)]
    both = [score_matrix(metric, values, *names) for metric, values in (("a", first), ("b", second))]
    search = FrequencySearch(sets=3000, top=200, rounds=6)
    shared, alone = search.select(both, 10, 0), search.select(both[:1], 10, 0)
    from effbench.subset.tau import tau_b

    worst = [min(tau_b(s.estimate(m), m.truth) for m in both) for s in (shared, alone)]
    assert worst[0] > worst[1]
