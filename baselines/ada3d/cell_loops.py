"""Compiled loops over BEV cells: which are occupied, which of them stay, and what reaches the predictor of their voxels.

``selecting.py`` and ``importance.py`` say what each computes; tests compare these with torch's own words.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit


@njit(cache=True)
def cells_of_keys(keys: Array, shape: Array, stride: int) -> Array:  # pragma: no cover - compiled
    """Return the flat BEV cell int32 [N], over all frames, of sorted keys on grids of ``shape`` (z, y, x)."""
    rows, columns = shape[1] // stride, shape[2] // stride
    cells = np.empty(len(keys), np.int32)
    line, end, base = np.int64(0), np.int64(0), np.int64(0)
    for i in range(len(keys)):
        if keys[i] >= end:  # a line of voxels along x: one division for all of it
            line = keys[i] // shape[2]
            end = (line + 1) * shape[2]
            base = (line // (shape[0] * shape[1]) * rows + line % shape[1] // stride) * columns
        cells[i] = base + (keys[i] - line * shape[2]) // stride
    return cells


@njit(cache=True)
def marked(cells: Array, count: int) -> Array:  # pragma: no cover - compiled
    """Return bool [count]: is any of the cells this one."""
    found = np.zeros(count, np.bool_)
    for cell in cells:
        found[cell] = True
    return found


@njit(cache=True)
def marked_if_active(keys: Array, features: Array, count: int) -> Array:  # pragma: no cover - compiled
    """Return bool [count]: has the row of this cell a channel other than zero."""
    found = np.zeros(count, np.bool_)
    for i in range(len(keys)):
        for value in features[i]:
            if value != 0:
                found[keys[i]] = True
                break
    return found


@njit(cache=True)
def divided_by_density(
    scores: Array, valid: Array, window: int, alpha: float, eps: float
) -> Array:  # pragma: no cover - compiled
    """Return scores [B, H, W] * valid / (occupied share of the cell's square of ``window`` cells + eps)^alpha."""
    batch, rows, columns = valid.shape
    out = np.zeros(valid.shape, np.float32)
    high, wide = (rows + window - 1) // window, (columns + window - 1) // window
    for b in range(batch):
        for tile in range(high * wide):
            top, left = tile // wide * window, tile % wide * window
            bottom, right = min(top + window, rows), min(left + window, columns)
            held = 0
            for y in range(top, bottom):
                for x in range(left, right):
                    held += valid[b, y, x]
            if held:
                share = np.float32(held) / np.float32((bottom - top) * (right - left))
                factor = np.float32((share + np.float32(eps)) ** np.float32(alpha))
                for y in range(top, bottom):
                    for x in range(left, right):
                        out[b, y, x] = scores[b, y, x] * np.float32(valid[b, y, x]) / factor
    return out


@njit(cache=True)
def best_of_each(scores: Array, valid: Array, keep: float) -> Array:  # pragma: no cover - compiled
    """Return bool [B, cells]: the ``floor(keep * n)`` best of each frame's n occupied cells; of equal ones the first.

    The score of the last one that stays is found in linear time; then one pass takes all above it, and as many of its equals
    as are left.
    """
    kept = np.zeros(valid.shape, np.bool_)
    found = np.empty(valid.shape[1], scores.dtype)
    for b in range(len(valid)):
        n = 0
        for cell in range(valid.shape[1]):
            if valid[b, cell]:
                found[n] = scores[b, cell]
                n += 1
        count = int(keep * n + 1e-9)  # 0.29 * 100 is 28.999... in floats
        if count == 0:
            continue
        last = np.partition(found[:n], n - count)[n - count]
        above = 0
        for i in range(n):
            above += found[i] > last
        equals = count - above
        for cell in range(valid.shape[1]):
            if valid[b, cell]:
                if scores[b, cell] > last:
                    kept[b, cell] = True
                elif scores[b, cell] == last and equals > 0:
                    kept[b, cell] = True
                    equals -= 1
    return kept


@njit(cache=True)
def taken(kept: Array, cells: Array) -> Array:  # pragma: no cover - compiled
    """Return the rows int64 whose cell is kept."""
    rows = np.empty(len(cells) + 1, np.int64)
    count = 0
    for i in range(len(cells)):
        rows[count] = i
        count += int(kept[cells[i]])
    return rows[:count].copy()


@njit(cache=True)
def add_columns(
    keys: Array, features: Array, weight: Array, shape: Array, stride: int, planes: Array, side: int
) -> int:  # pragma: no cover - compiled
    """Add to ``planes`` what ``importance.adapted_voxels`` gives of voxels; return how many pooled voxels there are.

    ``planes`` [B, H + 2, 8, row], with ``side`` numbers before the first cell of a row; ``weight`` [C, 8] is the adapter's.
    """
    depth, rows, columns = shape[0] // stride, shape[1] // stride, shape[2] // stride
    cells = cells_of_keys(keys, shape, stride)
    slots = np.full(planes.shape[0] * depth * rows * columns, -1, np.int32)
    pooled = np.empty((len(keys), features.shape[1]), np.float32)
    cell_of = np.empty(len(keys), np.int32)
    count = 0
    layer, end = np.int64(0), np.int64(0)
    for i in range(len(keys)):
        if keys[i] >= end:
            plane = keys[i] // (shape[1] * shape[2])
            end, layer = (plane + 1) * shape[1] * shape[2], plane % shape[0] // stride
        if layer >= depth:  # what a window that is not whole would pool
            continue
        slot = cells[i] * depth + layer
        if slots[slot] < 0:
            slots[slot], cell_of[count] = count, cells[i]
            pooled[count] = features[i]
            count += 1
        else:
            held = pooled[slots[slot]]
            for c in range(len(held)):
                held[c] = features[i, c] if features[i, c] > held[c] else held[c]
    out = np.zeros(weight.shape[1], np.float32)
    for p in range(count):
        out[:] = 0
        for c in range(len(weight)):
            value = pooled[p, c]
            for k in range(len(out)):
                out[k] += value * weight[c, k]
        add_to_plane(planes, side, cell_of[p], rows, columns, out)
    return count


@njit(cache=True)
def add_rows(
    keys: Array, adapted: Array, planes: Array, side: int, rows: int, columns: int
) -> None:  # pragma: no cover
    """Add rows [N, 8] of BEV cells to ``planes``, as ``add_columns`` has them."""
    for i in range(len(keys)):
        add_to_plane(planes, side, keys[i], rows, columns, adapted[i])


@njit(cache=True)
def add_to_plane(
    planes: Array, side: int, cell: int, rows: int, columns: int, values: Array
) -> None:  # pragma: no cover - compiled
    """Add the values [8] of a flat cell."""
    line = cell // columns
    b, y, x = line // rows, line % rows, cell % columns
    for k in range(len(values)):
        planes[b, y + 1, k, x + side] += values[k]
