"""The sample as a look-up table: a hash per determinant, a bit filter that says "surely absent", and the table itself.

Hashes are those of Zobrist (1970): the exclusive or of one random key per occupied spin orbital. Moving an electron changes a
hash by two of these keys, whatever the number of words, so no determinant is built only to be looked up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.kernels.local_energy.bits import occupied

Rows = tuple[int, int]
"""From, to: the rows of a sample that are asked for."""
FILTER_BITS = 16
"""Bits of the filter per key, at least: one absent key in sixteen then passes it."""
SEED = 20221
"""Of the Zobrist keys: any would do, and one that is fixed makes a table the same in every process."""


class SampledState(NamedTuple):
    """psi on a sample: different determinants ``alpha``, ``beta`` uint64 [U, W], ``psi`` complex128 [U] in any scale."""

    alpha: Array
    beta: Array
    psi: Array


def sampled_state(alpha: Array, beta: Array, psi: Array) -> SampledState:
    """Return the state with its arrays in one layout, so that compiled code is made once."""
    return SampledState(
        np.ascontiguousarray(alpha), np.ascontiguousarray(beta), np.ascontiguousarray(psi, np.complex128)
    )


class Lookup(NamedTuple):
    """``zobrist`` keys uint64 [2, n], ``hashes`` [U], filters of determinants and of strings, ``table`` of rows."""

    zobrist: Array
    hashes: Array
    filter: Array
    alpha_filter: Array
    beta_filter: Array
    table: Array


def build_lookup(alpha: Array, beta: Array, orbitals: int) -> Lookup:
    """Return the table of the determinants [U, W]; raises ``ValueError`` where one stands twice."""
    zobrist = np.random.default_rng(SEED).integers(0, 2**64, (2, orbitals), np.uint64)
    parts = [string_hashes(strings, zobrist[spin]) for spin, strings in enumerate((alpha, beta))]
    hashes = parts[0] ^ parts[1]
    table = np.full(_power_of_two(2 * len(hashes)), -1, np.int32)
    twice = _fill(table, hashes, alpha, beta)
    if twice >= 0:
        raise ValueError(f"row {twice} of the sample is a determinant that stands there before; rows must be unique")
    return Lookup(zobrist, hashes, _filter(hashes), _filter(np.unique(parts[0])), _filter(np.unique(parts[1])), table)


@njit(cache=True)
def string_hashes(strings: Array, zobrist: Array) -> Array:  # pragma: no cover - compiled
    """Return the hashes uint64 [U] of strings [U, W] of one spin; also by how much a mask of flips changes a hash."""
    found = np.zeros(len(strings), np.uint64)
    for row in range(len(strings)):
        for p in range(len(zobrist)):
            if occupied(strings[row], p):
                found[row] ^= zobrist[p]
    return found


def _power_of_two(least: int) -> int:
    return 1 << max(6, (least - 1).bit_length())


def _filter(hashes: Array) -> Array:
    """Return a bit filter, uint64 words, as many as a power of two."""
    words = np.zeros(_power_of_two(FILTER_BITS * len(hashes)) // 64, np.uint64)
    places = hashes & np.uint64(64 * len(words) - 1)
    np.bitwise_or.at(words, (places >> np.uint64(6)).astype(np.int64), np.uint64(1) << (places & np.uint64(63)))
    return words


@njit(cache=True)
def _fill(table: Array, hashes: Array, alpha: Array, beta: Array) -> int:  # pragma: no cover - compiled
    """Insert every row; return the first that was there already, or -1."""
    mask = len(table) - 1
    for row in range(len(hashes)):
        place = np.int64(hashes[row] >> np.uint64(32)) & mask
        while table[place] >= 0:
            other = table[place]
            if hashes[other] == hashes[row]:
                same = True
                for word in range(alpha.shape[1]):
                    same &= alpha[other, word] == alpha[row, word] and beta[other, word] == beta[row, word]
                if same:
                    return row
            place = (place + 1) & mask
        table[place] = row
    return -1


@njit(cache=True, inline="always")
def may_hold(words: Array, key: np.uint64) -> bool:  # pragma: no cover - compiled
    """Return False where the filter says that the key is absent."""
    place = key & np.uint64(64 * len(words) - 1)
    return (words[np.int64(place >> np.uint64(6))] >> (place & np.uint64(63))) & np.uint64(1) != np.uint64(0)


@njit(cache=True, inline="always")
def find(
    table: Array, alpha: Array, beta: Array, key: np.uint64, ours: Array, theirs: Array
) -> int:  # pragma: no cover - compiled
    """Return the row of the determinant (``ours``, ``theirs``) [W] of hash ``key``, or -1."""
    mask = len(table) - 1
    place = np.int64(key >> np.uint64(32)) & mask
    while table[place] >= 0:
        row = table[place]
        same = True
        for word in range(len(ours)):
            same &= alpha[row, word] == ours[word] and beta[row, word] == theirs[word]
        if same:
            return row
        place = (place + 1) & mask
    return -1


def hashes_of(lookup: Lookup, alpha: Array, beta: Array) -> Array:
    """Return the hashes uint64 [C] of determinants [C, W]."""
    found: Array = string_hashes(alpha, lookup.zobrist[0]) ^ string_hashes(beta, lookup.zobrist[1])
    return found


def places(lookup: Lookup, alpha: Array, beta: Array, ours: Array, theirs: Array) -> Array:
    """Return the row of the sample (``alpha``, ``beta``) that each determinant (``ours``, ``theirs``) is, or -1."""
    return _find_all(lookup.table, alpha, beta, hashes_of(lookup, ours, theirs), ours, theirs)


@njit(cache=True)
def _find_all(
    table: Array, alpha: Array, beta: Array, keys: Array, ours: Array, theirs: Array
) -> Array:  # pragma: no cover - compiled
    found = np.empty(len(keys), np.int64)
    for at in range(len(keys)):
        found[at] = find(table, alpha, beta, keys[at], ours[at], theirs[at])
    return found
