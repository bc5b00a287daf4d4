"""DELE on the made table: truth follows one column in one region of the space and another one elsewhere."""

import numpy as np
import pytest

from effbench.api import Context
from effbench.nas.planted import FIRST_REGION, PRICES, planted_table
from effbench.tasks.nas_ranking.task import NasRanking
from effbench_baselines.dele.method import Dele, NasNetwork

SIZES = {"encoder": "one-hot", "hidden": (48,), "pretrain_epochs": 100, "finetune_epochs": 100}
INFORMED, NOISE = ("first", "second"), ("noise_1", "noise_2")
TASK = NasRanking(NasRanking.Params(table="planted", labels=40))


def taus(method, seeds):
    samples, system, found = TASK.samples("evaluation"), TASK.load(Context()), []
    for seed in range(seeds):
        made = method.apply(system, method.prepare(system, Context(seed=seed)))
        scores = TASK.score(TASK.run(made, samples, seed), samples, None)
        found.append(TASK.summariser(scores)(np.ones(len(samples)))["kendall_tau"])
    return np.array(found)


def dele(**params):
    return Dele(Dele.Params(**{**SIZES, "columns": INFORMED, **params}))


def network(**params):
    return NasNetwork(NasNetwork.Params(**{**SIZES, **params}))


def test_the_table_is_what_it_says():
    table = planted_table()
    for row, code in enumerate(table.codes):
        region = 0 if code[3] in FIRST_REGION else 1
        assert table.truth[row] == pytest.approx(0.5 + 0.02 * sum(PRICES[region][op] for op in code), abs=0.005)
    assert table.revision == planted_table().revision and set(table.columns) == {*INFORMED, *NOISE, "flops"}


@pytest.mark.proof
def test_the_gate_beats_every_expert_and_every_mix_that_does_not_look():
    gated = taus(dele(), 3)
    others = {
        "first": network(pretrain_on="first"),
        "second": network(pretrain_on="second"),
        "static": dele(weighting="static"),
        "uniform": dele(weighting="uniform"),
        "labels alone": network(),
    }
    behind = {name: float((gated - taus(method, 3)).mean()) for name, method in others.items()}
    assert all(gap > 0.03 for gap in behind.values()), behind


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_columns_of_noise_teach_nothing():
    """Against the same network without the first step: several experts are worth something even without any column."""
    untaught = taus(dele(pretrain_epochs=0), 8)
    noise, taught = taus(dele(columns=NOISE), 8) - untaught, taus(dele(), 8) - untaught
    error = noise.std(ddof=1) / np.sqrt(len(noise))
    assert noise.mean() < 2 * error + 0.02, (noise, error)
    assert taught.mean() > max(0.05, noise.mean() + 2 * error), (taught, noise)
