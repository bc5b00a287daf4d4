"""Bits of strings inside compiled code: counting, finding and flipping them, over any number of words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from effbench.arrays import Array
from effbench.compiled import njit


class Occupation(NamedTuple):
    """How a string fills its orbitals: the ``occupied`` and the ``empty`` ones, and how many are occupied ``before`` each.

    All are int64 [n]; the first two rise, and have as many entries that mean something as there are such orbitals.
    """

    occupied: Array
    empty: Array
    before: Array


@intrinsic
def popcount(typing_context: Any, word: Any) -> Any:  # pragma: no cover - compiled
    """Return how many bits of an unsigned word are set, as an int64; one machine instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, builder.ctpop(arguments[0]), signature.args[0], signature.return_type)

    return types.int64(word), generate


@njit(cache=True, inline="always")
def occupied(words: Array, orbital: int) -> bool:  # pragma: no cover - compiled
    """Return whether an orbital of the string [W] holds an electron."""
    return (words[orbital >> 6] >> np.uint64(orbital & 63)) & np.uint64(1) != np.uint64(0)


@njit(cache=True, inline="always")
def flip(words: Array, orbital: int) -> None:  # pragma: no cover - compiled
    """Fill or empty an orbital of the string [W]."""
    words[orbital >> 6] ^= np.uint64(1) << np.uint64(orbital & 63)


@njit(cache=True)
def differing(ours: Array, theirs: Array, out: Array) -> int:  # pragma: no cover - compiled
    """List the orbitals set in ``ours`` and not in ``theirs``, rising; return how many, at most ``len(out)`` listed."""
    found = 0
    for word in range(len(ours)):
        left = ours[word] & ~theirs[word]
        while left != np.uint64(0):
            lowest = left & (~left + np.uint64(1))
            if found < len(out):
                out[found] = 64 * word + popcount(lowest - np.uint64(1))
            found += 1
            left ^= lowest
    return found


@njit(cache=True)
def unfilled(orbitals: int) -> Occupation:  # pragma: no cover - compiled
    """Return memory for how a string of so many orbitals is filled."""
    return Occupation(np.empty(orbitals, np.int64), np.empty(orbitals, np.int64), np.empty(orbitals, np.int64))


@njit(cache=True)
def fill(into: Occupation, words: Array) -> None:  # pragma: no cover - compiled
    """Write how a string [W] fills its orbitals."""
    full, empty, before = into
    n_full, n_empty = 0, 0
    for p in range(len(before)):
        before[p] = n_full
        if occupied(words, p):
            full[n_full] = p
            n_full += 1
        else:
            empty[n_empty] = p
            n_empty += 1
