"""Local energies by comparing every two determinants of the sample: exclusive or, count bits, Slater-Condon on the few left.

No look-up table and no list of connections, so its cost does not depend on the molecule: the engine of small samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange
from effbench.kernels import record_kernel
from effbench.kernels.local_energy.bits import Occupation, differing, fill, popcount, unfilled
from effbench.kernels.local_energy.elements import diagonal, sign_of_move, sign_of_two, single
from effbench.kernels.local_energy.integrals import ZERO, Hamiltonian, Integrals
from effbench.kernels.local_energy.lookup import Rows, SampledState, sampled_state

BLOCK = 16
"""Samples that one turn of a thread computes with one set of scratch arrays; fewer than ``slater``'s, since samples are."""


class OrbitalDifference(NamedTuple):
    """Orbitals of one spin that two determinants do not share, int64 [2] each: what x has and y has not, and the reverse."""

    lost: Array
    gained: Array


def local_energies(integrals: Integrals, alpha: Array, beta: Array, psi: Array, rows: Rows | None = None) -> Array:
    """Return E_loc complex128 [U], policy *sampled-only*, in Hartree; rows must be unique (they are not looked at for it).

    Only the energies of ``rows`` are returned where they are given.
    """
    state = sampled_state(alpha, beta, psi)
    found, _ = _all_pairs(integrals.hamiltonian, state, *_first_words(state), *(rows or (0, len(alpha))))
    record_kernel("local_energy/all-pairs", integrals, alpha, beta, psi, rows, out=found)
    return found


def joined_pairs(integrals: Integrals, alpha: Array, beta: Array, rows: Rows | None = None) -> int:
    """Return how many pairs x, y of the sample, x among ``rows``, have H[x, y] other than zero; x, x are one of them."""
    state = sampled_state(alpha, beta, np.ones(len(alpha)))
    _, joined = _all_pairs(integrals.hamiltonian, state, *_first_words(state), *(rows or (0, len(alpha))))
    return int(joined.sum())


def _first_words(state: SampledState) -> tuple[Array, Array]:
    """Return the first words of all strings behind one another: what a pair is compared by first."""
    return np.ascontiguousarray(state.alpha[:, 0]), np.ascontiguousarray(state.beta[:, 0])


@njit(cache=True, parallel=True)
def _all_pairs(
    given: Hamiltonian, state: SampledState, first_alpha: Array, first_beta: Array, begin: int, end: int
) -> tuple[Array, Array]:  # pragma: no cover - compiled
    """Return the energies of the rows, and how many elements other than zero each is a sum of."""
    n = len(given.one)
    found, joined = np.empty(end - begin, np.complex128), np.empty(end - begin, np.int64)
    for block in prange((end - begin + BLOCK - 1) // BLOCK):
        up, down = unfilled(n), unfilled(n)
        in_alpha = OrbitalDifference(np.empty(2, np.int64), np.empty(2, np.int64))
        in_beta = OrbitalDifference(np.empty(2, np.int64), np.empty(2, np.int64))
        for x in range(begin + block * BLOCK, min(end, begin + (block + 1) * BLOCK)):
            fill(up, state.alpha[x])
            fill(down, state.beta[x])
            found[x - begin], joined[x - begin] = _row(
                given, state, first_alpha, first_beta, x, up, down, in_alpha, in_beta
            )
    return found, joined


@njit(cache=True)
def _row(
    given: Hamiltonian, state: SampledState, first_alpha: Array, first_beta: Array, x: int, up: Occupation, down: Occupation,
    in_alpha: OrbitalDifference, in_beta: OrbitalDifference,
) -> tuple[complex, int]:  # pragma: no cover - compiled  # fmt: skip
    # Unpacked: reading a field counts references, which the inner loop must not do.
    (alpha, beta, psi), (core, one, two, n_alpha, n_beta) = state, given
    (lost_a, gained_a), (lost_b, gained_b) = in_alpha, in_beta
    before_a, before_b = up.before, down.before
    occ_a, occ_b = up.occupied[:n_alpha], down.occupied[:n_beta]
    words, ours, theirs = alpha.shape[1], first_alpha[x], first_beta[x]
    total, joined = diagonal(core, one, two, occ_a, occ_b) * psi[x], 1
    for y in range(len(alpha)):
        # Two electrons moved are four bits changed; the first words alone rule most pairs out.
        apart = popcount(ours ^ first_alpha[y]) + popcount(theirs ^ first_beta[y])
        if apart > 4:
            continue
        for word in range(1, words):
            apart += popcount(alpha[x, word] ^ alpha[y, word]) + popcount(beta[x, word] ^ beta[y, word])
        if apart > 4 or apart == 0:
            continue
        many_a, many_b = differing(alpha[x], alpha[y], lost_a), differing(beta[x], beta[y], lost_b)
        differing(alpha[y], alpha[x], gained_a)
        differing(beta[y], beta[x], gained_b)
        if many_a == 1 and many_b == 1:
            sign = sign_of_move(before_a, lost_a[0], gained_a[0]) * sign_of_move(before_b, lost_b[0], gained_b[0])
            value = sign * two[lost_a[0], gained_a[0], lost_b[0], gained_b[0]]
        elif many_a == 2:
            value = _same_spin(two, before_a, lost_a, gained_a)
        elif many_b == 2:
            value = _same_spin(two, before_b, lost_b, gained_b)
        elif many_a == 1:
            sign = sign_of_move(before_a, lost_a[0], gained_a[0])
            value = sign * single(one, two, lost_a[0], gained_a[0], occ_a, occ_b)
        else:
            sign = sign_of_move(before_b, lost_b[0], gained_b[0])
            value = sign * single(one, two, lost_b[0], gained_b[0], occ_b, occ_a)
        total += value * psi[y]
        joined += abs(value) > ZERO
    return total / psi[x], joined


@njit(cache=True, inline="always")
def _same_spin(two: Array, before: Array, lost: Array, gained: Array) -> float:  # pragma: no cover - compiled
    i, j, a, b = lost[0], lost[1], gained[0], gained[1]
    return sign_of_two(before, i, a, j, b) * (two[i, a, j, b] - two[i, b, j, a])
