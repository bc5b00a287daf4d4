"""Full CI by PySCF's sigma vectors: a sector's lowest energy, checked, since what converged may be another state.

PySCF's own driver follows the state that it starts at: it goes back whenever a lower one appears, and converges to an
excited state where its start is one (orbitals in another order than that of energy are enough). Here its iterations run
without that, for several states at once, and their result must hold up against bounds that do not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from math import comb, prod

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.molecules import Energies
from effbench.tasks.vmc_energy.selfconsistent import canonical, hartree_fock_orbitals

Sigma = Callable[[Array], Array]
MOST_DETERMINANTS = 2_000_000
"""Sectors up to this size are solved for a molecule's known energies (PySCF takes minutes for 1.7 million)."""
MOST_WITHOUT_PYSCF = 20_000
"""The same without PySCF."""
DENSE = 1000
"""Sectors up to this size are diagonalised whole; of larger ones, this many of the lowest determinants give the starts."""
ROOTS = 3
"""States that are sought together, so that one of another symmetry that lies near is not taken for the lowest."""
AGREE_HA = 1e-7
"""How far a second search may lie from the first."""
SEARCHES = 4
"""How often a search may end lower than the one before; then nothing is sure."""
MOST_RESIDUAL = 1e-4
"""Norm of H c - E c, Hartree; the energy is then right to its square over the gap."""
MOST_CYCLES = 300
"""Steps of one search."""
MOST_ORBITALS = 63
"""Strings of PySCF's CI are bits of one signed word."""
VECTORS = 60
"""Vectors of the sector's size that the iterations hold at most, in memory."""


def string_counts(integrals: Integrals) -> tuple[int, int]:
    """Return how many alpha and how many beta strings the sector has; its determinants are their product."""
    return comb(integrals.orbitals, integrals.alpha), comb(integrals.orbitals, integrals.beta)


def obstacle(integrals: Integrals) -> str:
    """Return in a sentence's part why ``full_ci`` cannot run here, or nothing where it can."""
    import psutil

    determinants, free = prod(string_counts(integrals)), psutil.virtual_memory().available
    if integrals.orbitals > MOST_ORBITALS:
        return f"{integrals.orbitals} orbitals are more than PySCF's CI takes ({MOST_ORBITALS})"
    needed = 8 * VECTORS * determinants
    if needed > free:
        return f"{determinants:,} determinants need about {needed / 1e9:,.0f} GB, and {free / 1e9:,.0f} GB are free"
    return ""


def known_full_ci(integrals: Integrals) -> float | None:
    """Return the energy in Hartree to compare solvers with, or None where the sector is too large or it is not certain.

    Without PySCF, small sectors are diagonalised by the engine that finds connected determinants here.
    """
    if prod(string_counts(integrals)) > most_determinants() or obstacle(integrals):
        return None
    if find_spec("pyscf") is not None:
        return full_ci(integrals, 1e-12)
    from effbench.kernels.local_energy.determinants import sector
    from effbench.tasks.vmc_energy.evaluation import diagonalise

    return diagonalise(integrals, *sector(integrals.orbitals, integrals.alpha, integrals.beta))


def most_determinants() -> int:
    """Return how large a sector full CI is computed for here."""
    return MOST_DETERMINANTS if find_spec("pyscf") is not None else MOST_WITHOUT_PYSCF


def sector_of(integrals: Integrals) -> Array:
    """Return (determinants of the sector, how many full CI is computed up to here) float64 [2]."""
    return np.array([prod(string_counts(integrals)), most_determinants()], np.float64)


def why_unknown(sector: Array) -> str:
    """Return in a sentence why there is no full CI of a sector, from what ``sector_of`` says."""
    determinants, most = sector.tolist()
    if determinants <= most:
        return "no full CI to compare with: no search was sure to have found the lowest state"
    without = " without PySCF" if most == MOST_WITHOUT_PYSCF else ""
    count = f"{determinants:,.0f}" if determinants < 1e9 else f"{determinants:.1e}"
    return f"no full CI to compare with: the sector has {count} determinants, and it is computed up to {most:,.0f}{without}"


def known_energies(integrals: Integrals) -> Energies:
    """Return Hartree-Fock's energy within these orbitals and full CI's where it can be had; coupled cluster is not run."""
    return Energies(hf=hartree_fock_orbitals(integrals)[0], ccsd=None, ccsd_t=None, fci=known_full_ci(integrals))


def full_ci(integrals: Integrals, tolerance_ha: float) -> float | None:
    """Return the sector's lowest energy in Hartree, or None where that cannot be said to be it.

    Checked: the residual; that a second search, from the same vector with noise of every symmetry, ends at the same energy
    and not below; and that no determinant, no Hartree-Fock state and no CI of the lowest thousand determinants lies below.
    """
    from pyscf import fci
    from scipy.linalg import eigh

    given = canonical(integrals)
    n, electrons, shape = given.orbitals, (given.alpha, given.beta), string_counts(given)
    diagonal = fci.direct_spin1.make_hdiag(given.one, given.two, n, electrons, compress=False).ravel()
    places, block = fci.direct_spin1.pspace(given.one, given.two, n, electrons, diagonal, min(DENSE, diagonal.size))
    values, vectors = eigh(block, subset_by_index=[0, min(ROOTS, len(places)) - 1])
    bound = min(float(values[0]), hartree_fock_orbitals(given)[0] - given.core)
    if len(places) == diagonal.size:
        return float(values[0]) + given.core if values[0] <= bound + AGREE_HA else None
    both = fci.direct_spin1.absorb_h1e(given.one, given.two, n, electrons, 0.5)

    def sigma(vector: Array) -> Array:
        return np.asarray(fci.direct_spin1.contract_2e(both, vector.reshape(shape), n, electrons)).ravel()

    starts = np.zeros((vectors.shape[1], diagonal.size))
    starts[:, places] = vectors.T
    energy = settled(sigma, diagonal, list(starts), tolerance_ha)
    return energy + given.core if energy is not None and energy <= bound + AGREE_HA else None


def settled(sigma: Sigma, diagonal: Array, starts: list[Array], tolerance_ha: float) -> float | None:
    """Return the lowest eigenvalue of ``sigma``, which a second search confirms and the residual bears out, or None."""
    energy, state = lowest(sigma, diagonal, starts, tolerance_ha)
    for seed in range(SEARCHES):
        again, other = lowest(sigma, diagonal, [near(state, seed)], tolerance_ha)
        if again > energy - AGREE_HA:
            residual = float(np.linalg.norm(sigma(state) - energy * state))
            return energy if residual < MOST_RESIDUAL else None
        energy, state = again, other
    return None


def lowest(sigma: Sigma, diagonal: Array, starts: list[Array], tolerance_ha: float) -> tuple[float, Array]:
    """Return (energy, vector [N]) of the lowest state that PySCF's Davidson iterations reach from ``starts``, each [N]."""
    from pyscf import lib

    def preconditioned(residual: Array, energy: float, _: Array) -> Array:
        shifted = diagonal - energy
        return residual / np.where(np.abs(shifted) < 1e-3, 1e-3, shifted)

    _, energies, states = lib.davidson1(
        lambda many: [sigma(vector) for vector in many], starts, preconditioned, tol=tolerance_ha, max_cycle=MOST_CYCLES,
        nroots=len(starts), follow_state=False, verbose=0,
    )  # fmt: skip
    best = int(np.argmin(energies))
    return float(energies[best]), np.asarray(states[best])


def near(vector: Array, seed: int) -> Array:
    """Return a vector [N] with a tenth of noise, normalised: all symmetries are in it, and no iteration can lose them."""
    noise = np.random.default_rng(seed).normal(size=vector.shape)
    found = vector + 0.1 * np.linalg.norm(vector) * noise / np.linalg.norm(noise)
    return np.asarray(found / np.linalg.norm(found))
