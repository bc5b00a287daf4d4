"""States of cells as one small array: a bit per cell and state, where they lie in front."""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.lidar.cells import DROPPED, EMPTY, KEPT, CellStates

HEADER = 6
"""Numbers before the bits: rows, columns, x and y of the first corner, size of a cell along x and y."""


def packed(cells: CellStates) -> Array:
    """Return cells as uint8 [bytes]: the header's float64, then the bits of occupied and of dropped ones."""
    header = np.array([*cells.states.shape, *cells.low, *cells.size_m], np.float64)
    bits = np.packbits(np.stack([cells.states != EMPTY, cells.states == DROPPED]))
    return np.concatenate([np.frombuffer(header.tobytes(), np.uint8), bits])


def unpacked(array: Array) -> CellStates:
    """Return what ``packed`` was given."""
    split = HEADER * np.dtype(np.float64).itemsize
    rows, columns, *where = np.frombuffer(array[:split].tobytes(), np.float64)
    count = int(rows * columns)
    bits = np.unpackbits(array[split:])[: 2 * count].reshape(2, int(rows), int(columns)).astype(bool)
    states = np.where(bits[0], np.where(bits[1], DROPPED, KEPT), EMPTY).astype(np.uint8)
    return CellStates(states, (where[0], where[1]), (where[2], where[3]))
