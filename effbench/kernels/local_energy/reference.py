"""Slater-Condon rules word for word, in plain Python: what every engine must equal.

Source: Szabo and Ostlund, Modern Quantum Chemistry, tables 2.3 and 2.4 (matrix elements between determinants).
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.determinants import unpack
from effbench.kernels.local_energy.integrals import Integrals


def matrix_element(integrals: Integrals, bra: tuple[Array, Array], ket: tuple[Array, Array]) -> float:
    """Return <bra|H|ket> of two determinants, each as occupations (alpha [n], beta [n]) of zeros and ones."""
    h, g = integrals.one, integrals.two
    moved = [_moved(x, y) for x, y in zip(bra, ket)]
    degree = sum(len(holes) for holes, _, _ in moved)
    if degree > 2:
        return 0.0
    occupied = [np.flatnonzero(string).tolist() for string in ket]
    if degree == 0:
        energy = integrals.core
        for spin in (0, 1):
            for p in occupied[spin]:
                energy += h[p, p]
                energy += 0.5 * sum(g[p, p, q, q] - g[p, q, q, p] for q in occupied[spin])
                energy += 0.5 * sum(g[p, p, q, q] for q in occupied[1 - spin])
        return float(energy)
    sign = moved[0][2] * moved[1][2]
    if degree == 1:
        spin = 0 if moved[0][0] else 1
        (p,), (q,) = moved[spin][0], moved[spin][1]  # q of the ket becomes p of the bra
        value = h[p, q]
        value += sum(g[p, q, r, r] - g[p, r, r, q] for r in occupied[spin] if r != q)
        value += sum(g[p, q, r, r] for r in occupied[1 - spin])
        return float(sign * value)
    if len(moved[0][0]) == 1:
        (p,), (q,) = moved[0][0], moved[0][1]
        (r,), (s,) = moved[1][0], moved[1][1]
        return float(sign * g[p, q, r, s])
    spin = 0 if moved[0][0] else 1
    (p, r), (q, s) = moved[spin][0], moved[spin][1]
    return float(sign * (g[p, q, r, s] - g[p, s, r, q]))


def _moved(bra: Array, ket: Array) -> tuple[list[int], list[int], int]:
    """Return (orbitals only in the bra, only in the ket, sign of a+_p1 a+_p2 .. a_q2 a_q1 between them), one spin.

    Both lists rise. The sign is found by doing it: electrons are taken from the ket and put back one by one.
    """
    gained = [p for p in range(len(bra)) if bra[p] and not ket[p]]
    lost = [q for q in range(len(ket)) if ket[q] and not bra[q]]
    state, sign = [int(bit) for bit in ket], 1
    for q, p in zip(lost, gained):
        sign *= (-1) ** sum(state[:q])
        state[q] = 0
        sign *= (-1) ** sum(state[:p])
        state[p] = 1
    return gained, lost, sign


def local_energies(integrals: Integrals, alpha: Array, beta: Array, psi: Array) -> Array:
    """Return E_loc [U], complex: sum over the sample itself of H[x, y] psi[y] / psi[x] (policy *sampled-only*)."""
    n = integrals.orbitals
    rows = list(zip(unpack(alpha, n), unpack(beta, n)))
    found = np.zeros(len(rows), np.complex128)
    for x, bra in enumerate(rows):
        for y, ket in enumerate(rows):
            found[x] += matrix_element(integrals, bra, ket) * psi[y] / psi[x]
    return found
