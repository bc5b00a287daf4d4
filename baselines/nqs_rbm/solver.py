"""Variational Monte Carlo with Markov chains: what autoregressive sampling replaced, with what chains cost in errors.

Stochastic reconfiguration with complex, holomorphic parameters: (S + lambda) delta = F, S = <O* O> - <O*><O>, F = <O* E> -
<O*><E> (Carleo and Troyer, supplement). Local energies follow the exact policy, every determinant once. Chains visit
|psi|^power and are reweighted to |psi|^2: with power 2 they stay at Hartree-Fock, where molecules have nearly all of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from effbench.api import PluginError
from effbench.arrays import Array
from effbench.kernels.local_energy import local_energies
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.policies import Policy
from effbench.stats.series import mean_with_error, r_hat
from effbench.tasks.vmc_energy.evaluation import diagonalise
from effbench.tasks.vmc_energy.system import Problem, Solution, Solver
from effbench.tasks.vmc_energy.training import PARTS
from effbench_baselines.nqs_rbm.metropolis import start, walk
from effbench_baselines.nqs_rbm.rbm import Rbm

LONGER = 20
"""How many times the records of a step the evaluation takes."""


class _Unique(NamedTuple):
    """Distinct determinants [U, W] of records, which one each record is, and how many records each has [U]."""

    alpha: Array
    beta: Array
    which: Array
    counts: Array

    def shares(self, logs: Array, power: float) -> Array:
        """Return weights [U] that sum to one and stand for |psi|^2."""
        factor = np.exp((2 - power) * (logs.real - logs.real.max()))
        return np.asarray(self.counts * factor / (self.counts * factor).sum())


@dataclass(frozen=True)
class MetropolisRbm(Solver):
    """Trains an RBM of ``density`` hidden units per spin orbital; the other fields are those of ``NqsRbm.Params``."""

    steps: int
    chains: int
    records: int
    rate: float
    damping: float
    density: float
    hf_bias: float
    power: float = 1.0

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Return the energy of a long run of the chains after training, its error corrected for their memory.

        Raises ``PluginError`` where psi or an energy is not finite any more.
        """
        integrals, started = problem.integrals, time.perf_counter()
        rbm = Rbm(integrals, seed, max(1, round(self.density * 2 * integrals.orbitals)), self.hf_bias)
        chains = start(self.chains, integrals.orbitals, integrals.alpha, integrals.beta, seed)
        thin, parts = 2 * integrals.orbitals, dict.fromkeys(PARTS, 0.0)
        seconds, energies = [], []
        for step in range(self.steps):
            at = time.perf_counter()
            unique = _distinct(walk(rbm, chains, self.records, thin, self.power))
            at = _lap(parts, "sample", at)
            x = rbm.signs_of(unique.alpha, unique.beta)
            logs, inner = rbm.of_signs(x), rbm.derivatives(x)
            if not np.isfinite(logs).all():
                raise PluginError(f"{problem.name}: training stopped: psi of step {step} is not finite; lower the rate")
            shares = unique.shares(logs, self.power)
            at = _lap(parts, "amplitude", at)
            local = _local(integrals, rbm, unique, logs)
            energies.append(float((shares * local).sum().real))
            if not np.isfinite(energies[-1]):
                raise PluginError(
                    f"{problem.name}: training stopped: the energy of step {step} is not finite; lower the rate"
                )
            at = _lap(parts, "local_energy", at)
            rbm.change(-self.rate * _reconfiguration(shares, inner, local, self.damping))
            _lap(parts, "gradient", at)
            seconds.append(time.perf_counter() - started)
        walked = walk(rbm, chains, LONGER * self.records, thin, self.power)
        unique = _distinct(walked)
        logs = rbm.log_psi(unique.alpha, unique.beta)
        local, shares = _local(integrals, rbm, unique, logs).real, unique.shares(logs, self.power)
        energy = float((shares * local).sum())
        # A mean of ratios: to first order its error is that of the mean of w (E - mean) / mean of w.
        factor = shares / unique.counts * unique.counts.sum()
        series = (energy + factor * (local - energy))[unique.which].reshape(walked.alpha.shape[:2])
        found = mean_with_error(series)
        return Solution(
            energy, tuple(seconds), tuple(energies), found.error,
            diagonalise(integrals, unique.alpha, unique.beta), len(unique.alpha), self.steps, parts,
            r_hat(series, rank_normalised=True), found.autocorrelation_time,
        )  # fmt: skip


def _lap(parts: dict[str, float], part: str, since: float) -> float:
    now = time.perf_counter()
    parts[part] += now - since
    return now


def _distinct(walked: Any) -> _Unique:
    words = walked.alpha.shape[2]
    pairs = np.concatenate([walked.alpha, walked.beta], axis=2).reshape(-1, 2 * words)
    rows, which, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    halves = (np.ascontiguousarray(rows[:, :words]), np.ascontiguousarray(rows[:, words:]))
    return _Unique(*halves, which.reshape(-1), counts)


def _local(integrals: Integrals, rbm: Rbm, unique: _Unique, logs: Array) -> Array:
    found = local_energies(
        integrals, unique.alpha, unique.beta, logs, policy=Policy("exact"), amplitude=rbm.log_psi
    )  # fmt: skip
    return found.energies


def _reconfiguration(shares: Array, inner: Array, local: Array, damping: float) -> Array:
    """Return delta [P]; lambda is ``damping`` times the diagonal of S plus ``damping``."""
    centred = np.sqrt(shares)[:, None] * (inner - shares @ inner)
    force = centred.conj().T @ (np.sqrt(shares) * (local - shares @ local))
    matrix = centred.conj().T @ centred
    matrix[np.diag_indices_from(matrix)] *= 1 + damping
    matrix[np.diag_indices_from(matrix)] += damping
    return np.asarray(np.linalg.solve(matrix, force))
