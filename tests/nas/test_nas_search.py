"""Searches on tables whose answers are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tables_for_tests import WORTH, some_cells, write_table

from effbench.api import Context, Method, PluginError
from effbench.nas.cells import canonical, classes, every_code
from effbench.nas.tables import ColumnCost, table_of
from effbench.tasks.nas_ranking.system import Architectures, Predictor
from effbench.tasks.nas_ranking.task import NasRanking
from effbench.tasks.nas_search.predictors import fitted, ranking_method
from effbench.tasks.nas_search.system import ArchitectureSearch, RandomSearch
from effbench.tasks.nas_search.task import CURVE, NasSearch, regret_curve
from effbench.tasks.nas_search.trial import BudgetSpent, SearchTrial, one_of_each_class, space_of
from effbench.testing import check_method, check_task
from effbench_baselines.nas_controls.method import NasRegression
from effbench_baselines.nas_search.evolution import Evolution, an_edit, evolve_by_scores, winner
from effbench_baselines.nas_search.guided import Guided
from effbench_baselines.nas_search.local import HillClimb
from effbench_baselines.nas_search.method import GuidedSearch, LocalSearch, RegularisedEvolution


@pytest.fixture
def task(tmp_path):
    def made(columns=(), truths=2, count=120, **params):
        file = write_table(tmp_path, columns=columns, truths=truths, count=count)
        return NasSearch(NasSearch.Params(table=str(file), **params))

    return made


SUM = ("sum", lambda codes, rng: codes.sum(1), 2.0)


def trial_of(codes, truth, budget, seed=0):
    table = table_of("made", codes, np.asarray(truth, float)[:, None], {}, {}, ColumnCost())
    rows = one_of_each_class(table)
    return SearchTrial(space_of(table, rows), budget, seed, lambda place: float(table.truth[rows[place]]))


def ended(searcher, trial):
    with pytest.raises(BudgetSpent):
        searcher.search(trial)
    return trial


def best(trial):
    return max(trial.trained, key=trial.trained.__getitem__)


def searched(task, searcher):
    system, samples = task.load(Context()), task.samples("evaluation")
    outputs = task.run(replace(system, searcher=searcher), samples, 0)
    return outputs, task.score(outputs, samples, None)


def test_the_task_keeps_the_contract(task):
    check_task(NasSearch, task(budget=5, repeats=4).params, n_samples=4)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (RegularisedEvolution, {"population": 3}),
        (LocalSearch, {}),
        (GuidedSearch, {"start": 5, "stage": 3}),
        (GuidedSearch, {"start": 5, "stage": 3, "predictor": "nas-columns"}),
    ],
    ids=["evolution", "local", "ridge", "best-column"],
)
def test_methods_keep_the_contract(task, method, params):
    check_method(method, params=method.Params(**params), task=task(columns=[SUM], budget=9, repeats=3, count=40))


def test_random_search_has_the_regret_of_draws_without_replacement(task):
    """E of the best of t out of n: the k-th worst is it with probability C(k - 1, t - 1) / C(n, t)."""
    made = task(truths=1, budget=20, repeats=400)
    truth = np.sort(made.table.truth)
    n = len(truth)
    expected = [
        100 * (truth[-1] - sum(truth[k - 1] * math.comb(k - 1, t - 1) / math.comb(n, t) for k in range(t, n + 1)))
        for t in range(1, 21)
    ]
    curves = np.array(searched(made, RandomSearch())[1].arrays[CURVE])
    error = curves.std(0, ddof=1) / math.sqrt(len(curves))
    assert (np.abs(curves.mean(0) - expected) < 4 * error).all()


def test_local_search_finds_the_best_of_a_table_without_other_hilltops():
    """Worth adds up over edges, so every cell but the best has a better neighbour: a climb from anywhere ends there."""
    codes = [own[0] for own in classes().values()]
    worth = {form: max(sum(WORTH[op] for op in code) for code in own) for form, own in classes().items()}
    truth = np.array([worth[canonical(code)] for code in codes])
    for seed in range(5):
        trial = ended(HillClimb(), trial_of(codes, truth, 400, seed))
        assert best(trial) == np.argmax(truth) and codes[best(trial)] == (3,) * 6
    assert len(trial.trained) == 400


def test_local_search_moves_to_the_best_neighbour_only_while_it_is_better():
    codes = [(op, 0, 0, 1, 0, 1) for op in range(5)] + some_cells(30)
    codes = [own for i, own in enumerate(codes) if canonical(own) not in {canonical(c) for c in codes[:i]}]
    rng = np.random.default_rng(3)
    truth = rng.random(len(codes))
    trial = ended(HillClimb(), trial_of(codes, truth, len(codes) - 1))
    order, around = list(trial.trained), trial.space.neighbours
    here, at = order[0], 1
    while True:  # the trainings of the first climb, by its rule
        new = {int(i) for i in around[here]} - set(order[:at])
        assert set(order[at : at + len(new)]) == new
        at += len(new)
        there = max(around[here], key=lambda i: truth[i])
        if truth[there] <= truth[here]:
            break
        here = there
    assert truth[here] == max(truth[order[:at]])


def test_an_architecture_or_its_isomorph_is_paid_for_once():
    codes = [(3, 0, 0, 0, 2, 0), (0, 3, 0, 0, 0, 2), (3,) * 6, (2,) * 6]
    assert canonical(codes[0]) == canonical(codes[1])
    trial = trial_of(codes, [0.5, 0.9, 0.7, 0.6], budget=2)
    space = trial.space
    assert len(space) == 3 and space.place_of(codes[0]) == space.place_of(codes[1]) == 0
    assert trial.train(space.place_of(codes[0])) == trial.train(space.place_of(codes[1])) == 0.5
    assert trial.train(space.place_of((3,) * 6)) == 0.7 and trial.train(0) == 0.5
    with pytest.raises(BudgetSpent):
        trial.train(space.place_of((2,) * 6))
    assert trial.trained == {0: 0.5, 1: 0.7} and best(trial) == 1
    for place in (-1, 3):
        with pytest.raises(PluginError, match=f"no architecture at place {place}; the space has places 0 to 2"):
            trial.train(place)


def test_what_the_table_lacks_or_the_space_does_not_have_gets_a_sentence():
    space = trial_of([(3,) * 6, (2,) * 6], [0.5, 0.6], 2).space
    with pytest.raises(PluginError, match=r"the table has no architecture \|nor_conv_3x3~0\|.*, nor an isomorph"):
        space.place_of((3, 3, 3, 3, 3, 2))
    with pytest.raises(PluginError, match="of another space than nas-bench-201: want 6 choices"):
        space.place_of((3, 3, 3))


class Spy(ArchitectureSearch):
    """Keeps what it was given, and trains as random search does."""

    def search(self, trial):
        self.trial = trial
        RandomSearch().search(trial)


def test_a_search_is_shown_one_training_of_what_it_paid_for_and_judged_by_the_mean(task):
    made = task(truths=3, budget=30, repeats=6)
    spy = Spy()
    outputs, scores = searched(made, spy)
    truths, seen = made.table.truths, set()
    for output, curve, regret in zip(outputs, scores.arrays[CURVE], scores.scalars["regret_points"]):
        places, shown = output["trained"], output["shown"]
        (seed,) = [s for s in range(3) if (truths[places, s] == shown).all()]
        seen.add(seed)
        answer = places[np.argmax(shown)]
        assert regret == curve[-1] == pytest.approx(100 * (truths.mean(1).max() - truths[answer].mean()))
    assert len(seen) > 1
    assert set(vars(spy.trial)) == {
        "space", "budget", "seed", "_shown", "trained", "predictors", "rng", "_order", "_next"
    }  # fmt: skip
    assert all(made.table.truth is not value for value in vars(spy.trial.space).values())


def test_all_searches_begin_alike(task):
    made = task(columns=[SUM], budget=12, repeats=3)
    guided = Guided(ranking_method("nas-regression", {}), 6, 3, 5, 2, 10)
    firsts = [
        [list(output["trained"][:6]) for output in searched(made, searcher)[0]]
        for searcher in (RandomSearch(), Evolution(6, 2), guided)
    ]
    assert firsts[0] == firsts[1] == firsts[2] and firsts[0][0] != firsts[0][1]
    assert [list(o["trained"])[:1] for o in searched(made, HillClimb())[0]] == [own[:1] for own in firsts[0]]


def test_a_repeat_does_not_depend_on_the_others(task):
    made = task(columns=[SUM], budget=12, repeats=3)
    system, samples = made.load(Context()), made.samples("evaluation")
    for searcher in (Evolution(4, 2), HillClimb(), Guided(ranking_method("nas-regression", {}), 6, 3, 5, 2, 10)):
        own = replace(system, searcher=searcher)
        together, alone = made.run(own, samples, 0), made.run(own, samples[2:], 0)[0]
        np.testing.assert_array_equal(together[2]["trained"], alone["trained"])
        assert list(made.run(own, samples[2:], 1)[0]["trained"]) != list(alone["trained"])


def test_what_trainings_cost_is_the_tables_account_or_unknown(task):
    made = task(truths=2, budget=5, repeats=2)
    assert list(searched(made, RandomSearch())[1].scalars["training_cost"]) == [50.0, 50.0]  # one of two seeds at 10 s
    made.__dict__["table"] = replace(made.table, truth_cost=ColumnCost(), left_out={"flat": "every value is 1"})
    scores = searched(made, RandomSearch())[1]
    assert np.isnan(scores.scalars["training_cost"]).all()
    assert made.remarks(scores) == {
        "regret_points": ["low-fidelity column flat was left out: every value is 1"],
        "training_cost": ["the table does not tell what a training cost"],
    }


def test_the_curve_by_hand():
    truth = np.array([0.5, 0.9, 0.7, 0.6])
    curve = regret_curve(truth, np.array([0, 2, 3]), np.array([0.4, 0.65, 0.8]), 5)
    np.testing.assert_allclose(curve, [40, 20, 30, 30, 30])  # the third showed more than it is worth
    np.testing.assert_allclose(regret_curve(truth, np.array([3, 1]), np.array([0.6, 0.6]), 2), [30, 30])  # the first


def test_a_search_that_stops_early_keeps_its_answer_and_one_that_trains_nothing_has_none(task):
    class Once(ArchitectureSearch):
        def search(self, trial):
            trial.train(7)

    class Never(ArchitectureSearch):
        def search(self, trial):
            return None

    made = task(budget=5, repeats=2)
    outputs, scores = searched(made, Once())
    assert [list(output["trained"]) for output in outputs] == [[7], [7]]
    assert list(scores.scalars["trained"]) == [1.0, 1.0] and len(set(scores.arrays[CURVE][0])) == 1
    with pytest.raises(PluginError, match="Never trained nothing"):
        searched(made, Never())


def test_a_budget_of_the_whole_table_finds_its_best_and_ends(task):
    made = task(truths=1, count=15, columns=[SUM], budget=15, repeats=2)
    for searcher in (
        RandomSearch(),
        Evolution(3, 2),
        HillClimb(),
        Guided(ranking_method("nas-regression", {}), 4, 3, 5, 2, 5),
    ):
        _, scores = searched(made, searcher)
        assert list(scores.scalars["regret_points"]) == [0.0, 0.0] and list(scores.scalars["trained"]) == [15.0, 15.0]


def test_a_budget_above_the_table_gets_a_sentence(tmp_path):
    file = write_table(tmp_path, count=15)
    with pytest.raises(PluginError, match="budget: 16 trainings asked for, and table 'made' has 15 architectures"):
        NasSearch(NasSearch.Params(table=str(file), budget=16)).check()
    with pytest.raises(PluginError, match="cannot be read"):
        NasSearch(NasSearch.Params(table=str(tmp_path / "none.yaml"))).check()


def test_the_oldest_dies_and_tournaments_choose_the_best():
    worth = {0: 0.1, 1: 0.9, 2: 0.5}
    rng = np.random.default_rng(0)
    drawn = [winner([0, 1, 2], worth.__getitem__, 2, rng) for _ in range(3000)]
    shares = np.bincount(drawn) / 3000  # of two drawn with replacement: 1/9, 5/9, 3/9
    np.testing.assert_allclose(shares, [1 / 9, 5 / 9, 3 / 9], atol=0.04)
    assert an_edit(0, [np.array([], int)], rng) is None
    met = evolve_by_scores(np.arange(10.0), [0, 1], [np.array([min(i + 1, 9)]) for i in range(10)], 30, 8, rng)
    assert met[:2] == [0, 1] and max(met) == 9 and len(met) == 32


class ByTruth(Predictor):
    """Knows what every cell is worth; notes what it was given."""

    reads = ("sum",)
    compared = ("other",)

    def scores(self, architectures: Architectures):
        return np.array([sum(WORTH[op] for op in code) for code in architectures.codes])


class Oracle(Method):
    name = "oracle"
    accepts = ()
    given: list = []  # noqa: RUF012

    def prepare(self, system, ctx):
        self.given.append((system.pool.labels(ctx.seed), ctx.seed, system.pool))
        return super().prepare(system, ctx)

    def apply(self, system, artifact):
        return replace(system, predictor=ByTruth())


def test_a_predictor_learns_from_what_was_trained_alone_and_is_believed(task):
    made = task(columns=[SUM, ("other", lambda codes, rng: codes[:, 0], 3.0)], truths=1, budget=20, repeats=1)
    oracle = Oracle()
    oracle.given.clear()
    outputs, scores = searched(made, Guided(oracle, 8, 6, 20, 5, 50))
    trained, shown = outputs[0]["trained"], outputs[0]["shown"]
    assert [len(labels.rows) for labels, _, _ in oracle.given] == [8, 14]
    for labels, _, pool in oracle.given:
        np.testing.assert_array_equal(labels.rows, trained[: len(labels.rows)])
        np.testing.assert_array_equal(labels.truth, shown[: len(labels.rows)])
        assert pool._truth().size == 0 and len(pool.architectures) == 120
    assert oracle.given[0][1] != oracle.given[1][1]
    assert scores.scalars["regret_points"][0] < 1.0
    # "sum" of all 120 at 2 s, "other" of the 14 that the last predictor had to choose with at 3 s
    assert scores.scalars["low_fidelity_cost"][0] == 120 * 2.0 + 14 * 3.0


def test_what_all_values_of_a_column_share_is_spent_once(task):
    made = task(columns=[SUM], truths=1, budget=20, repeats=1)
    table = made.table
    made.__dict__["table"] = replace(table, costs={"sum": ColumnCost(cost_s=0.5, shared_s=1000.0)})
    guided = Guided(ranking_method("nas-regression", {}), 8, 4, 20, 5, 50)
    assert searched(made, guided)[1].scalars["low_fidelity_cost"][0] == 120 * 0.5 + 1000.0
    ranking = NasRanking(NasRanking.Params(table=made.params.table, labels=10))
    ranking.__dict__["table"] = made.table
    system = ranking.load(Context())
    method = NasRegression(NasRegression.Params())
    spent = method.apply(system, method.prepare(system, Context())).spent()
    assert spent["low_fidelity_cost"].value == 60 * 0.5 + 1000.0 and spent["column_cost"].value == 500.0


def test_scores_that_are_not_finite_get_a_sentence(task):
    class Nan(Oracle):
        def apply(self, system, artifact):
            predictor = ByTruth()
            predictor.scores = lambda architectures: np.full(len(architectures), np.nan)
            return replace(system, predictor=predictor)

    with pytest.raises(PluginError, match="predictor 'oracle' gives scores that are not finite"):
        searched(task(columns=[SUM], budget=12, repeats=1), Guided(Nan(), 8, 4, 20, 5, 50))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"predictor": "delle"}, "predictor: unknown method 'delle'; did you mean 'dele'"),
        ({"predictor": "fewer-steps", "settings": {"steps": 3}}, "'fewer-steps' makes no predictor of architectures"),
        ({"predictor": "reference"}, "'reference' makes no predictor of architectures"),
        ({"predictor": "local-search"}, "'local-search' makes no predictor of architectures"),
        ({"settings": {"modell": "ridge"}}, "predictor 'nas-regression': modell: extra inputs are not permitted"),
        ({"settings": {"model": "rigde"}}, "predictor 'nas-regression': model: input should be 'ridge'"),
        ({"start": 30}, "start: 30 blind trainings leave nothing of a budget of 30 to a predictor"),
    ],
)
def test_what_cannot_guide_a_search_gets_a_sentence(task, params, said):
    system, method = task(columns=[SUM], budget=30).load(Context()), GuidedSearch(GuidedSearch.Params(**params))
    with pytest.raises(PluginError, match=said):
        method.prepare(system, Context())


def test_a_search_is_refused_when_the_code_that_it_trusts_has_changed(task):
    system, method = task(columns=[SUM], budget=30).load(Context()), GuidedSearch(GuidedSearch.Params())
    artifact = method.prepare(system, Context())
    changed = replace(artifact, config={"predictor": "0" * 16})
    with pytest.raises(PluginError, match="the code of 'nas-regression' is another than when this search was prepared"):
        method.apply(system, changed)


def test_a_good_predictor_beats_random_search_on_the_planted_table():
    made = NasSearch(NasSearch.Params(table="planted", budget=40, repeats=20))
    guided = Guided(ranking_method("nas-regression", {"model": "gaussian-process"}), 20, 10, 20, 5, 50)
    regrets = [searched(made, s)[1].scalars["regret_points"] for s in (RandomSearch(), guided)]
    gain = regrets[0] - regrets[1]
    assert gain.mean() > 2 * gain.std(ddof=1) / math.sqrt(len(gain))


def test_every_cell_may_be_searched():
    codes = every_code()
    trial = trial_of(codes, np.linspace(0, 1, len(codes)), 50)
    assert len(trial.space) == 4930 and trial.space.edits == 1
    ended(Evolution(10, 3), trial)
    assert len(trial.trained) == 50


def test_fitting_notes_what_was_read(task):
    made = task(columns=[SUM], budget=20, repeats=1)
    system = made.load(Context())
    trial = SearchTrial(system.space, 20, 0, lambda place: place / 100)
    for place in range(10):
        trial.train(place)
    predictor = fitted(ranking_method("nas-regression", {}), trial, 0)
    assert trial.predictors == [(predictor, 10)] and predictor.labels == 10
