"""Local energies over grouped Pauli terms: flip, look the result up, and only on a hit sum the terms of the group.

Where symmetry leaves few flip masks, listing them beats listing single moves: the masks are shared by all samples.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange
from effbench.kernels import record_kernel
from effbench.kernels.local_energy.bits import popcount
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.lookup import (
    Lookup,
    Rows,
    SampledState,
    build_lookup,
    find,
    may_hold,
    sampled_state,
    string_hashes,
)
from effbench.kernels.local_energy.pauli_terms import PauliTerms, pauli_terms

BLOCK = 32
"""Samples that one turn of a thread computes with one set of scratch arrays, as in ``slater``."""


def local_energies(
    integrals: Integrals, alpha: Array, beta: Array, psi: Array, lookup: Lookup | None = None, rows: Rows | None = None
) -> Array:
    """Return E_loc complex128 [U], policy *sampled-only*, in Hartree; the terms are made once per molecule and kept."""
    table = lookup if lookup is not None else build_lookup(alpha, beta, integrals.orbitals)
    terms, (of_alpha, of_beta) = pauli_terms(integrals), table.zobrist
    change = string_hashes(terms.flip_alpha, of_alpha) ^ string_hashes(terms.flip_beta, of_beta)
    state = sampled_state(alpha, beta, psi)
    found = _over_flips(terms, change, state, table, *(rows or (0, len(alpha))))
    record_kernel("local_energy/pauli", integrals, alpha, beta, psi, rows, out=found)
    return found


@njit(cache=True, inline="always")
def _sum(terms: PauliTerms, group: int, alpha: Array, beta: Array) -> float:  # pragma: no cover - compiled
    """Return what the terms of a group say between a determinant (strings [W]) and the one that the group flips it to."""
    total = 0.0
    for t in range(terms.start[group], terms.start[group + 1]):
        odd = 0
        for word in range(len(alpha)):
            odd += popcount(alpha[word] & terms.sign_alpha[t, word]) + popcount(beta[word] & terms.sign_beta[t, word])
        total += terms.coefficient[t] * (1.0 - 2.0 * (odd & 1))
    return total


@njit(cache=True, parallel=True)
def _over_flips(
    terms: PauliTerms, change: Array, state: SampledState, lookup: Lookup, begin: int, end: int
) -> Array:  # pragma: no cover - compiled
    words = state.alpha.shape[1]
    found = np.empty(end - begin, np.complex128)
    for block in prange((end - begin + BLOCK - 1) // BLOCK):
        goal_alpha, goal_beta = np.empty(words, np.uint64), np.empty(words, np.uint64)
        for x in range(begin + block * BLOCK, min(end, begin + (block + 1) * BLOCK)):
            found[x - begin] = _energy(terms, change, state, lookup, x, goal_alpha, goal_beta)
    return found


@njit(cache=True)
def _energy(
    terms: PauliTerms, change: Array, state: SampledState, lookup: Lookup, x: int, goal_alpha: Array, goal_beta: Array
) -> complex:  # pragma: no cover - compiled
    """Return the local energy of the sample's determinant ``x``; the goals [W] are scratch."""
    alpha, beta, psi = state.alpha, state.beta, state.psi
    total = _sum(terms, 0, alpha[x], beta[x]) * psi[x]
    for group in range(1, len(change)):
        key = lookup.hashes[x] ^ change[group]
        if not may_hold(lookup.filter, key):
            continue
        for word in range(alpha.shape[1]):
            goal_alpha[word] = alpha[x, word] ^ terms.flip_alpha[group, word]
            goal_beta[word] = beta[x, word] ^ terms.flip_beta[group, word]
        y = find(lookup.table, alpha, beta, key, goal_alpha, goal_beta)
        if y >= 0:
            total += _sum(terms, group, alpha[x], beta[x]) * psi[y]
    return total / psi[x]
