"""Every determinant that the Hamiltonian joins to a given one, with the matrix element: what an exact policy needs."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange
from effbench.kernels.local_energy.bits import fill, flip, unfilled
from effbench.kernels.local_energy.elements import diagonal, sign_of_move, sign_of_two, single
from effbench.kernels.local_energy.integrals import Hamiltonian, Integrals


class Connected(NamedTuple):
    """``row`` int64 [C] of the determinants given, ``alpha`` and ``beta`` uint64 [C, W] joined to it, ``element`` [C]."""

    row: Array
    alpha: Array
    beta: Array
    element: Array


class ConnectedBuffers(NamedTuple):
    """Where the determinants joined to one are written: strings [M, W] of both spins, ``element`` [M]."""

    alpha: Array
    beta: Array
    element: Array


def most_connected(integrals: Integrals) -> int:
    """Return how many determinants one can be joined to, itself included: 1 + singles + doubles."""
    n = integrals.orbitals
    (a, b), (empty_a, empty_b) = (integrals.alpha, integrals.beta), (n - integrals.alpha, n - integrals.beta)
    doubles = comb(a, 2) * comb(empty_a, 2) + comb(b, 2) * comb(empty_b, 2) + a * empty_a * b * empty_b
    return 1 + a * empty_a + b * empty_b + doubles


def connected(integrals: Integrals, alpha: Array, beta: Array, least: float = 0.0) -> Connected:
    """Return the determinants with |element| > ``least`` Hartree of each row [U, W], in one fixed order; itself always."""
    rows, most, words = len(alpha), most_connected(integrals), alpha.shape[1]
    found = ConnectedBuffers(
        np.empty((rows, most, words), np.uint64), np.empty((rows, most, words), np.uint64), np.empty((rows, most))
    )
    count = _list(integrals.hamiltonian, alpha, beta, least, found)
    kept = np.arange(most) < count[:, None]
    return Connected(np.repeat(np.arange(rows), count), *(part[kept] for part in found))


@njit(cache=True, inline="always")
def _note(
    at: int, value: float, least: float, alpha: Array, beta: Array, to: ConnectedBuffers
) -> int:  # pragma: no cover - compiled
    """Write a determinant and its element; return where the next one goes."""
    if abs(value) <= least:
        return at
    to.alpha[at] = alpha
    to.beta[at] = beta
    to.element[at] = value
    return at + 1


@njit(cache=True, parallel=True)
def _list(
    given: Hamiltonian, alpha: Array, beta: Array, least: float, found: ConnectedBuffers
) -> Array:  # pragma: no cover - compiled
    """Write what each row is joined to; return how many that are, int64 [U]."""
    count = np.empty(len(alpha), np.int64)
    for x in prange(len(alpha)):
        to = ConnectedBuffers(found.alpha[x], found.beta[x], found.element[x])
        count[x] = _list_row(given, alpha[x].copy(), beta[x].copy(), least, to)
    return count


@njit(cache=True)
def _list_row(
    given: Hamiltonian, a: Array, b: Array, least: float, to: ConnectedBuffers
) -> int:  # pragma: no cover - compiled
    """Write what (``a``, ``b``) is joined to; both strings are changed on the way and left as they were."""
    one, two, n = given.one, given.two, len(given.one)
    up, down = unfilled(n), unfilled(n)
    fill(up, a)
    fill(down, b)
    occ_a, occ_b = up.occupied[: given.alpha], down.occupied[: given.beta]
    empty_a, empty_b = up.empty[: n - given.alpha], down.empty[: n - given.beta]
    at = _note(0, diagonal(given.core, one, two, occ_a, occ_b), -1.0, a, b, to)
    for i in occ_a:
        for p in empty_a:
            sign = sign_of_move(up.before, i, p)
            flip(a, i)
            flip(a, p)
            at = _note(at, sign * single(one, two, i, p, occ_a, occ_b), least, a, b, to)
            for j in occ_b:
                for q in empty_b:
                    if abs(two[i, p, j, q]) > least:
                        flip(b, j)
                        flip(b, q)
                        at = _note(at, sign * sign_of_move(down.before, j, q) * two[i, p, j, q], least, a, b, to)
                        flip(b, j)
                        flip(b, q)
            flip(a, i)
            flip(a, p)
    for j in occ_b:
        for q in empty_b:
            flip(b, j)
            flip(b, q)
            value = sign_of_move(down.before, j, q) * single(one, two, j, q, occ_b, occ_a)
            at = _note(at, value, least, a, b, to)
            flip(b, j)
            flip(b, q)
    at = _same_spin(two, occ_a, empty_a, up.before, a, at, least, a, b, to)
    return _same_spin(two, occ_b, empty_b, down.before, b, at, least, a, b, to)


@njit(cache=True)
def _same_spin(
    two: Array, occupied: Array, empty: Array, before: Array, string: Array, at: int, least: float, a: Array, b: Array,
    to: ConnectedBuffers,
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """Note the doubles of one spin; ``string`` is that one of ``a`` and ``b`` which changes."""
    for first in range(len(occupied)):
        for second in range(first + 1, len(occupied)):
            i, j = occupied[first], occupied[second]
            for third in range(len(empty)):
                for fourth in range(third + 1, len(empty)):
                    p, q = empty[third], empty[fourth]
                    value = two[i, p, j, q] - two[i, q, j, p]
                    if abs(value) > least:
                        for orbital in (i, j, p, q):
                            flip(string, orbital)
                        at = _note(at, sign_of_two(before, i, p, j, q) * value, least, a, b, to)
                        for orbital in (i, j, p, q):
                            flip(string, orbital)
    return at
