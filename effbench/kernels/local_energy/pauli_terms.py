"""The Hamiltonian as Pauli terms grouped by what they flip, built from the integrals without any operator algebra.

In Jordan-Wigner form a term is a coefficient, a mask of qubits that it flips (X or Y) and a mask of qubits whose sign it
takes (Z or Y). All terms of one flip mask f act on the same pair of determinants, x and x ^ f, so

    <x|H|x ^ f> = sum over the terms t of f of c_t (-1)^popcount(x & z_t)

with real c_t: Hamiltonians of real orbitals have an even number of Y per term. Qubits are the spin orbitals, all alpha
then all beta, a mask is two words [W] as in ``determinants.py``. The number of terms without spatial symmetry is
``most_terms``. Source: Seeley, Richard and Love, J. Chem. Phys. 137, 224109 (2012), section on Jordan-Wigner operators.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.kernels.local_energy.bits import flip
from effbench.kernels.local_energy.determinants import words_for
from effbench.kernels.local_energy.integrals import Integrals

CUTOFF = 1e-12
"""Hartree; OpenFermion drops terms below 1e-8, which moves single rows of H2O by 7e-7 Ha."""


class Room(NamedTuple):
    """Where terms are written; all empty where they are only counted.

    ``start`` [G + 1], ``flips`` [2, G, W] and ``signs`` [2, K, W] of both spins, ``coefficient`` [K].
    """

    start: Array
    flips: Array
    signs: Array
    coefficient: Array


class PauliTerms(NamedTuple):
    """Groups in compressed rows: terms ``start[g]:start[g + 1]`` flip ``flip_alpha[g]``, ``flip_beta[g]`` [G, W].

    ``sign_alpha``, ``sign_beta`` uint64 [K, W] are the masks z, ``coefficient`` [K] is in Hartree. The first group flips
    nothing.
    """

    start: Array
    flip_alpha: Array
    flip_beta: Array
    sign_alpha: Array
    sign_beta: Array
    coefficient: Array

    @property
    def terms(self) -> int:
        """Return the number of terms K."""
        return len(self.coefficient)

    @property
    def flips(self) -> int:
        """Return the number of flip masks G."""
        return len(self.flip_alpha)

    @property
    def nbytes(self) -> int:
        """Return the bytes of all arrays."""
        return sum(array.nbytes for array in self)


def most_terms(orbitals: int) -> int:
    """Return the number of terms of n orbitals where no integral is zero, about 1.5 n^4."""
    n = orbitals
    return 1 + 2 * n + n * (2 * n - 1) + 2 * n * (n - 1) * (2 * n - 1) + 12 * comb(n, 4) + 4 * comb(n, 2) ** 2


@lru_cache(maxsize=2)
def pauli_terms(integrals: Integrals, cutoff: float = CUTOFF) -> PauliTerms:
    """Return the terms with |coefficient| > ``cutoff`` Hartree."""
    words = words_for(integrals.orbitals)
    # Filled twice: once to count, so that millions of terms take no more memory than they need.
    count = _fill(integrals.core, integrals.one, integrals.two, cutoff, _room(0, 0, words))
    room = _room(*count, words)
    _fill(integrals.core, integrals.one, integrals.two, cutoff, room)
    room.start[-1] = count[1]
    return PauliTerms(room.start, *room.flips, *room.signs, room.coefficient)


def _room(groups: int, terms: int, words: int) -> Room:
    return Room(
        np.zeros(groups + 1, np.int64),
        np.zeros((2, groups, words), np.uint64),
        np.zeros((2, terms, words), np.uint64),
        np.zeros(terms),
    )


@njit(cache=True)
def _fill(
    core: float, one: Array, two: Array, cutoff: float, room: Room
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Write all groups into ``room``, or only count where it is empty; return (groups, terms)."""
    n = len(one)
    mask = np.zeros((2, (n + 63) // 64), np.uint64)
    groups, at = 1, _nothing_flipped(core, one, two, cutoff, room, mask)
    for spin in range(2):
        for p in range(n):
            for q in range(p + 1, n):
                end = _one_moved(one, two, cutoff, room, mask, at, spin, p, q)
                if end > at:
                    _name(room, groups, at, spin, p, q, spin, -1, -1)
                    groups, at = groups + 1, end
                for r in range(q + 1, n):
                    for s in range(r + 1, n):
                        end = _two_of_one_spin(two, cutoff, room, mask, at, spin, p, q, r, s)
                        if end > at:
                            _name(room, groups, at, spin, p, q, spin, r, s)
                            groups, at = groups + 1, end
    for p in range(n):
        for q in range(p + 1, n):
            for r in range(n):
                for s in range(r + 1, n):
                    end = _two_of_both_spins(two, cutoff, room, mask, at, p, q, r, s)
                    if end > at:
                        _name(room, groups, at, 0, p, q, 1, r, s)
                        groups, at = groups + 1, end
    return groups, at


@njit(cache=True, inline="always")
def _name(
    room: Room, group: int, begin: int, spin: int, p: int, q: int, other: int, r: int, s: int
) -> None:  # pragma: no cover - compiled
    start, flips = room.start, room.flips
    if group < len(start) - 1:
        start[group] = begin
        flip(flips[spin, group], p)
        flip(flips[spin, group], q)
        if r >= 0:
            flip(flips[other, group], r)
            flip(flips[other, group], s)


@njit(cache=True, inline="always")
def _put(room: Room, at: int, mask: Array, value: float, cutoff: float) -> int:  # pragma: no cover - compiled
    """Write one term; return where the next one goes."""
    if abs(value) <= cutoff:
        return at
    if at < len(room.coefficient):
        room.signs[0, at] = mask[0]
        room.signs[1, at] = mask[1]
        room.coefficient[at] = value
    return at + 1


@njit(cache=True, inline="always")
def _between(words: Array, p: int, q: int) -> None:  # pragma: no cover - compiled
    for orbital in range(p + 1, q):
        flip(words, orbital)


@njit(cache=True)
def _nothing_flipped(
    core: float, one: Array, two: Array, cutoff: float, room: Room, mask: Array
) -> int:  # pragma: no cover - compiled
    """Occupations (1 - Z) / 2 in core + sum h n + sum over pairs V n n."""
    n = len(one)
    alone = np.zeros((2, n))
    constant = core
    for spin in range(2):
        for p in range(n):
            constant += one[p, p] / 2
            alone[spin, p] -= one[p, p] / 2
    for i in range(2 * n):
        for j in range(i + 1, 2 * n):
            pair = _repulsion(two, i, j)
            constant += pair / 4
            alone[i // n, i % n] -= pair / 4
            alone[j // n, j % n] -= pair / 4
    at = 1  # the constant always has its place, so that group 0 is the one that flips nothing
    if len(room.coefficient):
        room.coefficient[0] = constant
    for i in range(2 * n):
        flip(mask[i // n], i % n)
        at = _put(room, at, mask, alone[i // n, i % n], cutoff)
        for j in range(i + 1, 2 * n):
            flip(mask[j // n], j % n)
            at = _put(room, at, mask, _repulsion(two, i, j) / 4, cutoff)
            flip(mask[j // n], j % n)
        flip(mask[i // n], i % n)
    return at


@njit(cache=True, inline="always")
def _repulsion(two: Array, i: int, j: int) -> float:  # pragma: no cover - compiled
    n = len(two)
    p, q = i % n, j % n
    return two[p, p, q, q] - two[p, q, q, p] if i // n == j // n else two[p, p, q, q]


@njit(cache=True)
def _one_moved(
    one: Array, two: Array, cutoff: float, room: Room, mask: Array, at: int, spin: int, p: int, q: int
) -> int:  # pragma: no cover - compiled
    """(XX + YY) / 2 between p and q, times h + sum of g n over every other spin orbital."""
    n = len(one)
    _between(mask[spin], p, q)
    base = one[p, q]
    for other in range(2):
        for r in range(n):
            if other != spin:
                base += two[p, q, r, r] / 2
            elif r != p and r != q:
                base += (two[p, q, r, r] - two[p, r, r, q]) / 2
    for half in (0.5, -0.5):  # without, then with Z on both ends
        at = _put(room, at, mask, half * base, cutoff)
        for other in range(2):
            for r in range(n):
                if other == spin and r in (p, q):
                    continue
                seen = two[p, q, r, r] - (two[p, r, r, q] if other == spin else 0.0)
                flip(mask[other], r)
                at = _put(room, at, mask, -half * seen / 2, cutoff)
                flip(mask[other], r)
        flip(mask[spin], p)
        flip(mask[spin], q)
    _between(mask[spin], p, q)
    return at


@njit(cache=True)
def _two_of_one_spin(
    two: Array, cutoff: float, room: Room, mask: Array, at: int, spin: int, p: int, q: int, r: int, s: int
) -> int:  # pragma: no cover - compiled
    """Two of four orbitals are occupied, which leaves three values A (pq|rs occupied), B (pr|qs) and C (ps|qr), B = A + C.

    Their Walsh transform over the sixteen occupations has six coefficients that are not zero by symmetry.
    """
    _between(mask[spin], p, q)
    _between(mask[spin], r, s)
    a = two[p, r, q, s] - two[p, s, q, r]
    c = two[p, q, s, r] - two[p, r, s, q]
    for first, second, value in ((p, q, -c), (r, s, -c), (p, s, -a), (q, r, -a)):
        flip(mask[spin], first)
        flip(mask[spin], second)
        at = _put(room, at, mask, value / 4, cutoff)
        flip(mask[spin], first)
        flip(mask[spin], second)
    for _ in range(2):  # no Z at all, and Z on all four
        at = _put(room, at, mask, (a + c) / 4, cutoff)
        for orbital in (p, q, r, s):
            flip(mask[spin], orbital)
    _between(mask[spin], p, q)
    _between(mask[spin], r, s)
    return at


@njit(cache=True)
def _two_of_both_spins(
    two: Array, cutoff: float, room: Room, mask: Array, at: int, p: int, q: int, r: int, s: int
) -> int:  # pragma: no cover - compiled
    """(XX + YY)/2 (XX + YY)/2 (pq|rs), p and q alpha, r and s beta."""
    if abs(two[p, q, r, s]) / 4 <= cutoff:
        return at
    _between(mask[0], p, q)
    _between(mask[1], r, s)
    for half in (0.25, -0.25):
        for quarter in (half, -half):
            at = _put(room, at, mask, quarter * two[p, q, r, s], cutoff)
            flip(mask[1], r)
            flip(mask[1], s)
        flip(mask[0], p)
        flip(mask[0], q)
    _between(mask[0], p, q)
    _between(mask[1], r, s)
    return at
