"""Compiled look-ups between sorted sites by a bit for every cell: a site's row is the number of bits before its own.

Of 64 cells, one word says which are occupied and one number how many are before them. That is small enough to stay in a
cache, and a look-up is a few instructions without a branch, whether it hits or not.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit

ONE, SIX = np.uint64(1), np.uint64(6)
"""Of the type of the words: with a signed number, numba would make a float of them."""
WORD = 64
"""Cells of a word, 2 to the SIX."""


@njit(cache=True)
def popcount(x: np.uint64) -> np.uint64:  # pragma: no cover - compiled
    """Return how many bits of a word are set; LLVM knows these lines and makes one instruction of them."""
    x = x - ((x >> ONE) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit(cache=True)
def occupied(keys: Array, cells: int) -> Array:  # pragma: no cover - compiled
    """Return the words uint64 of the cells of keys, in any order."""
    words = np.zeros(cells // WORD + 1, np.uint64)
    for i in range(len(keys)):
        words[keys[i] >> 6] |= ONE << np.uint64(keys[i] & 63)
    return words


@njit(cache=True)
def before(words: Array) -> Array:  # pragma: no cover - compiled
    """Return how many bits are set before each word, int32."""
    ranks = np.empty(len(words), np.int32)
    total = np.int64(0)
    for w in range(len(words)):
        ranks[w] = total
        total += np.int64(popcount(words[w]))
    return ranks


@njit(cache=True)
def keys_in(words: Array, ranks: Array) -> Array:  # pragma: no cover - compiled
    """Return the keys int64 of the set bits, in order."""
    count = 0 if len(words) == 0 else ranks[-1] + np.int64(popcount(words[-1]))
    keys = np.empty(count, np.int64)
    at = 0
    for w in range(len(words)):
        word = words[w]
        while word != 0:
            lowest = word & (~word + ONE)
            keys[at] = w * WORD + np.int64(popcount(lowest - ONE))
            at += 1
            word ^= lowest
    return keys


@njit(cache=True)
def ranks_of(keys: Array, words: Array, ranks: Array) -> Array:  # pragma: no cover - compiled
    """Return how many occupied cells are before each key, int32: the row of a key's site."""
    found = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        w, bit = keys[i] >> 6, np.uint64(keys[i] & 63)
        found[i] = ranks[w] + np.int64(popcount(words[w] & ((ONE << bit) - ONE)))
    return found


@njit(cache=True)
def hit(cells: Array, met_z: Array, met_y: Array, met_x: Array, shape: Array, total: int) -> Array:  # pragma: no cover
    """Return the words of all outputs that any input meets at any tap; ``cells`` are the inputs'."""
    words = np.zeros(total // WORD + 1, np.uint64)
    for i in range(len(cells)):
        for a in range(len(met_z)):
            z = met_z[a, cells[i, 1]]
            if z < 0:
                continue
            for b in range(len(met_y)):
                y = met_y[b, cells[i, 2]]
                if y < 0:
                    continue
                row = ((cells[i, 0] * shape[0] + z) * shape[1] + y) * shape[2]
                for c in range(len(met_x)):
                    x = met_x[c, cells[i, 3]]
                    if x >= 0:
                        words[(row + x) >> 6] |= ONE << np.uint64((row + x) & 63)
    return words


@njit(cache=True)
def sources(
    outputs: Array,
    words: Array,
    ranks: Array,
    shape: Array,
    kernel: Array,
    stride: Array,
    padding: Array,
    dilation: Array,
) -> Array:  # pragma: no cover - compiled
    """Return the input of each output at each tap, int32 [taps, outputs], -1 for none.

    ``outputs`` int32 [4, N] are cells (batch, z, y, x), ``shape`` is that of the inputs' grid, and the words are theirs.
    """
    taps = kernel[0] * kernel[1] * kernel[2]
    source = np.empty((taps, outputs.shape[1]), np.int32)
    batch, column_z, column_y, column_x = outputs[0], outputs[1], outputs[2], outputs[3]
    # Numbers of their own: what lies in an array is read again after each store, which could have changed it.
    size_z, size_y, size_x = shape[0], shape[1], shape[2]
    step_z, step_y, step_x = stride[0], stride[1], stride[2]
    for tap in range(taps):
        c, rest = tap % kernel[2], tap // kernel[2]
        b, a = rest % kernel[1], rest // kernel[1]
        ahead_z, ahead_y = a * dilation[0] - padding[0], b * dilation[1] - padding[1]
        ahead_x = c * dilation[2] - padding[2]
        row = source[tap]
        for o in range(len(row)):
            z, y, x = column_z[o] * step_z + ahead_z, column_y[o] * step_y + ahead_y, column_x[o] * step_x + ahead_x
            inside = (z >= 0) & (z < size_z) & (y >= 0) & (y < size_y) & (x >= 0) & (x < size_x)
            cell = ((batch[o] * size_z + z) * size_y + y) * size_x + x
            key = np.uint64(cell if inside else 0)
            word, bit = words[key >> SIX], key & np.uint64(63)
            rank = ranks[key >> SIX] + np.int64(popcount(word & ((ONE << bit) - ONE)))
            there = inside & (((word >> bit) & ONE) != 0)
            row[o] = rank if there else -1
    return source


@njit(cache=True)
def met_by_inputs(
    cells: Array, met_z: Array, met_y: Array, met_x: Array, shape: Array, words: Array, ranks: Array, outputs: int
) -> tuple[Array, Array]:  # pragma: no cover - compiled
    """Return (input of each output, output of each input), int32 [taps, N] each, -1 for none.

    ``cells`` are the inputs', the words those of the outputs' grid. With a stride few taps of an input lie on an output:
    only those are looked up.
    """
    taps = len(met_z) * len(met_y) * len(met_x)
    source = np.full((taps, outputs), -1, np.int32)
    target = np.full((taps, len(cells)), -1, np.int32)
    for i in range(len(cells)):
        for a in range(len(met_z)):
            z = met_z[a, cells[i, 1]]
            if z < 0:
                continue
            for b in range(len(met_y)):
                y = met_y[b, cells[i, 2]]
                if y < 0:
                    continue
                row = ((cells[i, 0] * shape[0] + z) * shape[1] + y) * shape[2]
                for c in range(len(met_x)):
                    x = met_x[c, cells[i, 3]]
                    if x < 0:
                        continue
                    word, bit = words[(row + x) >> 6], np.uint64((row + x) & 63)
                    if (word >> bit) & ONE:
                        o = ranks[(row + x) >> 6] + np.int64(popcount(word & ((ONE << bit) - ONE)))
                        tap = (a * len(met_y) + b) * len(met_x) + c
                        source[tap, o] = i
                        target[tap, i] = o
    return source, target
