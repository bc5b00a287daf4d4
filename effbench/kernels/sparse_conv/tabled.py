"""Compiled look-ups between sorted sites of small grids, for windows that do not step: a row number for every cell.

The table has room around each grid for as far as a window reaches, so that no look-up asks where the border is: the cell that
a tap reads lies a fixed distance from the output's. What is quickest for a map from above, where a good share of the cells
is occupied, and in grids in which the lines of the table that are touched stay in a cache; else there is ``bitmap``.
"""

from __future__ import annotations

import threading

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit


@njit(cache=True)
def places(keys: Array, shape: Array, room: Array) -> Array:  # pragma: no cover - compiled
    """Return where cells lie in grids of extents ``room`` instead of ``shape``, int32 [N]; keys are in order."""
    found = np.empty(len(keys), np.int32)
    row, end, base = (
        np.int64(0),
        shape[2],
        np.int64(0),
    )  # a row of cells along x: the keys behind it, its place less its key
    for i in range(len(keys)):
        key = keys[i]
        if key >= end:
            row = key // shape[2]
            end = (row + 1) * shape[2]
            plane, y = row // shape[1], row % shape[1]
            batch, z = plane // shape[0], plane % shape[0]
            base = ((batch * room[0] + z) * room[1] + y) * room[2] - row * shape[2]
        found[i] = key + base
    return found


@njit(cache=True)
def write_rows(
    rows: Array, keys: Array, shape: Array, room: Array, before: Array, emptied: bool
) -> None:  # pragma: no cover - compiled
    """Write the row of each cell into a table of the grids with room around them, or -1 again once it was ``emptied``."""
    ahead = (before[0] * room[1] + before[1]) * room[2] + before[2]
    at = places(keys, shape, room)
    for i in range(len(keys)):
        rows[at[i] + ahead] = -1 if emptied else i


@njit(cache=True)
def sources(
    rows: Array, at: Array, room: Array, kernel: Array, dilation: Array
) -> Array:  # pragma: no cover - compiled
    """Return the input of each output at each tap, int32 [taps, outputs], -1 for none; ``at``: ``places`` of the outputs."""
    source = np.empty((kernel[0] * kernel[1] * kernel[2], len(at)), np.int32)
    for tap in range(len(source)):
        c, rest = tap % kernel[2], tap // kernel[2]
        b, a = rest % kernel[1], rest // kernel[1]
        ahead = np.int32((a * dilation[0] * room[1] + b * dilation[1]) * room[2] + c * dilation[2])
        row = source[tap]
        for o in range(len(row)):
            row[o] = rows[np.uint32(at[o] + ahead)]
    return source


@njit(cache=True)
def reached(rows: Array, room: Array, kernel: Array, dilation: Array) -> Array:  # pragma: no cover - compiled
    """Return uint8, 1 at each place whose window over ``rows`` has an input, axis by axis.

    What a window reads across a border of the table counts too: no output lies there.
    """
    found = (rows >= 0).astype(np.uint8)
    steps = (room[1] * room[2], room[2], np.int64(1))
    for axis in range(3):
        step = dilation[axis] * steps[axis]
        single = found.copy()
        for tap in range(1, kernel[axis]):
            behind = single[tap * step :]
            front = found[: len(behind)]
            for i in range(len(front)):
                front[i] |= behind[i]
    return found


@njit(cache=True)
def keys_reached(found: Array, shape: Array, room: Array, batch: int) -> tuple[Array, Array]:  # pragma: no cover
    """Return (keys int64, places int32) of the outputs of grids of ``shape`` that are reached, in order."""
    keys = np.empty(batch * shape[0] * shape[1] * shape[2] + 1, np.int64)
    at = np.empty(len(keys), np.int32)
    count, key = 0, np.int64(0)
    for b in range(batch):
        for z in range(shape[0]):
            for y in range(shape[1]):
                place = ((b * room[0] + z) * room[1] + y) * room[2]
                for x in range(shape[2]):  # written at each cell, counted at those that are reached: no branch to miss
                    keys[count], at[count] = key + x, place + x
                    count += int(found[place + x])
                key += shape[2]
    return keys[:count].copy(), at[:count].copy()


@njit(cache=True)
def onto_what_is_hit(
    rows: Array, keys: Array, shape: Array, outputs: Array, kernel: Array, padding: Array, dilation: Array, batch: int
) -> tuple[Array, Array]:  # pragma: no cover - compiled
    """Return (keys int64 of the outputs that an input hits, their sources); ``outputs`` is the shape of their grids.

    ``rows`` is an ``empty_table``, and is one again afterwards.
    """
    room = room_of(shape, outputs, kernel, padding, dilation)
    table = rows[: batch * room[0] * room[1] * room[2]]
    write_rows(table, keys, shape, room, padding, False)
    found, at = keys_reached(reached(table, room, kernel, dilation), outputs, room, batch)
    source = sources(table, at, room, kernel, dilation)
    write_rows(table, keys, shape, room, padding, True)
    return found, source


@njit(cache=True)
def onto_others(
    rows: Array,
    keys: Array,
    others: Array,
    shape: Array,
    outputs: Array,
    kernel: Array,
    padding: Array,
    dilation: Array,
) -> Array:  # pragma: no cover - compiled
    """Return the sources of given outputs, whose keys are ``others``; ``rows`` as above."""
    room = room_of(shape, outputs, kernel, padding, dilation)
    write_rows(rows, keys, shape, room, padding, False)
    source = sources(rows, places(others, outputs, room), room, kernel, dilation)
    write_rows(rows, keys, shape, room, padding, True)
    return source


@njit(cache=True)
def room_of(
    shape: Array, outputs: Array, kernel: Array, padding: Array, dilation: Array
) -> Array:  # pragma: no cover - compiled
    """Return the extents that hold the inputs behind their padding and all that the outputs' windows read."""
    return np.maximum(shape + padding, outputs + dilation * (kernel - 1))


_held = threading.local()


def empty_table(cells: int) -> Array:
    """Return a table int32 of -1 with room for so many cells, this thread's own.

    It is kept, since to empty one takes longer than all else; what is written must be taken back.
    """
    if getattr(_held, "rows", None) is None or len(_held.rows) < cells:
        _held.rows = np.full(cells, -1, np.int32)
    rows: Array = _held.rows
    return rows
