"""Determinants as bits: words of 64 spatial orbitals, the alpha string and the beta string apart.

Strings are uint64 [U, W] with W = ceil(n / 64): bit p % 64 of word p // 64 is set where orbital p is occupied. Signs
follow the order "all alpha, then all beta", as in PySCF's vectors; the interleaved Jordan-Wigner order of OpenFermion
differs by ``interleaving_signs`` per determinant.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb

import numpy as np

from effbench.arrays import Array

WORD = 64
"""Orbitals of a word: bits of the widest integer that a processor counts and compares at once."""
MOST_ENUMERATED = 50_000_000
"""Strings above this are not listed: as Python integers they would take gigabytes before anything is packed."""


def words_for(orbitals: int) -> int:
    """Return how many words a string of so many orbitals takes."""
    return -(-orbitals // WORD)


def pack(occupied: Array) -> Array:
    """Return uint64 [U, W] from occupations [U, n] of zeros and ones."""
    occupied = np.asarray(occupied, np.uint64)
    packed = np.zeros((len(occupied), words_for(occupied.shape[1])), np.uint64)
    for orbital in range(occupied.shape[1]):
        packed[:, orbital // WORD] |= occupied[:, orbital] << np.uint64(orbital % WORD)
    return packed


def unpack(strings: Array, orbitals: int) -> Array:
    """Return the occupations uint8 [U, n] of packed strings."""
    bits = [(strings[:, p // WORD] >> np.uint64(p % WORD)) & np.uint64(1) for p in range(orbitals)]
    return np.stack(bits, axis=1).astype(np.uint8)


def strings_of(orbitals: int, electrons: int) -> Array:
    """Return all strings of so many electrons [C(n, N), W], in the order of their binary numbers (PySCF's order)."""
    if comb(orbitals, electrons) > MOST_ENUMERATED:
        raise ValueError(f"{comb(orbitals, electrons):,} strings are too many to list")
    rows = [sum(1 << p for p in chosen) for chosen in itertools.combinations(range(orbitals), electrons)]
    return from_integers(sorted(rows), orbitals)


def from_integers(strings: Sequence[int], orbitals: int) -> Array:
    """Return packed strings [U, W] from Python integers of any size."""
    mask = (1 << WORD) - 1
    return np.array(
        [[(string >> (WORD * w)) & mask for w in range(words_for(orbitals))] for string in strings], np.uint64
    ).reshape(len(strings), words_for(orbitals))


def sector(orbitals: int, alpha: int, beta: int) -> tuple[Array, Array]:
    """Return all determinants of a sector as (alpha strings, beta strings), alpha varying slowest."""
    ours, theirs = strings_of(orbitals, alpha), strings_of(orbitals, beta)
    return np.repeat(ours, len(theirs), axis=0), np.tile(theirs, (len(ours), 1))


def interleaving_signs(alpha: Array, beta: Array, orbitals: int) -> Array:
    """Return +-1 [U]: the sign of a determinant in interleaved order, where orbital p's alpha stands before its beta.

    Sorting "all alpha, then all beta" into that order moves every alpha electron past the beta electrons below it.
    """
    a, b = unpack(alpha, orbitals).astype(np.int64), unpack(beta, orbitals).astype(np.int64)
    below = np.cumsum(b, axis=1) - b
    return 1 - 2 * ((a * below).sum(1) % 2)
