"""The solver that trains a neural quantum state: any autoregressive ansatz, one trainer, one evaluation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from effbench.api import PluginError, work_folder
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.ansatz import Autoregressive
from effbench.tasks.vmc_energy.checkpoint import Checkpoint
from effbench.tasks.vmc_energy.evaluation import evaluate
from effbench.tasks.vmc_energy.orders import order_of
from effbench.tasks.vmc_energy.settings import NeuralState, Orbitals, TrainingSettings
from effbench.tasks.vmc_energy.symmetry import parities
from effbench.tasks.vmc_energy.system import Problem, Solution, Solver
from effbench.tasks.vmc_energy.training import Trainer
from effbench.tasks.vmc_energy.workers import Workers, run_together

EVALUATION_DRAWS = 1e12
"""Draws of a sample without repetition cost nothing: so many that the sample's size alone limits it."""


@dataclass(frozen=True)
class VariationalMonteCarlo(Solver):
    """``make`` returns the ansatz of a molecule for a seed."""

    make: Callable[[Integrals, int], Autoregressive]
    training: TrainingSettings

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Return the energy of a fresh sample after training, with its standard error.

        In a run, training goes on from the checkpoint that a killed one left in the cell's folder. Raises ``PluginError``
        where an energy was not finite: the last good parameters stand in the checkpoint.
        """
        found = run_together(partial(self._solve, problem, seed), self.training.workers, torch.get_num_threads())
        assert isinstance(found, Solution)
        return found

    def _solve(self, problem: Problem, seed: int, workers: Workers) -> Solution | None:
        """Train on every worker, and evaluate on the first."""
        trainer = Trainer(self.make(problem.integrals, seed), problem.integrals, self.training, seed, workers)
        folder = work_folder()
        checkpoint = None if folder is None else Checkpoint(folder / f"{problem.name}-{seed}.safetensors", problem.name)
        if checkpoint is not None:
            checkpoint.resume(trainer)
        is_first = workers.rank == 0
        trace = trainer.run() if checkpoint is None or not is_first else trainer.run(checkpoint)
        if trace.stopped:
            kept = "" if checkpoint is None else f" in {checkpoint.path}"
            raise PluginError(f"{problem.name}: training stopped: {trace.stopped}{kept}")
        if not is_first:
            return None
        most = self.training.evaluation_unique
        found = evaluate(trainer.ansatz, problem.integrals, EVALUATION_DRAWS, _evaluation_seed(seed), most)
        if checkpoint is not None:
            checkpoint.path.unlink(missing_ok=True)
        return Solution(
            found.energy_ha, tuple(trace.time_s), tuple(trace.energy_ha), found.standard_error_ha, found.diagonal_ha,
            found.unique, len(trace.time_s), dict(trace.parts_s),
            temperature_ha=self.training.temperature_at(trainer.done - 1),
        )  # fmt: skip

    def step(self, problem: Problem, seed: int) -> Callable[[], float]:
        """Return the first step of training by one worker; every call takes it from the same parameters."""
        start = self.make(problem.integrals, seed)
        return lambda: Trainer(copy.deepcopy(start), problem.integrals, self.training, seed).step()


def trained(network: Callable[..., Autoregressive], params: NeuralState) -> VariationalMonteCarlo:
    """Return the solver that trains ``network(integrals, order, seed, labels=..., **sizes)`` as a method's parameters say."""
    training, orbitals, sizes = params.parts()
    return VariationalMonteCarlo(partial(_make, network, orbitals, sizes), training)


def _make(
    network: Callable[..., Autoregressive], orbitals: Orbitals, sizes: dict[str, Any], integrals: Integrals, seed: int
) -> Autoregressive:
    labels = parities(integrals) if orbitals.symmetry == "point-group" else None
    return network(integrals, order_of(orbitals.order, integrals), seed, labels=labels, **sizes)


def _evaluation_seed(seed: int) -> int:
    """Return a seed that no training step uses."""
    return int(np.random.SeedSequence((seed, 2**40)).generate_state(1, np.uint64)[0] >> 1)
