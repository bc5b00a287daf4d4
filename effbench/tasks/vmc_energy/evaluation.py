"""What a trained state is worth: its energy from a fresh sample, and the best that the same determinants could give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy import local_energies
from effbench.kernels.local_energy.connected import connected
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.lookup import build_lookup, places
from effbench.kernels.local_energy.policies import Policy
from effbench.tasks.vmc_energy.ansatz import Autoregressive
from effbench.tasks.vmc_energy.sampling import sample_within

DENSE = 400
"""Sampled spaces up to this size are diagonalised densely."""
TILE = 256
"""Rows whose connections are listed at once: memory is that of as many times ``most_connected``, and few calls are made."""


@dataclass(frozen=True)
class Evaluation:
    """Energies in Hartree of a fresh sample of ``draws`` independent draws, policy *exact*, nothing clipped or dropped."""

    energy_ha: float
    standard_error_ha: float
    imaginary_ha: float
    """Imaginary part of the mean local energy: noise at convergence, a sign of trouble where it is larger than the error."""
    variance_ha2: float
    unique: int
    draws: float
    diagonal_ha: float
    """Lowest energy of H in the space of the sampled determinants, never above that of psi restricted to it."""


def evaluate(ansatz: Autoregressive, integrals: Integrals, draws: float, seed: int, most_unique: int) -> Evaluation:
    """Return the evaluation of a state; draws are halved until at most ``most_unique`` determinants come."""
    drawn, draws = sample_within(ansatz, draws, seed, most_unique)
    alpha, beta = ansatz.strings_of(drawn.tokens)
    local = local_energies(
        integrals, alpha, beta, ansatz.log_psi(alpha, beta), policy=Policy("exact"), amplitude=ansatz.log_psi
    ).energies
    weights = drawn.counts / drawn.counts.sum()
    energy = complex((weights * local).sum())
    variance = float((weights * np.abs(local - energy) ** 2).sum())
    return Evaluation(
        energy.real, float((variance / draws) ** 0.5), energy.imag, variance, len(weights), float(draws),
        diagonalise(integrals, alpha, beta),
    )  # fmt: skip


def diagonalise(integrals: Integrals, alpha: Array, beta: Array) -> float:
    """Return the lowest eigenvalue in Hartree of H between the given determinants [U, W]."""
    return ground_state(integrals, alpha, beta)[0]


def ground_state(integrals: Integrals, alpha: Array, beta: Array) -> tuple[float, Array]:
    """Return the lowest eigenvalue in Hartree of H between the given determinants [U, W], and its vector [U]."""
    return lowest_state(between(integrals, alpha, beta))


def between(integrals: Integrals, alpha: Array, beta: Array) -> Any:
    """Return H between the given determinants [U, W] in Hartree, a scipy sparse array [U, U]."""
    from scipy.sparse import coo_array, csr_array

    table, found = build_lookup(alpha, beta, integrals.orbitals), []
    for begin in range(0, len(alpha), TILE):
        joined = connected(integrals, alpha[begin : begin + TILE], beta[begin : begin + TILE])
        column = places(table, alpha, beta, joined.alpha, joined.beta)
        inside = column >= 0
        found.append((joined.element[inside], joined.row[inside] + begin, column[inside]))
    values, rows, columns = (np.concatenate(part) for part in zip(*found))
    return csr_array(coo_array((values, (rows, columns)), shape=(len(alpha),) * 2))


def lowest_state(matrix: Any) -> tuple[float, Array]:
    """Return the lowest eigenvalue of a symmetric sparse matrix [U, U], and its vector [U]."""
    from scipy.sparse.linalg import eigsh

    size = matrix.shape[0]
    if size <= DENSE:
        energies, states = np.linalg.eigh(matrix.toarray())
        return float(energies[0]), states[:, 0]
    # One determinant may have another symmetry than the ground state, and then never leads there: C2's lowest does.
    start = np.random.default_rng(0).normal(size=size)
    energies, states = eigsh(matrix, 1, which="SA", v0=start, tol=1e-10)
    return float(energies[0]), states[:, 0]
