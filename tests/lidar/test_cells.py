"""What a filter dropped inside true boxes (R_inbox), counted by hand on one small frame."""

import numpy as np
import pytest
from frames_for_tests import frame_of

from effbench.errors import BadInput
from effbench.lidar.cells import DROPPED, EMPTY, KEPT, CellStates
from effbench.tasks.lidar_detection.packing import packed, unpacked
from effbench.tasks.lidar_detection.scoring import frame_scalars

ROWS = (
    "kd..d",
    "d..dk",
    "..k.d",
    "d....",
)
"""Cells of 1 m; rows grow with y from -2, columns with x from 10: the first centre is (10.5, -1.5)."""
CELLS = CellStates(
    np.array([[{".": EMPTY, "k": KEPT, "d": DROPPED}[letter] for letter in row] for row in ROWS], np.uint8),
    (10.0, -2.0),
    (1.0, 1.0),
)
SQUARE = [11.0, -1.0, 50.0, 2.0, 2.0, 1.5, 0.0]
"""Over x 10 to 12, y -2 to 0: kd / d. - three occupied, two dropped. Its height above ground changes nothing."""
ACROSS = [14.5, 1.0, 0.0, 4.0, 1.0, 1.5, np.pi / 2]
"""4 m along y after its turn, x 14 to 15, y -1 to 3: of the last column k, d and an empty one - two occupied, one dropped."""


@pytest.mark.parametrize(
    ("boxes", "lost"),
    [
        ([SQUARE], 2 / 3),
        ([ACROSS], 1 / 2),
        ([SQUARE, ACROSS], 3 / 5),
        ([SQUARE, SQUARE, ACROSS], 3 / 5),  # a cell in two boxes counts once
        ([[12.0, 0.0, 0.0, 20.0, 20.0, 1.5, 0.3]], 6 / 9),  # all of them
        ([[10.5, -1.5, 0.0, 0.2, 0.2, 1.5, 0.0]], 0.0),  # one that was kept
        ([[11.5, -1.5, 0.0, 0.2, 0.2, 1.5, 0.0]], 1.0),  # one that was dropped
        ([[12.5, -1.5, 0.0, 0.2, 0.2, 1.5, 0.0]], np.nan),  # an empty one
        ([[11.0, -1.0, 0.0, 0.8, 0.8, 1.5, 0.0]], np.nan),  # between the centres
        ([], np.nan),
    ],
)
def test_the_share_lost_in_boxes_is_that_of_the_cells_whose_centres_they_hold(boxes, lost):
    boxes = np.array(boxes, np.float64).reshape(-1, 7)
    for cells in (CELLS, unpacked(packed(CELLS))):
        assert cells.dropped_in_boxes(boxes) == pytest.approx(lost, nan_ok=True)
        assert cells.dropped_share() == pytest.approx(6 / 9)


def test_the_task_looks_into_boxes_of_the_classes_that_are_judged_alone():
    frame = frame_of(("Car", 11, -1), ("Van", 14.5, 1))
    frame.boxes[:] = [SQUARE, ACROSS]
    found = frame_scalars(frame, {"cells": CELLS})
    assert found["r_inbox_cells"] == pytest.approx(2 / 3) and found["dropped_cells"] == pytest.approx(6 / 9)
    assert np.isnan(found["r_inbox_voxels"]) and np.isnan(found["dropped_voxel_columns"])  # nothing was told of voxels
    nothing = CellStates(np.zeros((2, 2), np.uint8), (0.0, 0.0), (1.0, 1.0))
    assert np.isnan(nothing.dropped_share()) and np.isnan(nothing.dropped_in_boxes(frame.boxes))


def test_states_of_another_kind_are_refused():
    with pytest.raises(BadInput, match=r"cells are int64 \[2, 2\]; uint8 \[rows, columns\] is needed"):
        CellStates(np.zeros((2, 2), np.int64), (0.0, 0.0), (1.0, 1.0))
