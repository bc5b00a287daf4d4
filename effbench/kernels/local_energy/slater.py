"""Local energies by Slater-Condon rules: connected determinants are listed by their holes and particles and looked up.

Most of them move one electron of each spin: the outer product of the alpha singles with the beta singles. Three tests spare
nearly all look-ups, each cheaper than the next: (1) the integral (ia|jb) is zero for reasons of symmetry, found from the
integrals' pattern, so only singles of one *class* are paired; (2) an alpha single whose string no sample has is dropped
with its whole row; (3) a bit filter of the sample. What is left and has an element of zero is not looked up. Sums run in one
fixed order per sample, so that neither the number of threads nor the partition changes a digit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange
from effbench.kernels import record_kernel
from effbench.kernels.local_energy.bits import Occupation, fill, flip, unfilled
from effbench.kernels.local_energy.elements import diagonal, sign_of_move, sign_of_two, single
from effbench.kernels.local_energy.integrals import ZERO, Hamiltonian, Integrals, Pattern
from effbench.kernels.local_energy.lookup import (
    Lookup,
    Rows,
    SampledState,
    build_lookup,
    find,
    may_hold,
    sampled_state,
)

BLOCK = 32
"""Samples that one turn of a thread computes with one set of scratch arrays; with so many, making these is no cost."""


class Singles(NamedTuple):
    """Moves of one electron of a string, [M] each: ``hole`` -> ``particle``, of class ``kind``.

    ``sign`` is that of the move, ``change`` that of the determinant's hash, ``target`` [M, W] is the string that comes of it.
    """

    hole: Array
    particle: Array
    kind: Array
    sign: Array
    change: Array
    target: Array


class DeterminantScratch(NamedTuple):
    """What is worked out about one determinant, in memory that the next one uses again.

    ``up`` and ``down`` say how its strings are filled; ``begins`` [classes + 1] is where each class begins in ``order``, the
    beta singles sorted by class, and ``changes`` are their changes of the hash in that order; ``goal`` [W] is a string.
    """

    up: Occupation
    down: Occupation
    alpha_singles: Singles
    beta_singles: Singles
    begins: Array
    order: Array
    changes: Array
    goal: Array


def local_energies(
    integrals: Integrals, alpha: Array, beta: Array, psi: Array, lookup: Lookup | None = None, rows: Rows | None = None
) -> Array:
    """Return E_loc complex128 [U], policy *sampled-only*: sum over the sample of H[x, y] psi[y] / psi[x], in Hartree.

    ``alpha`` and ``beta`` are uint64 [U, W], all with the integrals' numbers of electrons; ``psi`` complex [U] in any scale.
    Only the energies of ``rows`` (from, to) are returned where they are given.
    """
    table = lookup if lookup is not None else build_lookup(alpha, beta, integrals.orbitals)
    state = sampled_state(alpha, beta, psi)
    found = _local_energies(integrals.hamiltonian, integrals.pattern, state, table, *(rows or (0, len(alpha))))
    record_kernel("local_energy/slater", integrals, alpha, beta, psi, rows, out=found)
    return found


@njit(cache=True)
def _no_singles(most: int, words: int) -> Singles:  # pragma: no cover - compiled
    return Singles(
        np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int32), np.empty(most),
        np.empty(most, np.uint64), np.empty((most, words), np.uint64),
    )  # fmt: skip


@njit(cache=True)
def _empty_row(given: Hamiltonian, words: int, classes: int) -> DeterminantScratch:  # pragma: no cover - compiled
    n = len(given.one)
    most_a, most_b = max(1, given.alpha * (n - given.alpha)), max(1, given.beta * (n - given.beta))
    return DeterminantScratch(
        unfilled(n), unfilled(n), _no_singles(most_a, words), _no_singles(most_b, words),
        np.empty(classes + 1, np.int64), np.empty(most_b, np.int64), np.empty(most_b, np.uint64), np.empty(words, np.uint64),
    )  # fmt: skip


@njit(cache=True)
def _list_singles(
    words: Array, filled: Occupation, electrons: int, zobrist: Array, classes: Array, present: Array, string_hash: np.uint64,
    out: Singles,
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """List the singles of a string whose target is among the strings that are ``present``; return how many."""
    found, before = 0, filled.before
    hole, particle, kind, sign, changes, target = out
    for i in filled.occupied[:electrons]:
        for a in filled.empty[: len(before) - electrons]:
            change = zobrist[i] ^ zobrist[a]
            if not may_hold(present, string_hash ^ change):
                continue
            hole[found], particle[found], kind[found] = i, a, classes[i, a]
            sign[found], changes[found] = sign_of_move(before, i, a), change
            for word in range(len(words)):
                target[found, word] = words[word]
            flip(target[found], i)
            flip(target[found], a)
            found += 1
    return found


@njit(cache=True)
def _sort_by_class(singles: Singles, many: int, row: DeterminantScratch) -> None:  # pragma: no cover - compiled
    """Sort beta singles by class, so that an alpha single meets only those that an integral joins it to."""
    begins, order, changes = row.begins, row.order, row.changes
    kinds, change = singles.kind, singles.change
    begins[:] = 0
    for k in range(many):
        begins[kinds[k] + 1] += 1
    for kind in range(len(begins) - 1):
        begins[kind + 1] += begins[kind]
    for k in range(many - 1, -1, -1):
        kind = kinds[k]
        begins[kind + 1] -= 1
        order[begins[kind + 1]] = k
    # begins[c + 1] is now where class c begins.
    for place in range(many):
        changes[place] = change[order[place]]


@njit(cache=True)
def _doubles_of_one_spin(
    given: Hamiltonian, classes: Array, state: SampledState, lookup: Lookup, x: int, filled: Occupation, is_alpha: bool,
    hash_: np.uint64, string_hash: np.uint64, goal: Array,
) -> complex:  # pragma: no cover - compiled  # fmt: skip
    """Return the sum over two electrons of one spin, psi not yet divided."""
    two, n = given.two, len(given.one)
    electrons = given.alpha if is_alpha else given.beta
    zobrist = lookup.zobrist[0] if is_alpha else lookup.zobrist[1]
    present = lookup.alpha_filter if is_alpha else lookup.beta_filter
    string = state.alpha[x] if is_alpha else state.beta[x]
    other = state.beta[x] if is_alpha else state.alpha[x]
    alpha, beta, psi, whole, table = state.alpha, state.beta, state.psi, lookup.filter, lookup.table
    occupied, empty, before = filled
    total = 0j
    for first in range(electrons):
        i = occupied[first]
        for second in range(first + 1, electrons):
            j = occupied[second]
            holes = zobrist[i] ^ zobrist[j]
            for third in range(n - electrons):
                a = empty[third]
                for fourth in range(third + 1, n - electrons):
                    b = empty[fourth]
                    if classes[i, a] != classes[j, b] and classes[i, b] != classes[j, a]:
                        continue
                    change = holes ^ zobrist[a] ^ zobrist[b]
                    if not may_hold(present, string_hash ^ change) or not may_hold(whole, hash_ ^ change):
                        continue
                    value = two[i, a, j, b] - two[i, b, j, a]
                    if abs(value) <= ZERO:
                        continue
                    for word in range(len(string)):
                        goal[word] = string[word]
                    for p in (i, j, a, b):
                        flip(goal, p)
                    if is_alpha:
                        y = find(table, alpha, beta, hash_ ^ change, goal, other)
                    else:
                        y = find(table, alpha, beta, hash_ ^ change, other, goal)
                    if y >= 0:
                        total += sign_of_two(before, i, a, j, b) * value * psi[y]
    return total


@njit(cache=True)
def _energy(
    given: Hamiltonian, pattern: Pattern, state: SampledState, lookup: Lookup, x: int, row: DeterminantScratch
) -> complex:  # pragma: no cover - compiled
    """Return the local energy of the sample's determinant ``x``."""
    one, two, up, down = given.one, given.two, row.up, row.down
    singles, classes = pattern
    alpha, beta, psi = state
    whole, table = lookup.filter, lookup.table
    fill(up, alpha[x])
    fill(down, beta[x])
    occ_a, occ_b = up.occupied[: given.alpha], down.occupied[: given.beta]
    of_alpha, of_beta = lookup.zobrist[0], lookup.zobrist[1]
    hash_a, hash_b = np.uint64(0), np.uint64(0)
    for p in occ_a:
        hash_a ^= of_alpha[p]
    for p in occ_b:
        hash_b ^= of_beta[p]
    hash_ = hash_a ^ hash_b
    total = diagonal(given.core, one, two, occ_a, occ_b) * psi[x]
    many_a = _list_singles(alpha[x], up, given.alpha, of_alpha, classes, lookup.alpha_filter, hash_a, row.alpha_singles)
    many_b = _list_singles(beta[x], down, given.beta, of_beta, classes, lookup.beta_filter, hash_b, row.beta_singles)
    # Unpacked: reading a field counts references, which an inner loop must not do.
    hole_a, particle_a, kind_a, sign_a, change_a, target_a = row.alpha_singles
    hole_b, particle_b, _, sign_b, change_b, target_b = row.beta_singles
    for k in range(many_a):
        key = hash_ ^ change_a[k]
        if singles[hole_a[k], particle_a[k]] and may_hold(whole, key):
            y = find(table, alpha, beta, key, target_a[k], beta[x])
            if y >= 0:
                total += sign_a[k] * single(one, two, hole_a[k], particle_a[k], occ_a, occ_b) * psi[y]
    for k in range(many_b):
        key = hash_ ^ change_b[k]
        if singles[hole_b[k], particle_b[k]] and may_hold(whole, key):
            y = find(table, alpha, beta, key, alpha[x], target_b[k])
            if y >= 0:
                total += sign_b[k] * single(one, two, hole_b[k], particle_b[k], occ_b, occ_a) * psi[y]
    _sort_by_class(row.beta_singles, many_b, row)
    begins, order, changes = row.begins, row.order, row.changes
    for k in range(many_a):
        kind, key = kind_a[k], hash_ ^ change_a[k]
        i, a = hole_a[k], particle_a[k]
        end = begins[kind + 2] if kind + 2 < len(begins) else many_b
        for place in range(begins[kind + 1], end):
            if may_hold(whole, key ^ changes[place]):
                m = order[place]
                value = two[i, a, hole_b[m], particle_b[m]]
                if abs(value) <= ZERO:
                    continue
                y = find(table, alpha, beta, key ^ changes[place], target_a[k], target_b[m])
                if y >= 0:
                    total += sign_a[k] * sign_b[m] * value * psi[y]
    total += _doubles_of_one_spin(given, classes, state, lookup, x, up, True, hash_, hash_a, row.goal)
    total += _doubles_of_one_spin(given, classes, state, lookup, x, down, False, hash_, hash_b, row.goal)
    return total / psi[x]


@njit(cache=True, parallel=True)
def _local_energies(
    given: Hamiltonian, pattern: Pattern, state: SampledState, lookup: Lookup, begin: int, end: int
) -> Array:  # pragma: no cover - compiled
    words, classes = state.alpha.shape[1], pattern.classes.max() + 1
    found = np.empty(end - begin, np.complex128)
    for block in prange((end - begin + BLOCK - 1) // BLOCK):
        row = _empty_row(given, words, classes)
        for x in range(begin + block * BLOCK, min(end, begin + (block + 1) * BLOCK)):
            found[x - begin] = _energy(given, pattern, state, lookup, x, row)
    return found
