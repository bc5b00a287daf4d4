"""Which orbitals a molecule's reference determinant fills, found from the integrals: files list orbitals in any order.

Programs write orbitals by energy, by irrep (Molpro, MOLCAS) or as an active space was chosen, so "the first ones are filled"
holds only after ``by_energy`` has sorted them. Everything that starts at a reference (Hartree-Fock, coupled cluster, CI, the
ansaetze, their symmetry, Markov chains, sampling orders) takes sorted orbitals.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.integrals import Integrals

MOST_FILLINGS = 100_000
"""Up to so many restricted determinants are all looked at; C2H4O in STO-3G has 50,388."""
STATIONARY_HA = 1e-4
"""Orbital gradients below are those of a converged self-consistent field; the energy is then right to about 1e-8 Hartree."""
MOST_GRADIENTS = 200
"""Among so many of the lowest determinants a self-consistent one is looked for."""
TIE_HA = 1e-6
"""Energies this near are one energy: degenerate orbitals stay in the order in which they came."""


class Filling(NamedTuple):
    """A restricted determinant: bool [n] per spin, the orbitals of the rarer spin among those of the other."""

    alpha: Array
    beta: Array


def fock(integrals: Integrals, density_alpha: Array, density_beta: Array) -> tuple[Array, Array]:
    """Return the Fock matrices [n, n] in Hartree of both spins in the field of these density matrices [n, n]."""
    coulomb = np.einsum("pqrs,rs->pq", integrals.two, density_alpha + density_beta)
    exchange = [np.einsum("prqs,rs->pq", integrals.two, density) for density in (density_alpha, density_beta)]
    return integrals.one + coulomb - exchange[0], integrals.one + coulomb - exchange[1]


def energy_of(integrals: Integrals, density_alpha: Array, density_beta: Array) -> float:
    """Return the energy in Hartree of the determinant with these density matrices [n, n]."""
    ours, theirs = fock(integrals, density_alpha, density_beta)
    both = density_alpha * (integrals.one + ours) + density_beta * (integrals.one + theirs)
    return float(integrals.core + both.sum() / 2)


def gradient(integrals: Integrals, density_alpha: Array, density_beta: Array) -> Array:
    """Return how the energy changes as orbitals are rotated, Hartree [n, n], antisymmetric; 0 where it is stationary."""
    parts = zip(fock(integrals, density_alpha, density_beta), (density_alpha, density_beta))
    return np.asarray(sum(field @ density - density @ field for field, density in parts))


def is_stationary(integrals: Integrals, filling: Filling) -> bool:
    """Return whether the orbitals that are filled solve the Hartree-Fock equations as they are."""
    slopes = gradient(integrals, np.diag(filling.alpha.astype(float)), np.diag(filling.beta.astype(float)))
    return bool(np.abs(slopes).max() < STATIONARY_HA)


def is_canonical(integrals: Integrals, filling: Filling) -> bool:
    """Return whether the orbitals are a Hartree-Fock calculation's own, and the filling is its determinant.

    Being stationary is not enough: where only orbitals of one symmetry are mixed (natural orbitals, a first guess), an
    excited determinant that fills all of these, or none, is stationary as well. Its own mean field then still mixes them.
    """
    if not is_stationary(integrals, filling):
        return False
    mean, counts = _mean_field(integrals, filling), filling.alpha.astype(int) + filling.beta
    among = (counts[:, None] == counts) & ~np.eye(len(counts), dtype=bool)
    return bool(np.abs(mean[among]).max(initial=0.0) < STATIONARY_HA)


def _mean_field(integrals: Integrals, filling: Filling) -> Array:
    """Return the mean of both spins' Fock matrices [n, n]; its diagonal are the orbital energies, open shells included."""
    ours, theirs = fock(integrals, np.diag(filling.alpha.astype(float)), np.diag(filling.beta.astype(float)))
    return (ours + theirs) / 2


@lru_cache(maxsize=8)
def reference_filling(integrals: Integrals) -> Filling:
    """Return the determinant that Hartree-Fock fills, whatever the order of the orbitals.

    Of the restricted determinants it is the lowest whose canonical orbitals these are (``is_canonical``): a file of
    Hartree-Fock orbitals comes from such a one. Where there is none (natural, localised or active orbitals), it is the
    lowest of all.
    """
    pairs, singles = sorted((integrals.alpha, integrals.beta))
    singles -= pairs
    n = integrals.orbitals
    many = comb(n, pairs) * comb(n - pairs, singles)
    counts = _every(n, pairs, singles) if many <= MOST_FILLINGS else _descended(integrals, pairs, singles)
    energies = _energies(integrals, counts)
    lowest = counts[np.argsort(energies, kind="stable")[:MOST_GRADIENTS]]
    fillings = [_filling(integrals, row) for row in lowest]
    return next((filling for filling in fillings if is_canonical(integrals, filling)), fillings[0])


def reordered(integrals: Integrals, order: Array) -> Integrals:
    """Return the same Hamiltonian with its orbitals in another order int64 [n]."""
    one, two = integrals.one[np.ix_(order, order)], integrals.two[np.ix_(order, order, order, order)]
    return Integrals(integrals.core, one, two, integrals.alpha, integrals.beta)


def by_energy(integrals: Integrals) -> Integrals:
    """Return the Hamiltonian with the reference's orbitals first, each kind by rising orbital energy.

    Orbital energies are the diagonal of the mean of both spins' Fock matrices.
    """
    filling = reference_filling(integrals)
    energies = np.round(np.diag(_mean_field(integrals, filling)) / TIE_HA)
    order = np.lexsort((energies, -filling.alpha.astype(int) - filling.beta))
    return integrals if (order == np.arange(len(order))).all() else reordered(integrals, order)


def _filling(integrals: Integrals, counts: Array) -> Filling:
    """Return the determinant of electron counts (0, 1 or 2) int [n]."""
    pair, any_ = counts == 2, counts > 0
    return Filling(any_, pair) if integrals.alpha >= integrals.beta else Filling(pair, any_)


def _every(n: int, pairs: int, singles: int) -> Array:
    """Return int8 [R, n]: the electron counts of every restricted determinant."""
    found = []
    for twice in combinations(range(n), pairs):
        rest = [p for p in range(n) if p not in twice]
        for once in combinations(rest, singles):
            row = np.zeros(n, np.int8)
            row[list(twice)], row[list(once)] = 2, 1
            found.append(row)
    return np.array(found)


def _energies(integrals: Integrals, counts: Array) -> Array:
    """Return the energies [R] of electron counts [R, n], without the core's."""
    coulomb = np.einsum("ppqq->pq", integrals.two)
    exchange = np.einsum("pqqp->pq", integrals.two)
    any_, pair = (counts > 0).astype(float), (counts == 2).astype(float)
    total = any_ + pair
    joined = np.einsum("rp,pq,rq->r", total, coulomb, total, optimize=True)
    joined -= sum(np.einsum("rp,pq,rq->r", spin, exchange, spin, optimize=True) for spin in (any_, pair))
    return np.asarray(total @ np.diag(integrals.one) + joined / 2)


def _descended(integrals: Integrals, pairs: int, singles: int) -> Array:
    """Return electron counts [R, n]: the minima reached from several starts by moves of electrons, and all one move away.

    Starts fill the lowest diagonal elements of Fock matrices: of the bare nuclei, of electrons spread evenly, and of each
    other's fillings until they repeat.
    """
    n = integrals.orbitals
    found: dict[bytes, Array] = {}
    for spread in (0.0, 0.5, 1.0):
        share = np.eye(n) * spread * (2 * pairs + singles) / (2 * n)
        energies = np.diag(fock(integrals, share, share)[0])
        seen: set[bytes] = set()
        while True:
            counts = np.zeros(n, np.int8)
            order = np.argsort(energies, kind="stable")
            counts[order[:pairs]], counts[order[pairs : pairs + singles]] = 2, 1
            if counts.tobytes() in seen:
                break
            seen.add(counts.tobytes())
            spins = [np.diag(part.astype(float)) for part in (counts > 0, counts == 2)]
            energies = np.diag(sum(fock(integrals, *spins))) / 2
            best = _descend(integrals, counts)
            found[best.tobytes()] = best
            found |= {row.tobytes(): row for row in _moved(best)}
    return np.array(list(found.values()))


def _descend(integrals: Integrals, counts: Array) -> Array:
    """Return the electron counts [n] that no exchange of two orbitals' counts lowers."""
    energy = _energies(integrals, counts[None])[0]
    while True:
        moved = _moved(counts)
        if not len(moved):
            return counts
        energies = _energies(integrals, moved)
        best = int(energies.argmin())
        if energies[best] >= energy - 1e-10:
            return counts
        counts, energy = moved[best], energies[best]


def _moved(counts: Array) -> Array:
    """Return all that exchanging two orbitals' electron counts [n] gives."""
    found = []
    for p, q in combinations(range(len(counts)), 2):
        if counts[p] != counts[q]:
            row = counts.copy()
            row[[p, q]] = row[[q, p]]
            found.append(row)
    return np.array(found)
