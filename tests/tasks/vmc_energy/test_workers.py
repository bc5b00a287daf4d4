"""Data parallelism over processes: as many workers as one likes, the same sample, the same energies."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from networks import made

from effbench.api import PluginError
from effbench.tasks.vmc_energy.frozen import frozen_integrals
from effbench.tasks.vmc_energy.problems import load_problem
from effbench.tasks.vmc_energy.sampling import sample
from effbench.tasks.vmc_energy.settings import TrainingSettings
from effbench.tasks.vmc_energy.training import Trainer
from effbench.tasks.vmc_energy.vmc import VariationalMonteCarlo
from effbench.tasks.vmc_energy.workers import ALONE, Workers, run_together
from effbench_baselines.nqs_made.made import Made

STEPS = 6


def network(integrals, seed):
    return Made(integrals, np.arange(integrals.orbitals)[::-1].copy(), seed)


def drawn(workers):
    found = sample(made(frozen_integrals("h2o")), 10**6, 5, workers)
    return found.tokens.numpy(), found.counts


def energies(settings, workers):
    integrals = frozen_integrals("lih")
    trainer = Trainer(network(integrals, 0), integrals, TrainingSettings(**settings), 0, workers)
    found = [trainer.step() for _ in range(STEPS)]
    weights = np.concatenate([p.detach().numpy().ravel() for p in trainer.ansatz.parameters()])
    # Every worker must hold the same network, or the next step would be another one on each.
    assert len(np.unique(workers.gather(weights[None]), axis=0)) == 1
    return found, trainer.trace.unique, getattr(workers, "waited_s", 0.0)


@pytest.mark.whole
@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.proof)])
def test_workers_draw_the_sample_of_one(size):
    tokens, counts = drawn(ALONE)
    shared_tokens, shared_counts = run_together(drawn, size, size)
    assert np.array_equal(tokens, shared_tokens) and np.array_equal(counts, shared_counts)


@pytest.mark.whole
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "settings",
    [
        {"optimiser": "minsr"},
        {"optimiser": "adam"},
        {"optimiser": "minsr", "policy": "sampled-only", "temperature_ha": 0},
    ],
    ids=lambda s: "-".join(str(v) for v in s.values()),
)
@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.proof)])
def test_workers_have_the_energies_of_one(settings, size):
    alone, unique, _ = energies(settings, ALONE)
    found, shared_unique, waited_s = run_together(partial(energies, settings), size, size)
    assert np.abs(np.array(found) - alone).max() < 1e-9 and shared_unique == unique
    assert waited_s > 0


def test_parts_cover_all_rows_once():
    for size in (1, 2, 3, 4):
        parts = []
        for rank in range(size):
            one = Workers()
            one.rank, one.size = rank, size
            parts.append(one.part(10))
        assert parts[0][0] == 0 and parts[-1][1] == 10
        assert all(end == begin for (_, end), (begin, _) in pairwise(parts))


def broken(workers):
    raise PluginError("h2: training stopped")


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_solver_of_two_workers_answers_and_its_sentences_arrive_as_they_are():
    expected = VariationalMonteCarlo(network, TrainingSettings(steps=3)).solve(load_problem("h2"), 0)
    found = VariationalMonteCarlo(network, TrainingSettings(steps=3, workers=2)).solve(load_problem("h2"), 0)
    assert found.energy_ha == pytest.approx(expected.energy_ha, abs=1e-9) and found.steps == 3
    with pytest.raises(PluginError, match=r"^h2: training stopped$"):
        run_together(broken, 2, 2)
