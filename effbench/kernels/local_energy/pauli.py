"""Local energies over grouped Pauli strings: flip, look the result up, and only on a hit sum the strings of the group.

Where symmetry leaves few flip masks, listing them beats listing single moves: the masks are shared by all samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from effbench.kernels.local_energy.bits import popcount
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.lookup import Lookup, Rows, build_lookup, find, may_hold, string_hashes
from effbench.kernels.local_energy.strings import pauli_strings

Array = np.ndarray[Any, Any]
BLOCK = 32
"""Samples that one turn of a thread computes with one set of scratch arrays."""


def local_energies(
    integrals: Integrals, alpha: Array, beta: Array, psi: Array, lookup: Lookup | None = None, rows: Rows | None = None
) -> Array:
    """Return E_loc complex128 [U], policy *sampled-only*, in Hartree; the strings are made once per molecule and kept."""
    table = lookup if lookup is not None else build_lookup(alpha, beta, integrals.orbitals)
    terms = pauli_strings(integrals)
    first, second = table.numbers
    change = string_hashes(terms.flip_alpha, first) ^ string_hashes(terms.flip_beta, second)
    return _over_flips(
        terms.start, terms.flip_alpha, terms.flip_beta, terms.sign_alpha, terms.sign_beta, terms.coefficient, change,
        alpha, beta, np.asarray(psi, np.complex128), *(rows or (0, len(alpha))), table.hashes, table.filter, table.table,
    )  # fmt: skip


@njit(cache=True, inline="always")
def _sum(
    ours: Array, theirs: Array, begin: int, end: int, sign_alpha: Array, sign_beta: Array, coefficient: Array
) -> float:  # pragma: no cover - compiled
    total = 0.0
    for t in range(begin, end):
        odd = 0
        for word in range(len(ours)):
            odd += popcount(ours[word] & sign_alpha[t, word]) + popcount(theirs[word] & sign_beta[t, word])
        total += coefficient[t] * (1.0 - 2.0 * (odd & 1))
    return total


@njit(cache=True, parallel=True)
def _over_flips(
    start: Array, flip_alpha: Array, flip_beta: Array, sign_alpha: Array, sign_beta: Array, coefficient: Array,
    change: Array, alpha: Array, beta: Array, psi: Array, begin: int, end: int, hashes: Array, present: Array, table: Array,
) -> Array:  # pragma: no cover - compiled  # fmt: skip
    words = alpha.shape[1]
    found = np.empty(end - begin, np.complex128)
    for block in prange((end - begin + BLOCK - 1) // BLOCK):
        ours, theirs = np.empty(words, np.uint64), np.empty(words, np.uint64)
        for x in range(begin + block * BLOCK, min(end, begin + (block + 1) * BLOCK)):
            total = _sum(alpha[x], beta[x], start[0], start[1], sign_alpha, sign_beta, coefficient) * psi[x]
            for group in range(1, len(change)):
                goal = hashes[x] ^ change[group]
                if not may_hold(present, goal):
                    continue
                for word in range(words):
                    ours[word] = alpha[x, word] ^ flip_alpha[group, word]
                    theirs[word] = beta[x, word] ^ flip_beta[group, word]
                row = find(table, alpha, beta, goal, ours, theirs)
                if row >= 0:
                    value = _sum(alpha[x], beta[x], start[group], start[group + 1], sign_alpha, sign_beta, coefficient)
                    total += value * psi[row]
            found[x - begin] = total / psi[x]
    return found
