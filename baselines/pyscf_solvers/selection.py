"""Selected CI by PySCF's rule with this project's matrix elements: the strings that matter, and all their products.

PySCF's own ``fci.selected_ci`` is not called: in processes that had done much else it has returned energies 16 to 53
mHartree too high, converged and without a warning, and why is not known.
"""

from __future__ import annotations

import numpy as np

from effbench.api import Unsupported
from effbench.arrays import Array
from effbench.kernels.local_energy.determinants import from_integers
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.aufbau import energy_of
from effbench.tasks.vmc_energy.evaluation import between, lowest_state
from effbench.tasks.vmc_energy.exact import AGREE_HA, near, settled

MOST_DETERMINANTS = 200_000
"""The matrix between them is held in memory."""
SETTLED_HA = 1e-6
"""A round that lowers the energy by less is the last."""
SAME_SIZE = 0.01
"""So is one that changes the numbers of strings of both spins by less than this share."""


def selected_ci(given: Integrals, least: float) -> tuple[float, int]:
    """Return (energy in Hartree, determinants) of selected CI from the determinant of the first orbitals.

    A string is kept while the norm of its coefficients is above ``least``, and gives rise to others where that norm times an
    integral in Hartree is. The energy is the lowest of the final space: a second search confirms it, and it lies at or
    below the first determinant, whose energy other code computes. Raises ``Unsupported`` where one of them does not hold.
    """
    effective = _with_one_electron_terms(given)
    strings = [[2**electrons - 1] for electrons in (given.alpha, given.beta)]
    strings = _enlarged(given, effective, strings, np.ones((1, 1)), least)
    last, sizes = np.inf, [0, 0]
    for _ in range(given.orbitals + 1):
        energy, state = _solved(given, strings)
        same = all(abs(len(now) - before) < SAME_SIZE * before for now, before in zip(strings, sizes))
        if same or last - energy < SETTLED_HA:
            break
        last, sizes = energy, [len(of) for of in strings]
        larger = _enlarged(given, effective, strings, state, least)
        if larger == strings:
            break
        strings = larger
    return _checked(given, strings, energy, state), state.size


def _product(given: Integrals, strings: list[list[int]]) -> tuple[Array, Array]:
    """Return (alpha, beta) uint64 [U, W] of every pair of strings, alpha varying slowest."""
    ours, theirs = (from_integers(of, given.orbitals) for of in strings)
    return np.repeat(ours, len(theirs), axis=0), np.tile(theirs, (len(ours), 1))


def _solved(given: Integrals, strings: list[list[int]]) -> tuple[float, Array]:
    """Return the lowest energy in Hartree between all pairs of strings, and its vector [alpha strings, beta strings]."""
    shape = tuple(len(of) for of in strings)
    if shape[0] * shape[1] > MOST_DETERMINANTS:
        raise Unsupported(
            f"pyscf: selected CI reaches {shape[0] * shape[1]:,} determinants; at most {MOST_DETERMINANTS:,} fit. "
            "A larger `selection_ha` keeps fewer"
        )
    energy, state = lowest_state(between(given, *_product(given, strings)))
    return energy, state.reshape(shape)


def _checked(given: Integrals, strings: list[list[int]], energy: float, state: Array) -> float:
    """Return the energy in Hartree if a search from ``state`` with noise ends there too, below the first determinant."""
    alpha, beta = _product(given, strings)
    matrix, flat = between(given, alpha, beta), state.ravel()
    again = settled(matrix.__matmul__, matrix.diagonal(), [near(flat, 0)], 1e-10) if flat.size > 1 else energy
    reference = [np.diag((np.arange(given.orbitals) < many).astype(float)) for many in (given.alpha, given.beta)]
    bound = energy_of(given, *reference)
    skewed = float(abs(matrix - matrix.T).max())
    if again is None or abs(again - energy) > AGREE_HA or energy > bound + AGREE_HA or skewed > AGREE_HA:
        found = "no certain one" if again is None else f"{again:.7f}"
        raise Unsupported(
            f"pyscf: selected CI finds {energy:.7f} Hartree, a second search {found}, its first determinant has {bound:.7f} "
            f"and its matrix is {skewed:.1e} from symmetric: no number is given"
        )
    return energy


def _with_one_electron_terms(given: Integrals) -> Array:
    """Return half the two-electron integrals [n, n, n, n] that hold the one-electron ones too, for this many electrons."""
    effective, diagonal = given.two.copy(), np.arange(given.orbitals)
    share = (given.one - np.einsum("jiik->jk", given.two) / 2) / (given.alpha + given.beta)
    effective[diagonal, diagonal] += share
    effective[:, :, diagonal, diagonal] += share[:, :, None]
    return effective / 2


def _enlarged(
    given: Integrals, effective: Array, strings: list[list[int]], state: Array, least: float
) -> list[list[int]]:
    """Return the strings of both spins that are kept or added, each rising."""
    found = []
    for axis, (of, electrons) in enumerate(zip(strings, (given.alpha, given.beta))):
        weights = np.linalg.norm(state, axis=1 - axis)
        kept = {string: float(weight) for string, weight in zip(of, weights) if weight > least}
        new = {
            other for string, weight in kept.items() for other in _excited(string, electrons, effective, least / weight)
        }
        found.append(sorted(kept.keys() | new))
    return found


def _excited(string: int, electrons: int, effective: Array, least_ha: float) -> set[int]:
    """Return the strings one electron away whose largest integral is above ``least_ha``, and pairs out of the reference.

    A second electron moves, too, where the first leaves the reference's orbitals and their common integral is above it.
    """
    n = len(effective)
    largest = np.abs(effective).reshape(n, n, -1).max(2)
    full = [p for p in range(n) if string >> p & 1]
    empty = [p for p in range(n) if not string >> p & 1]
    found = set()
    for i in full:
        for a in empty:
            if largest[a, i] <= least_ha:
                continue
            one = string ^ 1 << i ^ 1 << a
            found.add(one)
            if i < electrons <= a:
                found |= {
                    one ^ 1 << j ^ 1 << b
                    for j in full
                    for b in empty
                    if j < i and b > a and abs(effective[a, i, b, j]) > least_ha
                }
    return found
