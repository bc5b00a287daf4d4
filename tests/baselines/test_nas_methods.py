"""The methods of nas-ranking on made tables: they keep the contract, and find what was planted and nothing else."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "nas"))
from tables_for_tests import WORTH, write_table

from effbench.api import Context, PluginError, Unsupported
from effbench.stats.rank import kendall_tau
from effbench.tasks.nas_ranking.task import NasRanking
from effbench.testing import check_method
from effbench_baselines.dele.method import Dele, NasNetwork
from effbench_baselines.nas_controls import forest as forest_module
from effbench_baselines.nas_controls.forest import boosted, boosted_scores, forest, forest_scores
from effbench_baselines.nas_controls.method import NasColumns, NasRegression
from effbench_baselines.nas_controls.regression import gaussian_process, gaussian_scores, ridge, ridge_scores

QUICK = {"layers": 2, "width": 8, "hidden": (8,), "pretrain_epochs": 3, "finetune_epochs": 3}


def worth_of(codes, table):
    return np.vectorize(table.get)(codes).sum(1)


def good(codes, rng):
    return worth_of(codes, WORTH) + 0.3 * rng.standard_normal(len(codes))


def turned(codes, rng):
    return -worth_of(codes, WORTH) + 1.5 * rng.standard_normal(len(codes))


def noise(codes, rng):
    return rng.standard_normal(len(codes))


COLUMNS = [("good", good, 1.0), ("turned", turned, 2.0), ("noise", noise, 4.0)]


@pytest.fixture
def task(tmp_path):
    def made(columns=COLUMNS, count=120, **params):
        file = write_table(tmp_path, count=count, columns=columns)
        return NasRanking(NasRanking.Params(table=str(file), **params))

    return made


def prepared(method, task, seed=0):
    system = task.load(Context())
    return method.apply(system, method.prepare(system, Context(seed=seed)))


def tau_of(method, task, seed=0):
    system, samples = prepared(method, task, seed), task.samples("evaluation")
    scores = task.score(task.run(system, samples, seed), samples, None)
    return task.summariser(scores)(np.ones(len(samples)))["kendall_tau"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (Dele, QUICK),
        (NasNetwork, {**QUICK, "encoder": "lstm", "pretrain_on": "best"}),
        (NasNetwork, {**QUICK, "encoder": "one-hot"}),
        (NasNetwork, {**QUICK, "encoder": "gcn"}),
        (NasRegression, {"model": "ridge"}),
        (NasRegression, {"model": "gaussian-process", "read": "encoding"}),
        (NasColumns, {"column": "best"}),
        (NasColumns, {"column": "mean"}),
    ],
    ids=["dele", "lstm-best", "one-hot", "gcn", "ridge", "gaussian-process", "best-column", "mean-rank"],
)
def test_methods_keep_the_contract(task, method, params):
    check_method(method, params=method.Params(**params), task=task(labels=12, count=60))


def test_a_good_column_is_found_turned_and_paid_for(task):
    made = task(labels=20)
    best = prepared(NasColumns(NasColumns.Params(column="best")), made)
    assert best.predictor.reads == ("good",)
    turned_alone = prepared(NasColumns(NasColumns.Params(column="turned")), made)
    assert turned_alone.predictor.signs == {"turned": -1.0}
    assert tau_of(NasColumns(NasColumns.Params(column="turned")), made) > 0.2
    facts = NasColumns().facts(best)
    assert facts["labels"].value == 20 and facts["label_cost"].value == 20 * 2 * 10.0  # two seeds a label
    assert facts["low_fidelity_cost"].value == 20 * (1 + 2 + 4) and facts["column_cost"].value == 1000.0


def test_what_a_network_learned_from_is_in_its_price(task):
    made, pool = task(labels=20), 60
    fusion = prepared(Dele(Dele.Params(**QUICK)), made)
    assert Dele().facts(fusion)["low_fidelity_cost"].value == pool * (1 + 2 + 4)
    alone = prepared(NasNetwork(NasNetwork.Params(**QUICK)), made)
    assert NasNetwork().facts(alone)["low_fidelity_cost"].value == 0
    one = prepared(NasNetwork(NasNetwork.Params(**QUICK, pretrain_on="best")), made)
    assert NasNetwork().facts(one)["low_fidelity_cost"].value == pool * 1 + 20 * (2 + 4)
    assert NasNetwork().facts(one)["column_cost"].value == 0


def test_every_seed_draws_its_own_labels(task):
    made = task(labels=20)
    method = NasRegression(NasRegression.Params(model="ridge"))
    system = made.load(Context())
    slopes = [method.prepare(system, Context(seed=seed)).tensors["slope"] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(slopes[0], slopes[1])
    assert not np.allclose(slopes[0], slopes[2])


@pytest.mark.parametrize("model", ["ridge", "gaussian-process", "forest", "xgboost"])
def test_regressions_rank_what_is_a_sum_of_operations(task, model):
    if model == "forest":
        pytest.importorskip("sklearn")
    if model == "xgboost":
        pytest.importorskip("xgboost")
    method = NasRegression(NasRegression.Params(model=model, read="encoding"))
    assert tau_of(method, task(labels=60)) > (0.55 if model in ("forest", "xgboost") else 0.8)


@pytest.mark.whole
def test_a_network_learns_from_labels_alone(task):
    params = {"layers": 2, "width": 24, "hidden": (16,), "finetune_epochs": 120}
    assert tau_of(NasNetwork(NasNetwork.Params(**params)), task(labels=60)) > 0.6


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Dele(Dele.Params(columns=("goood",))), "no usable low-fidelity column 'goood'; did you mean 'good'"),
        (NasNetwork(NasNetwork.Params(pretrain_on="flops")), "no usable low-fidelity column 'flops'"),
        (NasColumns(NasColumns.Params(column="flops")), "no usable low-fidelity column 'flops'"),
    ],
)
def test_a_column_that_is_not_there_gets_a_sentence(task, method, said):
    with pytest.raises(PluginError, match=said):
        prepared(method, task())


def test_a_table_without_columns_gets_a_sentence(task):
    made = task(columns=[])
    for method in (Dele(), NasColumns(), NasRegression(NasRegression.Params(read="columns"))):
        with pytest.raises(PluginError, match="no usable low-fidelity column"):
            prepared(method, made)


def test_an_architecture_of_another_space_gets_a_sentence(tmp_path):
    file = write_table(tmp_path, count=60)
    rows = file.with_suffix(".csv")
    rows.write_text(rows.read_text().replace("nor_conv_1x1", "sep_conv_3x3"))
    with pytest.raises(PluginError, match="no operation 'sep_conv_3x3' in this space"):
        NasRanking(NasRanking.Params(table=str(file))).check()


def test_a_forest_without_its_package_says_what_to_install(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(Unsupported, match=r"pip install 'effbench\[nas\]'"):
        prepared(NasRegression(NasRegression.Params(model="forest")), task())


def test_boosted_trees_without_their_package_say_what_to_install(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(Unsupported, match=r"pip install 'effbench\[xgboost\]'"):
        prepared(NasRegression(NasRegression.Params(model="xgboost")), task())


# --- the regressions against their definitions


def test_ridge_leaves_out_exactly():
    """The chosen strength has the least error of refits without each point, by brute force."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(25, 6)), rng.normal(size=6)
    y = x @ w + rng.normal(size=25)
    fitted = ridge(x, y)
    z = (x - x.mean(0)) / x.std(0)
    errors = []
    for strength in np.logspace(-3, 4, 15):
        total = 0.0
        for i in range(25):
            # The penalised fit with an unpenalised intercept, without row i, at the scale of all rows.
            kept = np.delete(np.arange(25), i)
            zi = z[kept] - z[kept].mean(0)
            slope = np.linalg.solve(zi.T @ zi + strength * np.eye(6), zi.T @ (y[kept] - y[kept].mean()))
            total += (y[i] - y[kept].mean() - (z[i] - z[kept].mean(0)) @ slope) ** 2
        errors.append(total / 25)
    strength = np.logspace(-3, 4, 15)[int(np.argmin(errors))]
    expected = np.linalg.solve(z.T @ z + strength * np.eye(6), z.T @ (y - y.mean()))
    np.testing.assert_allclose(fitted["slope"], expected, rtol=1e-6)
    np.testing.assert_allclose(ridge_scores(x, fitted), z @ expected, rtol=1e-6)


def test_a_gaussian_process_meets_smooth_labels_and_smooths_noise():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (60, 2))
    smooth = np.sin(2 * x[:, 0]) + x[:, 1] ** 2
    fitted = gaussian_process(x[:40], smooth[:40])
    assert kendall_tau(gaussian_scores(x[40:], fitted), smooth[40:]) > 0.85
    flat = gaussian_process(x[:40], rng.normal(size=40))
    assert np.std(gaussian_scores(x[40:], flat)) < 0.7  # of labels with deviation 1


def test_our_walk_through_a_forest_is_scikit_learns():
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(80, 5)), rng.normal(size=80)
    grown = ensemble.RandomForestRegressor(forest_module.TREES, random_state=3, max_features=1 / 3, n_jobs=1).fit(x, y)
    other = rng.normal(size=(50, 5))
    np.testing.assert_allclose(forest_scores(other, forest(x, y, 3)), grown.predict(other), rtol=1e-10)


def test_our_walk_through_boosted_trees_is_xgboosts():
    """Features that lie on thresholds, too: what is equal goes right."""
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(80, 5)).round(1), rng.normal(size=80) + 3
    grown = xgboost.train({"nthread": 1, "seed": 3}, xgboost.DMatrix(x, y), forest_module.BOOSTED_TREES)
    other = rng.normal(size=(50, 5)).round(1)
    behind = grown.predict(xgboost.DMatrix(other)) - boosted_scores(other, boosted(x, y, 3))
    np.testing.assert_allclose(behind, y.mean(), rtol=1e-5)


def test_boosting_ten_labels_without_any_difference_scores_all_alike():
    pytest.importorskip("xgboost")
    x = np.random.default_rng(0).normal(size=(10, 3))
    assert np.ptp(boosted_scores(x, boosted(x, np.ones(10), 0))) == 0
