"""Hartree-Fock of given integrals, in numpy: the lowest restricted determinant that any orbitals of their space make.

The energy is followed downhill over rotations of the orbitals, so that it cannot stop above its start: no mixing of Fock
matrices, and open shells as closed ones. Orbitals that solve the equations
already, as a file of Hartree-Fock orbitals has them, stay.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from effbench.api import PluginError
from effbench.arrays import Array
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.aufbau import by_energy, energy_of, fock, gradient, is_canonical, reference_filling

SETTLED_HA = 1e-6
"""Orbital gradient at which the field is self-consistent."""
ROUNDS = 30
"""Most iterations; a field that has not converged by then is given up."""


def hartree_fock_orbitals(integrals: Integrals) -> tuple[float, Array]:
    """Return (energy in Hartree, orbitals [n, n] in columns, the filled ones first) of restricted Hartree-Fock.

    Raises ``PluginError`` where no start becomes self-consistent.
    """
    n, filling = integrals.orbitals, reference_filling(integrals)
    many = filling.alpha.astype(int) + filling.beta
    start = np.eye(n)[:, np.argsort(-many, kind="stable")]
    if is_canonical(integrals, filling):
        return energy_of(integrals, *_densities(integrals, start)), start
    share = np.eye(n) * (integrals.alpha + integrals.beta) / (2 * n)
    starts = [start, *(np.linalg.eigh(field)[1] for field in (integrals.one, fock(integrals, share, share)[0]))]
    found = [result for result in (_descend(integrals, orbitals) for orbitals in starts) if result is not None]
    if not found:
        raise PluginError("Hartree-Fock of these integrals does not become self-consistent")
    return min(found, key=lambda one: one[0])


def canonical(integrals: Integrals) -> Integrals:
    """Return the Hamiltonian in the canonical orbitals of its Hartree-Fock state, the filled ones first, by energy.

    Full CI does not depend on the orbitals; how fast its iterations converge does.
    """
    given = by_energy(integrals)
    if is_canonical(given, reference_filling(given)):
        return given
    orbitals = hartree_fock_orbitals(given)[1].copy()
    fields = fock(given, *_densities(given, orbitals))
    mean = orbitals.T @ (fields[0] + fields[1]) @ orbitals
    edges = [0, *sorted((given.alpha, given.beta)), given.orbitals]
    for begin, end in pairwise(edges):
        block = slice(begin, end)
        orbitals[:, block] = orbitals[:, block] @ np.linalg.eigh(mean[block, block])[1]
    one = orbitals.T @ given.one @ orbitals
    two = np.einsum("pqrs,pa,qb,rc,sd->abcd", given.two, *[orbitals] * 4, optimize=True)
    return Integrals(given.core, one, two, given.alpha, given.beta)


def _densities(integrals: Integrals, orbitals: Array) -> tuple[Array, Array]:
    ours, theirs = (orbitals[:, :many] for many in (integrals.alpha, integrals.beta))
    return ours @ ours.T, theirs @ theirs.T


def _descend(integrals: Integrals, orbitals: Array) -> tuple[float, Array] | None:
    """Return (energy, orbitals) of the minimum below a start, or None where the gradient does not vanish."""
    from scipy.linalg import expm
    from scipy.optimize import minimize

    n = integrals.orbitals
    rows, columns = np.tril_indices(n, -1)

    def turned(angles: Array) -> Array:
        generator = np.zeros((n, n))
        generator[rows, columns] = angles
        return np.asarray(orbitals @ expm(generator - generator.T))

    def slopes(at: Array) -> Array:
        return np.asarray(2 * (at.T @ gradient(integrals, *_densities(integrals, at)) @ at)[rows, columns])

    for _ in range(ROUNDS):
        # The gradient is that of small angles: a round is cut where they have grown, and the next begins at its end.
        found = minimize(
            lambda angles: energy_of(integrals, *_densities(integrals, turned(angles))),
            np.zeros(len(rows)), jac=lambda angles: slopes(turned(angles)), method="L-BFGS-B",
            bounds=[(-0.5, 0.5)] * len(rows), options={"maxiter": 200, "ftol": 0.0, "gtol": SETTLED_HA / 10},
        )  # fmt: skip
        orbitals = np.linalg.qr(turned(found.x))[0]
        if np.abs(slopes(orbitals)).max() < SETTLED_HA:
            return energy_of(integrals, *_densities(integrals, orbitals)), orbitals
    return None
