"""What it costs to choose cells: operations of the compiled loops of ``cell_loops``, counted as they run.

An operation is an addition, a comparison, a division or a power; a store or a copy is none, and moves bytes. What depends
on the values (how far a row is looked through, which squares hold anything) is counted on the values of the call.
"""

from __future__ import annotations

from typing import Any

from effbench.kernels.cost import Cost, register
from effbench.kernels.operands import operand_bytes
from effbench.lidar.detector.filtering import CHOICE

PER_CELL_OF_KEY = 4
"""Operations that give a voxel's BEV cell: its key is compared with the end of its line, shifted, divided and added. What a
line of voxels needs once is left out: six operations for some ten voxels."""
PER_SELECTED = 3
"""Comparisons per value by which ``numpy.partition`` finds the k-th: what Hoare's FIND needs on average over all k. With the
median of three as pivot it is 2.5 (Kirschenhofer, Prodinger, Martinez 1997, Random Structures and Algorithms)."""
PER_DENSE_SQUARE = 3
"""Operations for each square with an occupied cell: its share, eps, the power."""


def occupancy_flops(keys: Any, *, out: Any) -> int:
    """Return the operations that find the cell of each key [N]; marking it is a store."""
    return PER_CELL_OF_KEY * len(keys)


def active_flops(keys: Any, features: Any, *, out: Any) -> int:
    """Return the comparisons with zero of features [N, C]: of each row up to the first channel that is another."""
    nonzero = features != 0
    seen, found = nonzero.int().argmax(1) + 1, nonzero.any(1)
    return int(seen[found].sum()) + int((~found).sum() * features.shape[1])


def density_flops(scores: Any, valid: Any, window: int, *, out: Any) -> int:
    """Return the operations of ``divided_by_density``.

    Each cell of ``valid`` [B, H, W] is added once; a square that holds any takes ``PER_DENSE_SQUARE``, and a product and a
    division for each of its cells.
    """
    squares = cells = 0
    rows, columns = valid.shape[1:]
    for top in range(0, rows, window):
        for left in range(0, columns, window):
            square = valid[:, top : top + window, left : left + window].flatten(1)
            held = int(square.any(1).sum())
            squares, cells = squares + held, cells + held * square.shape[1]
    return int(valid.numel()) + PER_DENSE_SQUARE * squares + 2 * cells


def top_k_flops(scores: Any, valid: Any, keep: float, *, out: Any) -> int:
    """Return the operations of ``best_of_each`` over scores [B, cells].

    Every cell is asked whether it is occupied, and once more where any stays. Then, of the n occupied ones of a frame: the
    last that stays is selected; all are compared with it and the comparisons added; all are compared again to be taken, those
    not above it for being its equal too, its equals with how many are left of them, and each that is taken counts that down.
    """
    total = 0
    for ranked, occupied, kept in zip(scores.flatten(1), valid.flatten(1), out.flatten(1), strict=True):
        n, left = int(occupied.sum()), int(kept.sum())
        total += int(occupied.numel())
        if left:
            last = ranked[kept].min()
            above, equals = int((ranked[occupied] > last).sum()), int((ranked[occupied] == last).sum())
            total += int(occupied.numel()) + PER_SELECTED * n + 2 * n + n + (n - above) + equals + (left - above)
    return total


def taken_flops(keys: Any, kept: Any, *, out: Any) -> int:
    """Return the operations by which rows [N] of kept cells are listed: the cell of each, and the count that it adds to."""
    return (PER_CELL_OF_KEY + 1) * len(keys)


def bytes_moved(*operands: Any, out: Any) -> int:
    """Return the bytes of tensors, read once, and of what comes out, written."""
    return operand_bytes(*operands, out)


COSTS = {
    "occupancy": Cost(occupancy_flops, bytes_moved, "int64"),
    "active": Cost(active_flops, bytes_moved, "float32"),
    "density": Cost(density_flops, bytes_moved, "float32"),
    "top-k": Cost(top_k_flops, bytes_moved, "float32"),
    "taken": Cost(taken_flops, bytes_moved, "int64"),
}
"""Loop -> cost, recorded as ``CHOICE/LOOP``."""


def register_all() -> None:
    """Register the cost of every loop."""
    for name, cost in COSTS.items():
        register(f"{CHOICE}/{name}", cost)
