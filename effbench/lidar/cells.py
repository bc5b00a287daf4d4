"""What a method that drops parts of a frame says of it: BEV cells that were empty, kept and dropped.

The share of occupied cells inside true boxes that was dropped (R_inbox, as Ada3D's authors call it) needs no training of a
head to be known, and says whether a filter hits what is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput

EMPTY, KEPT, DROPPED = 0, 1, 2
"""States of a cell; the numbers are ours."""


@dataclass(frozen=True)
class CellStates:
    """The BEV cells of one frame at one place in a detector.

    Args:
        states: uint8 ``[rows, columns]`` of ``EMPTY``, ``KEPT``, ``DROPPED``; rows grow with y, columns with x.
        low: x and y of the first cell's outer corner, metres.
        size_m: side of a cell along x and y, metres.
    """

    states: Array
    low: tuple[float, float]
    size_m: tuple[float, float]

    def __post_init__(self) -> None:
        if self.states.ndim != 2 or self.states.dtype != np.uint8:
            raise BadInput(f"cells are {self.states.dtype} {list(self.states.shape)}; uint8 [rows, columns] is needed")

    def centres(self) -> Array:
        """Return x and y of the cells' centres: float64 [rows, columns, 2]."""
        rows, columns = self.states.shape
        x = self.low[0] + (np.arange(columns) + 0.5) * self.size_m[0]
        y = self.low[1] + (np.arange(rows) + 0.5) * self.size_m[1]
        return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), -1)

    def inside(self, boxes: Array) -> Array:
        """Return which cells have their centre in the footprint of one of the boxes [m, 7]: bool [rows, columns]."""
        found = np.zeros(self.states.shape, bool)
        centres = self.centres()
        for x, y, _, dx, dy, _, heading in boxes:
            east, north = centres[..., 0] - x, centres[..., 1] - y
            cos, sin = np.cos(heading), np.sin(heading)
            found |= (np.abs(cos * east + sin * north) <= dx / 2) & (np.abs(cos * north - sin * east) <= dy / 2)
        return found

    def dropped_in_boxes(self, boxes: Array) -> float:
        """Return R_inbox: of the occupied cells inside true boxes [m, 7], the share that was dropped; NaN where none is."""
        states = self.states[self.inside(boxes)]
        occupied = int((states != EMPTY).sum())
        return float((states == DROPPED).sum() / occupied) if occupied else float("nan")

    def dropped_share(self) -> float:
        """Return the share of occupied cells that was dropped; NaN where none is occupied."""
        occupied = int((self.states != EMPTY).sum())
        return float((self.states == DROPPED).sum() / occupied) if occupied else float("nan")
