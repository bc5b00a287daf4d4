"""The system of ``lidar-detection``: a detector, and what it says of the cells that it dropped on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from effbench.api import System
from effbench.arrays import Array
from effbench.lidar.cells import DROPPED, EMPTY, KEPT, CellStates
from effbench.lidar.frames import Detections, Frame

PLACES = {"voxels": "voxels, before the bird's-eye view", "cells": "cells of the bird's-eye view"}
"""Where a filter may drop: among the voxels of the 3D backbone (whole columns), among the cells of the 2D backbone."""


@dataclass(frozen=True)
class LidarSystem(System):
    """A detector with what names it.

    Args:
        detector: a torch module with ``detect(frames) -> list[Detections]`` and ``config`` (its ``grid`` and ``stride``).
            What its ``filter`` dropped of the last frame stands in ``filter.dropped``: entries with ``point`` (the insertion
            point; those among the cells begin with "bev"), ``valid`` and ``kept``, bool [B, rows, columns] of BEV cells.
        name: what results call it.
        classes: what its labels are positions in.
        sees_truth: an oracle, which is shown the labels too: it says what is possible, and is no method.
    """

    detector: Any
    name: str
    classes: tuple[str, ...]
    sees_truth: bool = False

    def modules(self) -> Mapping[str, Any]:
        """Return the detector."""
        return {"detector": self.detector}

    def settings(self) -> Mapping[str, Any]:
        """Return what a prepared artifact is tied to: the detector and its grid."""
        grid = self.detector.config.grid
        return {"detector": self.name, "grid": f"{grid.low} to {grid.high} m by {grid.voxel} m"}

    def shown(self, frame: Frame) -> Frame:
        """Return a frame as the detector may see it: without its labels, unless it is an oracle."""
        return frame if self.sees_truth else frame.select(np.zeros(len(frame.boxes), bool))

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return what is found in each frame."""
        found: list[Detections] = self.detector.detect(frames)
        return found

    def area(self) -> Array:
        """Return what the detector covers: the least x and y and the largest, metres, float64 [4]."""
        grid = self.detector.config.grid
        return np.array([*grid.low[:2], *grid.high[:2]], np.float64)

    def told(self) -> dict[str, CellStates]:
        """Return by place (``PLACES``) the cells of the frame that was detected last; nothing where nothing may be dropped.

        Where a frame passes several insertion points of a place, a cell counts as dropped that one of them dropped.
        """
        entries = getattr(getattr(self.detector, "filter", None), "dropped", None) or ()
        grid = self.detector.config.grid
        found: dict[str, CellStates] = {}
        for entry in entries:
            place = "cells" if str(entry.point).startswith("bev") else "voxels"
            valid, kept = (np.asarray(mask)[-1] for mask in (entry.valid, entry.kept))  # bool [rows, columns]
            states = np.where(valid, np.where(kept, KEPT, DROPPED), EMPTY).astype(np.uint8)
            if place in found:
                states = np.maximum(states, found[place].states)
            sizes = tuple(
                (high - low) / count for low, high, count in zip(grid.low[:2], grid.high[:2], valid.shape[::-1])
            )
            found[place] = CellStates(states, grid.low[:2], (sizes[0], sizes[1]))
        return found
