"""What every arm gets: determinants of a molecule, with amplitudes that mean nothing."""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.connected import connected
from effbench.kernels.local_energy.determinants import interleaving_signs, sector, unpack
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.frozen import frozen_integrals

LISTED = 100_000
"""Sectors up to this size are listed and drawn from; larger ones are walked from Hartree-Fock."""


class Sampled(NamedTuple):
    """Packed strings [U, W] of both spins and log psi complex128 [U]."""

    name: str
    integrals: Integrals
    alpha: Array
    beta: Array
    logs: Array

    def job(self) -> dict[str, Any]:
        """Return the arrays of a peer's job: occupations instead of packed strings, and signs of the interleaved order."""
        n = self.integrals.orbitals
        occupied = {"alpha": unpack(self.alpha, n), "beta": unpack(self.beta, n)}
        signs = interleaving_signs(self.alpha, self.beta, n)
        given = self.integrals
        return {"core": given.core, "one": given.one, "two": given.two, "logs": self.logs, "signs": signs} | occupied


def sample_of(name: str, size: int) -> Sampled:
    """Return at most ``size`` determinants of a frozen molecule."""
    integrals = frozen_integrals(name)
    n = integrals.orbitals
    if comb(n, integrals.alpha) * comb(n, integrals.beta) <= LISTED:
        alpha, beta = sector(n, integrals.alpha, integrals.beta)
        rows = np.sort(np.random.default_rng(0).permutation(len(alpha))[:size])
        alpha, beta = alpha[rows], beta[rows]
    else:
        alpha, beta = _cloud(integrals, size)
    rng = np.random.default_rng(n)
    return Sampled(name, integrals, alpha, beta, rng.normal(size=len(alpha)) + 1j * rng.normal(size=len(alpha)))


def _cloud(integrals: Integrals, size: int) -> tuple[Array, Array]:
    """Return the ``size`` determinants that are reached first from Hartree-Fock by the largest elements."""
    first = [np.array([[(1 << many) - 1]], np.uint64) for many in (integrals.alpha, integrals.beta)]
    known, rows = {(int(first[0][0, 0]), int(first[1][0, 0]))}, first
    while len(known) < size:
        joined = connected(integrals, rows[0][-200:], rows[1][-200:], 1e-4)
        for at in np.argsort(-np.abs(joined.element), kind="stable"):
            known.add((int(joined.alpha[at, 0]), int(joined.beta[at, 0])))
        rows = [np.array([[pair[spin]] for pair in sorted(known)], np.uint64) for spin in (0, 1)]
        keep = np.random.default_rng(len(known)).permutation(len(known))
        rows = [part[keep] for part in rows]
    return rows[0][:size].copy(), rows[1][:size].copy()
