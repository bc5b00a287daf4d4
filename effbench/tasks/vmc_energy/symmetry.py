"""Spatial symmetries that integrals show by what is zero in them: no geometry, no point-group tables.

A reflection or a rotation by half a turn makes orbitals even or odd, and an integral with an odd number of odd orbitals is
zero. All such assignments solve one linear system over the two numbers 0 and 1: one equation per integral that is not
zero. Its solutions are the abelian subgroup (of D2h) that these orbitals show, whatever the molecule's orientation; the
parity of the number of electrons is among them and is left out, since a sector holds it fixed.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.integrals import Integrals

ZERO_HA = 1e-8
"""Integrals below count as zero: self-consistent fields leave that much noise of a symmetry."""
MOST = 8
"""Symmetries that are kept at most; a molecule has three, a set of unrelated orbitals could have many."""


def parities(integrals: Integrals, zero_ha: float = ZERO_HA) -> Array:
    """Return bool [n, S]: which orbitals are odd under each of S independent symmetries, S = 0 where there are none."""
    n = integrals.orbitals
    rows = np.zeros((0, n), bool)
    for array in (integrals.one, integrals.two):
        places = np.argwhere(np.abs(array) > zero_ha)
        counts = np.zeros((len(places), n), np.int64)
        for column in places.T:
            np.add.at(counts, (np.arange(len(places)), column), 1)
        rows = np.concatenate([rows, np.unique(counts % 2 == 1, axis=0)])
    # The electrons' own parity solves every equation: fixing one orbital to even leaves it out.
    anchor = np.zeros((1, n), bool)
    anchor[0, 0] = True
    return _null_space(np.concatenate([anchor, rows]))[:, :MOST]


def _null_space(rows: Array) -> Array:
    """Return bool [n, S] whose columns are a basis of what all ``rows`` bool [R, n] are orthogonal to, modulo 2."""
    matrix, n = np.unique(rows, axis=0), rows.shape[1]
    pivots: list[int] = []
    top = 0
    for column in range(n):
        found = np.flatnonzero(matrix[top:, column])
        if not len(found):
            continue
        matrix[[top, top + found[0]]] = matrix[[top + found[0], top]]
        others = matrix[:, column].copy()
        others[top] = False
        matrix[others] ^= matrix[top]
        pivots.append(column)
        top += 1
    free = [column for column in range(n) if column not in pivots]
    basis = np.zeros((n, len(free)), bool)
    for place, column in enumerate(free):
        basis[column, place] = True
        for row, pivot in enumerate(pivots):
            basis[pivot, place] = matrix[row, column]
    return basis
