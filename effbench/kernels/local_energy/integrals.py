"""The integrals of a molecule: what a Hamiltonian in a basis of orbitals is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array

ZERO = 1e-14
"""Integrals below are zero for the pattern of symmetry."""


class Hamiltonian(NamedTuple):
    """What compiled code reads of ``Integrals``: the numbers, and how many electrons there are of each spin."""

    core: float
    one: Array
    two: Array
    alpha: int
    beta: int


class Pattern(NamedTuple):
    """Where the numbers can differ from zero: ``Integrals.singles`` bool [n, n], ``Integrals.classes`` int32 [n, n]."""

    singles: Array
    classes: Array


@dataclass(frozen=True, eq=False)
class Integrals:
    """H = core + sum h[p,q] a+_p a_q + 1/2 sum (pq|rs) a+_p a+_r a_s a_q over both spins, real orbitals, in Hartree.

    ``one`` is h [n, n], ``two`` is (pq|rs) [n, n, n, n] in chemists' order, with all eight symmetries; ``alpha`` and ``beta``
    count electrons. Two of them are the same only where they are one object.
    """

    core: float
    one: Array
    two: Array
    alpha: int
    beta: int

    @property
    def orbitals(self) -> int:
        """Return the number of spatial orbitals, half that of qubits."""
        return len(self.one)

    @property
    def hamiltonian(self) -> Hamiltonian:
        """Return the numbers as compiled code takes them."""
        return Hamiltonian(self.core, self.one, self.two, self.alpha, self.beta)

    @property
    def pattern(self) -> Pattern:
        """Return where the numbers can differ from zero, as compiled code takes it."""
        return Pattern(self.singles, self.classes)

    @cached_property
    def classes(self) -> Array:
        """Return a class int32 [n, n] per pair of orbitals: (pq|rs) can only differ from zero within one class.

        Classes are the connected components of "some integral holds both pairs"; with spatial symmetry they are unions of
        irreps.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = self.orbitals
        first, second = np.nonzero(np.abs(self.two.reshape(n * n, n * n)) > ZERO)
        graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(n * n, n * n))
        _, labels = connected_components(graph, directed=False)
        return np.unique(labels, return_inverse=True)[1].reshape(n, n).astype(np.int32)

    @cached_property
    def singles(self) -> Array:
        """Return bool [n, n]: whether moving one electron between two orbitals can have an element other than zero."""
        seen = np.abs(self.one) > ZERO
        for pattern in ("iarr->iar", "irra->iar"):
            seen |= (np.abs(np.einsum(pattern, self.two)) > ZERO).any(axis=2)
        return np.asarray(seen)

    @property
    def sha256(self) -> str:
        """Return the hash of all numbers, to twelve decimals so that a text file keeps it."""
        digest = hashlib.sha256(f"{self.orbitals} {self.alpha} {self.beta} {self.core:.12f}".encode())
        for array in (self.one, self.two):
            digest.update((np.round(array, 12) + 0.0).tobytes())  # + 0.0: no negative zero
        return digest.hexdigest()


def random_integrals(orbitals: int, alpha: int, beta: int, seed: int, share: float = 1.0) -> Integrals:
    """Return integrals with all symmetries and no meaning, for tests and for sizes no molecule is needed for.

    ``share`` of the two-electron integrals is kept; the rest is zero.
    """
    rng = np.random.default_rng(seed)
    one = rng.normal(size=(orbitals, orbitals))
    pairs = orbitals * (orbitals + 1) // 2
    packed = rng.normal(size=(pairs, pairs)) / orbitals
    packed[rng.random(packed.shape) > share] = 0
    packed = (packed + packed.T) / 2
    first, second = np.tril_indices(orbitals)
    place = np.empty((orbitals, orbitals), np.int64)
    place[first, second] = place[second, first] = np.arange(pairs)
    flat = place.reshape(-1)
    two = packed[flat[:, None], flat[None, :]].reshape((orbitals,) * 4)
    return Integrals(float(rng.normal()), (one + one.T) / 2, two, alpha, beta)
