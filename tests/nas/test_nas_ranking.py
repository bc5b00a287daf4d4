from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau
from tables_for_tests import WORTH, write_table

from effbench.api import Context, PluginError
from effbench.nas.cells import canonical, every_code
from effbench.nas.tables import ColumnCost, table_of
from effbench.tasks.nas_ranking.splits import split
from effbench.tasks.nas_ranking.system import Architectures, Predictor
from effbench.tasks.nas_ranking.task import NasRanking
from effbench.testing import check_task


class Known(Predictor):
    """Knows the made truth, and turns it round under odd seeds where asked to."""

    def __init__(self, sign=1.0):
        self.sign = sign

    def scores(self, architectures):
        return self.sign * np.array([sum(WORTH[op] for op in code) for code in architectures.codes])


@pytest.fixture
def task(tmp_path):
    def made(**params):
        file = write_table(tmp_path, columns=[("sum", lambda codes, rng: codes.sum(1), 2.0)])
        return NasRanking(NasRanking.Params(table=str(file), **params))

    return made


def test_the_task_keeps_the_contract(task):
    check_task(NasRanking, task(labels=20).params, n_samples=40)


def test_judged_and_learned_architectures_share_no_class():
    codes = every_code()
    table = table_of("all", codes, np.linspace(0, 1, len(codes))[:, None], {}, {}, ColumnCost())
    pool, judged = split(table, 0.5, 0)
    assert len(pool) + len(judged) == len(codes) and abs(len(judged) - len(codes) / 2) < 400
    assert not {canonical(codes[i]) for i in pool} & {canonical(codes[i]) for i in judged}
    assert split(table, 0.5, 1) != (pool, judged)


def test_a_draw_has_the_budgets_labels_and_each_seed_its_own(task):
    pool = task(labels=20).load(Context()).pool
    first, again, other = pool.labels(0), pool.labels(0), pool.labels(1)
    assert len(set(first.rows)) == len(first.truth) == 20
    np.testing.assert_array_equal(first.rows, again.rows)
    assert set(first.rows) != set(other.rows)
    made = task(labels=20)
    truth = dict(zip(made.table.codes, made.table.truth))
    assert [truth[pool.architectures.codes[row]] for row in first.rows] == list(first.truth)
    larger = task(labels=30).load(Context()).pool.labels(0)
    np.testing.assert_array_equal(larger.rows[:20], first.rows)


def test_only_judged_samples_carry_the_truth_and_only_to_the_scores(task):
    made = task()
    assert all(sample.target is None for sample in made.samples("calibration"))
    assert all(isinstance(sample.target, float) for sample in made.samples("evaluation"))
    assert made.samples("validation") == []


def measured(task, predictors, weights=None):
    """The summary of a task whose predictor under seed s is ``predictors[s]``."""
    system, samples = task.load(Context()), task.samples("evaluation")
    outputs = [o for s, p in enumerate(predictors) for o in task.run(replace(system, predictor=p), samples, s)]
    scores = task.score(outputs, list(samples) * len(predictors), None)
    return task.summariser(scores)(np.ones(len(outputs)) if weights is None else weights)


def test_a_metric_is_the_mean_over_trainings_and_never_compares_their_scores(task):
    made = task()
    truth = [sample.target for sample in made.samples("evaluation")]
    scores = [sum(WORTH[op] for op in sample.data["code"]) for sample in made.samples("evaluation")]
    tau = kendalltau(scores, truth).statistic
    assert measured(made, [Known()])["kendall_tau"] == pytest.approx(tau) and tau > 0.8
    assert measured(made, [Known(), Known(1000.0)])["kendall_tau"] == pytest.approx(tau)
    assert measured(made, [Known(), Known(-1.0)])["kendall_tau"] == pytest.approx(0.0)
    left_out = np.repeat([1.0, 0.0], len(truth))
    assert measured(made, [Known(), Known(-1.0)], left_out)["kendall_tau"] == pytest.approx(tau)
    assert measured(made, [Known()])["regret_points"] < measured(made, [Known(-1.0)])["regret_points"]
    assert measured(made, [Known()])["precision_at_5_percent"] > 0.5


def test_a_predictor_that_ties_everything_has_no_tau(task):
    found = measured(task(), [Known(0.0)])
    assert "kendall_tau" not in found and found["precision_at_5_percent"] == pytest.approx(0.05)


def test_the_reference_ranks_by_flops(task):
    made = task()
    system = made.load(Context())
    three, one, none = system.predictor.scores(Architectures([(3,) * 6, (2,) * 6, (1,) * 6], {}))
    assert three > one > none


def test_the_table_says_its_ceiling_and_what_it_left_out(tmp_path):
    file = write_table(tmp_path, columns=[("flat", lambda codes, rng: np.ones(len(codes)), 0.0)])
    made = NasRanking(NasRanking.Params(table=str(file)))
    outputs = made.run(made.load(Context()), made.samples("evaluation"), 0)
    said = made.remarks(made.score(outputs, made.samples("evaluation"), None))["kendall_tau"]
    assert "two trainings of the same architectures" in said[0] and f"{made.table.ceiling:.2f}" in said[0]
    assert said[0].endswith(f"a mean over 2, to about {made.table.ceiling_of_mean:.2f}")
    assert said[1] == "low-fidelity column flat was left out: every value is 1"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"labels": 61}, "labels: 61 asked for, and of the 120 architectures .* 60 are there"),
        ({"judged": 0.01}, "leave 2 to judge"),
    ],
)
def test_what_a_table_cannot_give_gets_a_sentence(task, params, said):
    with pytest.raises(PluginError, match=said):
        task(**params).check()


def test_a_table_that_is_not_there_gets_a_sentence(tmp_path):
    with pytest.raises(PluginError, match="cannot be read: No such file"):
        NasRanking(NasRanking.Params(table=str(tmp_path / "none.yaml"))).check()
