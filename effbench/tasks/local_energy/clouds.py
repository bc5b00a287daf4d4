"""Determinants as a training would sample them: without repetition, Hartree-Fock first, one electron moved at a time."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from effbench.api import PluginError
from effbench.arrays import Array
from effbench.tasks.vmc_energy.frozen import find_frozen, frozen_integrals

if TYPE_CHECKING:
    from effbench.kernels.local_energy.integrals import Integrals

SYNTHETIC = re.compile(r"random-(\d+)-(\d+)-(\d+)")
"""random-ORBITALS-ALPHA-BETA: integrals of that size with no meaning."""
MOST_ORBITALS = 80
"""Of synthetic integrals: n^4 doubles, 330 MB at 80."""


def check_molecule(name: str) -> None:
    """Raise ``PluginError`` where no integrals have this name."""
    found = SYNTHETIC.fullmatch(name)
    if found is None:
        find_frozen(name)
        return
    orbitals, alpha, beta = map(int, found.groups())
    if not 2 <= orbitals <= MOST_ORBITALS or max(alpha, beta) > orbitals or alpha + beta == 0:
        raise PluginError(
            f"{name}: want random-ORBITALS-ALPHA-BETA with 2 to {MOST_ORBITALS} orbitals and no more electrons of a spin"
        )


@lru_cache(maxsize=2)
def integrals_of(name: str) -> Integrals:
    """Return the integrals of a frozen molecule, or synthetic ones without any symmetry."""
    from effbench.kernels.local_energy.integrals import random_integrals

    found = SYNTHETIC.fullmatch(name)
    if found is None:
        return frozen_integrals(name)
    orbitals, alpha, beta = map(int, found.groups())
    return random_integrals(orbitals, alpha, beta, seed=0)


def cloud(integrals: Integrals, size: int, seed: int) -> tuple[Array, Array]:
    """Return packed strings [U, W] of ``size`` determinants, Hartree-Fock first.

    Each is one of those before it with one electron moved. Raises ``PluginError`` where the sector has fewer.
    """
    from math import comb

    from effbench.kernels.local_energy.determinants import from_integers

    n, electrons = integrals.orbitals, (integrals.alpha, integrals.beta)
    sector = comb(n, electrons[0]) * comb(n, electrons[1])
    if sector < size:
        raise PluginError(f"{size} determinants asked for, and the sector has {sector}")
    rng = np.random.default_rng(seed)
    rows = [tuple((1 << many) - 1 for many in electrons)]
    known = set(rows)
    while len(rows) < size:
        parents = rng.integers(0, len(rows), 4096)
        spins, places = rng.integers(0, 2, 4096), rng.integers(0, n, (4096, 2))
        for parent, spin, (hole, particle) in zip(parents.tolist(), spins.tolist(), places.tolist()):
            strings = list(rows[parent])
            if not strings[spin] >> hole & 1 or strings[spin] >> particle & 1:
                continue
            strings[spin] ^= 1 << hole | 1 << particle
            moved = (strings[0], strings[1])
            if moved not in known:
                known.add(moved)
                rows.append(moved)
                if len(rows) == size:
                    break
    return from_integers([row[0] for row in rows], n), from_integers([row[1] for row in rows], n)
