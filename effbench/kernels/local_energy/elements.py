"""Slater-Condon rules in compiled code: signs and matrix elements that all engines share, on a GPU too (by ``py_func``).

Source: Szabo and Ostlund, Modern Quantum Chemistry, tables 2.3 and 2.4. The plain version is ``reference.py``.
"""

from __future__ import annotations

from effbench.arrays import Array
from effbench.compiled import njit


@njit(cache=True, inline="always")
def sign_of_move(before: Array, hole: int, particle: int) -> float:  # pragma: no cover - compiled
    """Return the sign of moving one electron: it passes those strictly between; ``before`` [n] counts below each orbital."""
    between = before[particle] - before[hole]
    if particle > hole:
        between -= 1
    return 1.0 - 2.0 * (between & 1)


@njit(cache=True, inline="always")
def sign_of_two(before: Array, i: int, a: int, j: int, b: int) -> float:  # pragma: no cover - compiled
    """Return the sign of moving i -> a and then j -> b: the second electron passes i's old and a's new place."""
    passed = before[a] - before[i] - (1 if a > i else 0) + before[b] - before[j] - (1 if b > j else 0)
    low, high = (j, b) if j < b else (b, j)
    passed += (1 if low < a < high else 0) - (1 if low < i < high else 0)
    return 1.0 - 2.0 * (passed & 1)


@njit(cache=True)
def diagonal(core: float, one: Array, two: Array, ours: Array, theirs: Array) -> float:  # pragma: no cover - compiled
    """Return <x|H|x> from the occupied orbitals of both spins."""
    energy = core
    for same, others in ((ours, theirs), (theirs, ours)):
        for p in same:
            energy += one[p, p]
            for q in same:
                energy += 0.5 * (two[p, p, q, q] - two[p, q, q, p])
            for q in others:
                energy += 0.5 * two[p, p, q, q]
    return energy


@njit(cache=True)
def single(one: Array, two: Array, i: int, a: int, same: Array, others: Array) -> float:  # pragma: no cover - compiled
    """Return the element of i -> a without its sign; ``same`` are i's spin's occupied orbitals, of which i adds zero."""
    value = one[i, a]
    for r in same:
        value += two[i, a, r, r] - two[i, r, r, a]
    for r in others:
        value += two[i, a, r, r]
    return value
