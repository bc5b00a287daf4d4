"""Local energies by comparing every two determinants of the sample: exclusive or, count bits, Slater-Condon on the few left.

No look-up table and no list of connections, so its cost does not depend on the molecule: the engine of small samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from effbench.arrays import Array
from effbench.kernels import record_kernel
from effbench.kernels.local_energy.bits import Occupation, differing, fill, popcount, unfilled
from effbench.kernels.local_energy.elements import diagonal, sign_of_move, sign_of_two, single
from effbench.kernels.local_energy.integrals import ZERO, Hamiltonian, Integrals
from effbench.kernels.local_energy.lookup import Rows, SampledState, sampled_state

BLOCK = 16
"""Samples that one turn of a thread computes with one set of scratch arrays; fewer than ``slater``'s, since samples are."""


class Moved(NamedTuple):
    """Orbitals of one spin that two determinants do not share, int64 [2] each: what x has and y has not, and the reverse."""

    hole: Array
    particle: Array


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
        in_alpha = Moved(np.empty(2, np.int64), np.empty(2, np.int64))
        in_beta = Moved(np.empty(2, np.int64), np.empty(2, np.int64))
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
    in_alpha: Moved, in_beta: Moved,
) -> tuple[complex, int]:  # pragma: no cover - compiled  # fmt: skip
    alpha, beta, psi = state.alpha, state.beta, state.psi
    occ_a, occ_b = up.occupied[: given.alpha], down.occupied[: given.beta]
    total, joined = diagonal(given.core, given.one, given.two, occ_a, occ_b) * psi[x], 1
    ours, theirs = first_alpha[x], first_beta[x]
    for y in range(len(alpha)):
        # Two electrons moved are four bits changed; the first words alone rule most pairs out.
        apart = popcount(ours ^ first_alpha[y]) + popcount(theirs ^ first_beta[y])
        if apart > 4:
            continue
        for word in range(1, alpha.shape[1]):
            apart += popcount(alpha[x, word] ^ alpha[y, word]) + popcount(beta[x, word] ^ beta[y, word])
        if apart > 4 or apart == 0:
            continue
        value = _element(given, alpha[x], beta[x], alpha[y], beta[y], up, down, in_alpha, in_beta)
        total += value * psi[y]
        joined += abs(value) > ZERO
    return total / psi[x], joined


@njit(cache=True, inline="always")
def _element(
    given: Hamiltonian, x_alpha: Array, x_beta: Array, y_alpha: Array, y_beta: Array, up: Occupation, down: Occupation,
    in_alpha: Moved, in_beta: Moved,
) -> float:  # pragma: no cover - compiled  # fmt: skip
    """Return H[x, y] of two determinants that differ in one or two electrons."""
    one, two = given.one, given.two
    many_a, many_b = differing(x_alpha, y_alpha, in_alpha.hole), differing(x_beta, y_beta, in_beta.hole)
    differing(y_alpha, x_alpha, in_alpha.particle)
    differing(y_beta, x_beta, in_beta.particle)
    i, a, j, b = in_alpha.hole[0], in_alpha.particle[0], in_beta.hole[0], in_beta.particle[0]
    if many_a == 1 and many_b == 1:
        return sign_of_move(up.before, i, a) * sign_of_move(down.before, j, b) * two[i, a, j, b]
    if many_a == 2:
        return _same_spin(two, up.before, in_alpha)
    if many_b == 2:
        return _same_spin(two, down.before, in_beta)
    occ_a, occ_b = up.occupied[: given.alpha], down.occupied[: given.beta]
    if many_a == 1:
        return sign_of_move(up.before, i, a) * single(one, two, i, a, occ_a, occ_b)
    return sign_of_move(down.before, j, b) * single(one, two, j, b, occ_b, occ_a)


@njit(cache=True, inline="always")
def _same_spin(two: Array, before: Array, moved: Moved) -> float:  # pragma: no cover - compiled
    i, j, a, b = moved.hole[0], moved.hole[1], moved.particle[0], moved.particle[1]
    return sign_of_two(before, i, a, j, b) * (two[i, a, j, b] - two[i, b, j, a])
