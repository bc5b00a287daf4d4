"""Every determinant that the Hamiltonian joins to a given one, with the matrix element: what an exact policy needs."""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange

from effbench.kernels.local_energy.bits import flip, split
from effbench.kernels.local_energy.elements import diagonal, sign_of_move, sign_of_two, single
from effbench.kernels.local_energy.integrals import Integrals

Array = np.ndarray[Any, Any]


class Connected(NamedTuple):
    """``row`` int64 [C] of the determinants given, ``alpha`` and ``beta`` uint64 [C, W] joined to it, ``element`` [C]."""

    row: Array
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
    ours, theirs = np.empty((rows, most, words), np.uint64), np.empty((rows, most, words), np.uint64)
    element, count = np.empty((rows, most)), np.empty(rows, np.int64)
    _list(integrals.core, integrals.one, integrals.two, integrals.alpha, integrals.beta, alpha, beta, least,
          ours, theirs, element, count)  # fmt: skip
    kept = np.arange(most) < count[:, None]
    return Connected(np.repeat(np.arange(rows), count), ours[kept], theirs[kept], element[kept])


@njit(cache=True, inline="always")
def _note(
    at: int, value: float, least: float, ours: Array, theirs: Array, to: tuple[Array, Array, Array]
) -> int:  # pragma: no cover - compiled
    if abs(value) <= least:
        return at
    out_ours, out_theirs, element = to
    out_ours[at] = ours
    out_theirs[at] = theirs
    element[at] = value
    return at + 1


@njit(cache=True, parallel=True)
def _list(
    core: float, one: Array, two: Array, n_alpha: int, n_beta: int, alpha: Array, beta: Array, least: float,
    out_alpha: Array, out_beta: Array, element: Array, count: Array,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    for x in prange(len(alpha)):
        count[x] = _list_row(core, one, two, n_alpha, n_beta, alpha[x].copy(), beta[x].copy(), least,
                             (out_alpha[x], out_beta[x], element[x]))  # fmt: skip


@njit(cache=True)
def _list_row(
    core: float, one: Array, two: Array, n_alpha: int, n_beta: int, a: Array, b: Array, least: float,
    to: tuple[Array, Array, Array],
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """List what (``a``, ``b``) is joined to; both strings are changed on the way and left as they were."""
    n = len(one)
    full_a, empty_a, before_a = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    full_b, empty_b, before_b = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    split(a, full_a, empty_a, before_a)
    split(b, full_b, empty_b, before_b)
    ours, theirs = full_a[:n_alpha], full_b[:n_beta]
    at = _note(0, diagonal(core, one, two, ours, theirs), -1.0, a, b, to)
    for i in ours:
        for p in empty_a[: n - n_alpha]:
            sign = sign_of_move(before_a, i, p)
            flip(a, i)
            flip(a, p)
            at = _note(at, sign * single(one, two, i, p, ours, theirs), least, a, b, to)
            for j in theirs:
                for q in empty_b[: n - n_beta]:
                    if abs(two[i, p, j, q]) > least:
                        flip(b, j)
                        flip(b, q)
                        at = _note(at, sign * sign_of_move(before_b, j, q) * two[i, p, j, q], least, a, b, to)
                        flip(b, j)
                        flip(b, q)
            flip(a, i)
            flip(a, p)
    for j in theirs:
        for q in empty_b[: n - n_beta]:
            flip(b, j)
            flip(b, q)
            value = sign_of_move(before_b, j, q) * single(one, two, j, q, theirs, ours)
            at = _note(at, value, least, a, b, to)
            flip(b, j)
            flip(b, q)
    at = _same_spin(two, ours, empty_a[: n - n_alpha], before_a, a, at, least, a, b, to)
    return _same_spin(two, theirs, empty_b[: n - n_beta], before_b, b, at, least, a, b, to)


@njit(cache=True)
def _same_spin(
    two: Array, full: Array, empty: Array, before: Array, string: Array, at: int, least: float, a: Array, b: Array,
    to: tuple[Array, Array, Array],
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """Note the doubles of one spin; ``string`` is that one of ``a`` and ``b`` which changes."""
    for first in range(len(full)):
        for second in range(first + 1, len(full)):
            i, j = full[first], full[second]
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
