"""Local energies by comparing every two determinants of the sample: exclusive or, count bits, Slater-Condon on the few left.

No look-up table and no list of connections, so its cost does not depend on the molecule: the engine of small samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from effbench.kernels.local_energy.bits import differing, popcount, split
from effbench.kernels.local_energy.elements import diagonal, sign_of_move, sign_of_two, single
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.lookup import Rows

Array = np.ndarray[Any, Any]
BLOCK = 16
"""Samples that one turn of a thread computes with one set of scratch arrays."""


def local_energies(integrals: Integrals, alpha: Array, beta: Array, psi: Array, rows: Rows | None = None) -> Array:
    """Return E_loc complex128 [U], policy *sampled-only*, in Hartree; rows must be unique (they are not looked at for it).

    Only the energies of ``rows`` are returned where they are given.
    """
    return _all_pairs(
        integrals.core, integrals.one, integrals.two, integrals.alpha, integrals.beta, alpha, beta,
        np.ascontiguousarray(alpha[:, 0]), np.ascontiguousarray(beta[:, 0]), np.asarray(psi, np.complex128),
        *(rows or (0, len(alpha))),
    )  # fmt: skip


@njit(cache=True, parallel=True)
def _all_pairs(
    core: float, one: Array, two: Array, n_alpha: int, n_beta: int, alpha: Array, beta: Array,
    first_alpha: Array, first_beta: Array, psi: Array, begin: int, end: int,
) -> Array:  # pragma: no cover - compiled  # fmt: skip
    samples, n, words = len(alpha), len(one), alpha.shape[1]
    found = np.empty(end - begin, np.complex128)
    for block in prange((end - begin + BLOCK - 1) // BLOCK):
        full_a, full_b = np.empty(n, np.int64), np.empty(n, np.int64)
        before_a, before_b, empty = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
        lost_a, gained_a = np.empty(2, np.int64), np.empty(2, np.int64)
        lost_b, gained_b = np.empty(2, np.int64), np.empty(2, np.int64)
        for x in range(begin + block * BLOCK, min(end, begin + (block + 1) * BLOCK)):
            split(alpha[x], full_a, empty, before_a)
            split(beta[x], full_b, empty, before_b)
            ours, theirs = full_a[:n_alpha], full_b[:n_beta]
            total = diagonal(core, one, two, ours, theirs) * psi[x]
            own_alpha, own_beta = first_alpha[x], first_beta[x]
            for y in range(samples):
                # Two electrons moved are four bits changed; the first words alone rule most pairs out.
                apart = popcount(own_alpha ^ first_alpha[y]) + popcount(own_beta ^ first_beta[y])
                if apart > 4:
                    continue
                for word in range(1, words):
                    apart += popcount(alpha[x, word] ^ alpha[y, word]) + popcount(beta[x, word] ^ beta[y, word])
                if apart > 4 or apart == 0:
                    continue
                in_alpha = differing(alpha[x], alpha[y], lost_a)
                in_beta = differing(beta[x], beta[y], lost_b)
                differing(alpha[y], alpha[x], gained_a)
                differing(beta[y], beta[x], gained_b)
                if in_alpha == 1 and in_beta == 1:
                    sign = sign_of_move(before_a, lost_a[0], gained_a[0]) * sign_of_move(
                        before_b, lost_b[0], gained_b[0]
                    )
                    value = sign * two[lost_a[0], gained_a[0], lost_b[0], gained_b[0]]
                elif in_alpha == 2:
                    value = _same_spin(two, before_a, lost_a, gained_a)
                elif in_beta == 2:
                    value = _same_spin(two, before_b, lost_b, gained_b)
                elif in_alpha == 1:
                    sign = sign_of_move(before_a, lost_a[0], gained_a[0])
                    value = sign * single(one, two, lost_a[0], gained_a[0], ours, theirs)
                else:
                    sign = sign_of_move(before_b, lost_b[0], gained_b[0])
                    value = sign * single(one, two, lost_b[0], gained_b[0], theirs, ours)
                total += value * psi[y]
            found[x - begin] = total / psi[x]
    return found


@njit(cache=True, inline="always")
def _same_spin(two: Array, before: Array, lost: Array, gained: Array) -> float:  # pragma: no cover - compiled
    i, j, a, b = lost[0], lost[1], gained[0], gained[1]
    return sign_of_two(before, i, a, j, b) * (two[i, a, j, b] - two[i, b, j, a])
