"""DELE where the answer is planted: truth follows one column in one region of the space and another one elsewhere."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "nas"))
from tables_for_tests import some_cells

from effbench.api import Context
from effbench.nas.cells import name_of
from effbench.tasks.nas_ranking.task import NasRanking
from effbench_baselines.dele.method import Dele, NasNetwork

WORTHS = ({0: -1.0, 1: 0.2, 2: 0.5, 3: 1.0, 4: 0.0}, {0: 0.8, 1: -0.6, 2: 0.1, 3: -0.9, 4: 0.6})
"""What an operation adds, in the one region and in the other."""
SIZES = {"encoder": "one-hot", "hidden": (48,), "pretrain_epochs": 100, "finetune_epochs": 100}


def planted(folder, *, informed):
    """A task of 400 cells: the operation on the edge from input to output decides which of two sums is the truth."""
    cells, rng = np.array(some_cells(400)), np.random.default_rng(0)
    sums = [np.vectorize(worth.get)(cells).sum(1) for worth in WORTHS]
    truth = 0.5 + 0.02 * np.where(np.isin(cells[:, 3], (1, 2, 4)), *sums) + 0.001 * rng.standard_normal(400)
    columns = [own + 0.1 * rng.standard_normal(400) if informed else rng.standard_normal(400) for own in sums]
    lines = [f"{name_of(cell)},{t:.6g},{a:.6g},{b:.6g}" for cell, t, a, b in zip(cells.tolist(), truth, *columns)]
    (folder / "planted.csv").write_text("\n".join(["cell,truth,one,two", *lines]) + "\n", "utf-8")
    header = {
        "space": "nas-bench-201",
        "rows": "planted.csv",
        "truth": ["truth"],
        "low_fidelity": {"one": {}, "two": {}},
    }
    file = folder / "planted.yaml"
    file.write_text(yaml.safe_dump(header), "utf-8")
    return NasRanking(NasRanking.Params(table=str(file), labels=40))


def taus(method, task, seeds):
    samples, system, found = task.samples("evaluation"), task.load(Context()), []
    for seed in range(seeds):
        made = method.apply(system, method.prepare(system, Context(seed=seed)))
        scores = task.score(task.run(made, samples, seed), samples, None)
        found.append(task.summariser(scores)(np.ones(len(samples)))["kendall_tau"])
    return np.array(found)


def dele(**params):
    return Dele(Dele.Params(**{**SIZES, **params}))


def network(**params):
    return NasNetwork(NasNetwork.Params(**{**SIZES, **params}))


def test_the_gate_beats_every_expert_and_every_mix_that_does_not_look(tmp_path):
    task = planted(tmp_path, informed=True)
    gated = taus(dele(), task, 3)
    others = {
        "one": network(pretrain_on="one"),
        "two": network(pretrain_on="two"),
        "static": dele(weighting="static"),
        "uniform": dele(weighting="uniform"),
        "labels alone": network(),
    }
    behind = {name: float((gated - taus(method, task, 3)).mean()) for name, method in others.items()}
    assert all(gap > 0.03 for gap in behind.values()), behind


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_columns_of_noise_teach_nothing(tmp_path):
    """Against the same network without the first step: several experts are worth something even without any column."""
    untaught = taus(dele(pretrain_epochs=0), planted(tmp_path, informed=False), 8)
    noise = taus(dele(), planted(tmp_path, informed=False), 8) - untaught
    taught = taus(dele(), planted(tmp_path, informed=True), 8) - untaught
    error = noise.std(ddof=1) / np.sqrt(len(noise))
    assert noise.mean() < 2 * error + 0.02, (noise, error)
    assert taught.mean() > max(0.05, noise.mean() + 2 * error), (taught, noise)
