"""Compiled look-ups between sorted sites of grids too large for a bit a cell (``bitmap``): two lists are merged.

A key is a cell's number, ((batch * Z + z) * Y + y) * X + x, in int64; sites lie in the order of their keys. At a fixed tap
the output that an input meets grows with the input, so that nothing is searched. Two axes are three of which the first has
extent 1.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit


@njit(cache=True)
def keys_of(cells: Array, shape: Array) -> Array:  # pragma: no cover - compiled
    """Return the int64 key of each cell (batch, z, y, x) of int32 [N, 4]."""
    keys = np.empty(len(cells), np.int64)
    for i in range(len(cells)):
        key = np.int64(cells[i, 0])
        for axis in range(3):
            key = key * shape[axis] + cells[i, 1 + axis]
        keys[i] = key
    return keys


@njit(cache=True)
def cells_of(keys: Array, shape: Array) -> Array:  # pragma: no cover - compiled
    """Return the cell (batch, z, y, x) of each key, int32 [N, 4]."""
    cells = np.empty((len(keys), 4), np.int32)
    for i in range(len(keys)):
        key = keys[i]
        for axis in range(2, -1, -1):
            rest = key // shape[axis]
            cells[i, 1 + axis] = key - rest * shape[axis]
            key = rest
        cells[i, 0] = key
    return cells


@njit(cache=True)
def met(kernel: int, stride: int, padding: int, dilation: int, inputs: int, outputs: int) -> Array:  # pragma: no cover
    """Return int32 [kernel, inputs]: the output cell that an input cell meets at a tap of one axis, or -1."""
    found = np.full((kernel, inputs), -1, np.int32)
    for tap in range(kernel):
        for cell in range(inputs):
            along = cell + padding - tap * dilation
            if along >= 0 and along % stride == 0 and along // stride < outputs:
                found[tap, cell] = along // stride
    return found


@njit(cache=True)
def hit(cells: Array, met_z: Array, met_y: Array, met_x: Array, shape: Array) -> Array:  # pragma: no cover - compiled
    """Return the keys of all outputs that any input meets at any tap, with repetitions and in no order."""
    count = 0
    for emit in range(2):  # counted, then written
        if emit:
            keys = np.empty(count, np.int64)
            count = 0
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
                            if emit:
                                keys[count] = row + x
                            count += 1
    return keys


@njit(cache=True)
def sources(
    cells: Array, keys: Array, met_z: Array, met_y: Array, met_x: Array, shape: Array
) -> Array:  # pragma: no cover - compiled
    """Return the input of each output at each tap, int32 [taps, outputs], -1 for none.

    ``cells`` are the inputs', ``keys`` the outputs'.
    """
    taps = len(met_z) * len(met_y) * len(met_x)
    source = np.full((taps, len(keys)), -1, np.int32)
    for tap in range(taps):
        c, rest = tap % len(met_x), tap // len(met_x)
        b, a = rest % len(met_y), rest // len(met_y)
        o = 0
        for i in range(len(cells)):
            z, y, x = met_z[a, cells[i, 1]], met_y[b, cells[i, 2]], met_x[c, cells[i, 3]]
            if (z | y | x) < 0:
                continue
            key = ((np.int64(cells[i, 0]) * shape[0] + z) * shape[1] + y) * shape[2] + x
            while o < len(keys) and keys[o] < key:
                o += 1
            if o == len(keys):
                break
            if keys[o] == key:
                source[tap, o] = i
    return source


@njit(cache=True)
def targets(source: Array, inputs: int) -> Array:  # pragma: no cover - compiled
    """Return the output of each input at each tap, int32 [taps, inputs], of the input of each output."""
    target = np.full((len(source), inputs), -1, np.int32)
    for tap in range(len(source)):
        for o in range(source.shape[1]):
            i = source[tap, o]
            if i >= 0:
                target[tap, i] = o
    return target
