"""Local energies by Slater-Condon rules: connected determinants are listed by their holes and particles and looked up.

Most of them move one electron of each spin: the outer product of the alpha singles with the beta singles. Three tests spare
nearly all look-ups, each cheaper than the next: (1) the integral (ia|jb) is zero for reasons of symmetry, found from the
integrals' own pattern, so only singles of one *class* are paired; (2) an alpha single whose string no sample has is dropped
with its whole row; (3) a bit filter of the sample. What is left and has an element of zero is not looked up. Sums run in one
fixed order per sample, so that neither the number of threads nor the partition changes a digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from effbench.kernels.local_energy.bits import flip, split
from effbench.kernels.local_energy.elements import diagonal, sign_of_move, sign_of_two, single
from effbench.kernels.local_energy.integrals import ZERO, Integrals
from effbench.kernels.local_energy.lookup import Lookup, Rows, build_lookup, find, may_hold

Array = np.ndarray[Any, Any]
BLOCK = 32
"""Samples that one turn of a thread computes with one set of scratch arrays."""


def local_energies(
    integrals: Integrals, alpha: Array, beta: Array, psi: Array, lookup: Lookup | None = None, rows: Rows | None = None
) -> Array:
    """Return E_loc complex128 [U], policy *sampled-only*: sum over the sample of H[x, y] psi[y] / psi[x], in Hartree.

    ``alpha`` and ``beta`` are uint64 [U, W], all with the integrals' numbers of electrons; ``psi`` complex [U] in any scale.
    Only the energies of ``rows`` (from, to) are returned where they are given.
    """
    table = lookup if lookup is not None else build_lookup(alpha, beta, integrals.orbitals)
    return _local_energies(
        integrals.core, integrals.one, integrals.two, integrals.singles, integrals.classes,
        integrals.alpha, integrals.beta, alpha, beta, np.asarray(psi, np.complex128), *(rows or (0, len(alpha))),
        table.numbers, table.filter, table.alpha_filter, table.beta_filter, table.table,
    )  # fmt: skip


@njit(cache=True)
def _singles(
    words: Array, occupied: Array, empty: Array, before: Array, numbers: Array, classes: Array, present: Array,
    own: np.uint64, count: int, out: tuple[Array, ...],
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """List the singles of a string whose target may be in the sample; ``out``: hole, particle, class, sign, hash, words."""
    hole, particle, kind, sign, change, target = out
    found = 0
    for i in occupied[:count]:
        for a in empty[: len(before) - count]:
            key = numbers[i] ^ numbers[a]
            if not may_hold(present, own ^ key):
                continue
            hole[found], particle[found], kind[found] = i, a, classes[i, a]
            sign[found], change[found] = sign_of_move(before, i, a), key
            for word in range(len(words)):
                target[found, word] = words[word]
            flip(target[found], i)
            flip(target[found], a)
            found += 1
    return found


@njit(cache=True)
def _doubles_of_one_spin(
    two: Array, classes: Array, occupied: Array, empty: Array, before: Array, numbers: Array, own: np.uint64,
    string: Array, other: Array, alpha_first: bool, alpha: Array, beta: Array, psi: Array, present: Array, filter_: Array,
    own_string: np.uint64, table: Array, goal: Array,
) -> complex:  # pragma: no cover - compiled  # fmt: skip
    """Return the sum over two electrons of one spin, psi not yet divided."""
    total = 0j
    for first in range(len(occupied)):
        i = occupied[first]
        for second in range(first + 1, len(occupied)):
            j = occupied[second]
            holes = numbers[i] ^ numbers[j]
            for third in range(len(empty)):
                a = empty[third]
                for fourth in range(third + 1, len(empty)):
                    b = empty[fourth]
                    if classes[i, a] != classes[j, b] and classes[i, b] != classes[j, a]:
                        continue
                    change = holes ^ numbers[a] ^ numbers[b]
                    if not may_hold(present, own_string ^ change) or not may_hold(filter_, own ^ change):
                        continue
                    value = two[i, a, j, b] - two[i, b, j, a]
                    if abs(value) <= ZERO:
                        continue
                    for word in range(len(string)):
                        goal[word] = string[word]
                    for p in (i, j, a, b):
                        flip(goal, p)
                    if alpha_first:
                        row = find(table, alpha, beta, own ^ change, goal, other)
                    else:
                        row = find(table, alpha, beta, own ^ change, other, goal)
                    if row >= 0:
                        total += sign_of_two(before, i, a, j, b) * value * psi[row]
    return total


@njit(cache=True, parallel=True)
def _local_energies(
    core: float, one: Array, two: Array, joined: Array, classes: Array, n_alpha: int, n_beta: int, alpha: Array, beta: Array,
    psi: Array, begin: int, end: int, numbers: Array, filter_: Array, alpha_filter: Array, beta_filter: Array, table: Array,
) -> Array:  # pragma: no cover - compiled  # fmt: skip
    n, words = len(one), alpha.shape[1]
    kinds = classes.max() + 1
    found = np.empty(end - begin, np.complex128)
    for block in prange((end - begin + BLOCK - 1) // BLOCK):
        occ_a, occ_b = np.empty(n, np.int64), np.empty(n, np.int64)
        emp_a, emp_b = np.empty(n, np.int64), np.empty(n, np.int64)
        before_a, before_b = np.empty(n, np.int64), np.empty(n, np.int64)
        most_a, most_b = max(1, n_alpha * (n - n_alpha)), max(1, n_beta * (n - n_beta))
        ours = (np.empty(most_a, np.int64), np.empty(most_a, np.int64), np.empty(most_a, np.int32),
                np.empty(most_a), np.empty(most_a, np.uint64), np.empty((most_a, words), np.uint64))  # fmt: skip
        theirs = (np.empty(most_b, np.int64), np.empty(most_b, np.int64), np.empty(most_b, np.int32),
                  np.empty(most_b), np.empty(most_b, np.uint64), np.empty((most_b, words), np.uint64))  # fmt: skip
        start, order = np.empty(kinds + 1, np.int64), np.empty(most_b, np.int64)
        keys, goal = np.empty(most_b, np.uint64), np.empty(words, np.uint64)
        for x in range(begin + block * BLOCK, min(end, begin + (block + 1) * BLOCK)):
            split(alpha[x], occ_a, emp_a, before_a)
            split(beta[x], occ_b, emp_b, before_b)
            own_a, own_b = np.uint64(0), np.uint64(0)
            for p in occ_a[:n_alpha]:
                own_a ^= numbers[0, p]
            for p in occ_b[:n_beta]:
                own_b ^= numbers[1, p]
            own = own_a ^ own_b
            total = diagonal(core, one, two, occ_a[:n_alpha], occ_b[:n_beta]) * psi[x]
            many_a = _singles(alpha[x], occ_a, emp_a, before_a, numbers[0], classes, alpha_filter, own_a, n_alpha, ours)
            many_b = _singles(beta[x], occ_b, emp_b, before_b, numbers[1], classes, beta_filter, own_b, n_beta, theirs)
            for k in range(many_a):
                if joined[ours[0][k], ours[1][k]] and may_hold(filter_, own ^ ours[4][k]):
                    row = find(table, alpha, beta, own ^ ours[4][k], ours[5][k], beta[x])
                    if row >= 0:
                        value = single(one, two, ours[0][k], ours[1][k], occ_a[:n_alpha], occ_b[:n_beta])
                        total += ours[3][k] * value * psi[row]
            for k in range(many_b):
                if joined[theirs[0][k], theirs[1][k]] and may_hold(filter_, own ^ theirs[4][k]):
                    row = find(table, alpha, beta, own ^ theirs[4][k], alpha[x], theirs[5][k])
                    if row >= 0:
                        value = single(one, two, theirs[0][k], theirs[1][k], occ_b[:n_beta], occ_a[:n_alpha])
                        total += theirs[3][k] * value * psi[row]
            # Beta singles sorted by class, so that an alpha single meets only those that an integral joins it to.
            start[:] = 0
            for k in range(many_b):
                start[theirs[2][k] + 1] += 1
            for kind in range(kinds):
                start[kind + 1] += start[kind]
            for k in range(many_b - 1, -1, -1):
                kind = theirs[2][k]
                start[kind + 1] -= 1
                order[start[kind + 1]] = k
            # start[c + 1] is now where class c begins.
            for place in range(many_b):
                keys[place] = theirs[4][order[place]]
            for k in range(many_a):
                kind, key = ours[2][k], own ^ ours[4][k]
                i, a = ours[0][k], ours[1][k]
                last = start[kind + 2] if kind + 2 <= kinds else many_b
                for place in range(start[kind + 1], last):
                    if may_hold(filter_, key ^ keys[place]):
                        m = order[place]
                        value = two[i, a, theirs[0][m], theirs[1][m]]
                        if abs(value) <= ZERO:
                            continue
                        row = find(table, alpha, beta, key ^ keys[place], ours[5][k], theirs[5][m])
                        if row >= 0:
                            total += ours[3][k] * theirs[3][m] * value * psi[row]
            total += _doubles_of_one_spin(
                two, classes, occ_a[:n_alpha], emp_a[: n - n_alpha], before_a, numbers[0], own, alpha[x], beta[x], True,
                alpha, beta, psi, alpha_filter, filter_, own_a, table, goal,
            )  # fmt: skip
            total += _doubles_of_one_spin(
                two, classes, occ_b[:n_beta], emp_b[: n - n_beta], before_b, numbers[1], own, beta[x], alpha[x], False,
                alpha, beta, psi, beta_filter, filter_, own_b, table, goal,
            )  # fmt: skip
            found[x - begin] = total / psi[x]
    return found
