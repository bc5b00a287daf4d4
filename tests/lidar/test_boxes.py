import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.errors import BadInput
from effbench.lidar.boxes import bev_iou, iou_3d, nms_bev, overlaps, points_in_boxes


def box(x=0.0, y=0.0, z=0.0, dx=1.0, dy=1.0, dz=1.0, heading=0.0):
    return np.array([[x, y, z, dx, dy, dz, heading]])


a_box = st.tuples(
    *[st.floats(-2, 2)] * 3, *[st.floats(0.2, 4)] * 3, st.floats(-7, 7)
).map(lambda values: np.array([values]))  # fmt: skip


@pytest.mark.parametrize("heading", [0.0, 0.3, math.pi / 4, 2.0, -9.0])
def test_a_box_overlaps_itself_wholly(heading):
    same = box(3, -2, 1, 4, 1.6, 1.5, heading)
    assert bev_iou(same, same)[0, 0] == pytest.approx(1, abs=1e-12)
    assert iou_3d(same, same)[0, 0] == pytest.approx(1, abs=1e-12)
    turned = same + np.eye(7)[6] * math.pi
    assert iou_3d(same, turned)[0, 0] == pytest.approx(1, abs=1e-12)


def test_a_square_turned_by_45_degrees_shares_the_octagon():
    common = 2 * (math.sqrt(2) - 1)
    assert bev_iou(box(), box(heading=math.pi / 4))[0, 0] == pytest.approx(common / (2 - common), abs=1e-12)


def test_containment_touching_and_apart():
    inner, outer = box(0.2, 0.1, 0, 1, 2, 1, 0.7), box(0, 0, 0, 8, 8, 2, -0.3)
    assert bev_iou(inner, outer)[0, 0] == pytest.approx(2 / 64, abs=1e-12)
    assert iou_3d(inner, outer)[0, 0] == pytest.approx(2 / 128, abs=1e-12)
    assert bev_iou(box(), box(x=1.0))[0, 0] == 0  # side to side
    assert bev_iou(box(), box(x=1.0, y=1.0))[0, 0] == 0  # corner to corner
    assert bev_iou(box(), box(z=1.0))[0, 0] == 1 and iou_3d(box(), box(z=1.0))[0, 0] == 0  # one upon the other
    assert bev_iou(box(), box(x=50.0))[0, 0] == 0


def test_half_of_a_box_is_exactly_a_third_and_no_rounding_lifts_it():
    assert bev_iou(box(), box(x=0.5))[0, 0] == 1 / 3
    assert iou_3d(box(dz=2.0), box(z=0.5, dz=1.0))[0, 0] == 0.5


def test_a_box_without_area_overlaps_nothing():
    flat = box(dx=0.0)
    assert bev_iou(flat, flat)[0, 0] == 0 and iou_3d(box(dz=0.0), box(dz=0.0))[0, 0] == 0
    assert overlaps(np.zeros((0, 7)), box())[1].shape == (0, 1)


@settings(deadline=None, max_examples=200)
@given(a_box, a_box)
def test_it_is_symmetric_and_within_0_and_1(a, b):
    for there, back in zip(overlaps(a, b), overlaps(b, a)):
        assert there[0, 0] == pytest.approx(back[0, 0], abs=1e-9)
        assert 0 <= there[0, 0] <= 1 + 1e-12


@settings(deadline=None, max_examples=25)
@given(a_box, a_box)
def test_the_common_area_is_what_counting_grid_points_says(a, b):
    grid = np.linspace(-5, 5, 500)
    xy = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    flat = [np.where(np.arange(7) == 2, 0, one) for one in (a, b)]
    in_a, in_b = (points_in_boxes(np.pad(xy, ((0, 0), (0, 1))), one)[0] for one in flat)
    counted = (in_a & in_b).sum() / (in_a | in_b).sum()
    assert bev_iou(*flat)[0, 0] == pytest.approx(counted, abs=0.05)


def test_points_inside_are_those_of_the_plain_definition(rng):
    from effbench.lidar.frames import points_inside

    points = rng.uniform(-3, 3, (2000, 4))
    boxes = np.concatenate([rng.uniform(-2, 2, (9, 3)), rng.uniform(0, 3, (9, 3)), rng.uniform(-4, 4, (9, 1))], 1)
    boxes[0, 5] = 0
    found = points_in_boxes(points, boxes)
    np.testing.assert_array_equal(found, points_inside(points, boxes))
    assert not found[0].any() and found.any(1).sum() >= 7
    assert points_in_boxes([[0.5, 0.5, 0.5]], box())[0, 0]  # a face is inside


def test_suppression_keeps_the_best_and_is_strict():
    boxes = np.concatenate([box(), box(x=0.5), box(x=5.0), box()])
    assert nms_bev(boxes, [0.5, 0.9, 0.1, 0.5], 0.3).tolist() == [1, 2]
    assert nms_bev(boxes, [0.5, 0.9, 0.1, 0.5], 1 / 3).tolist() == [1, 0, 2]  # exactly a third does not suppress
    assert nms_bev(boxes, [1, 1, 1, 1], 0.3).tolist() == [0, 2]  # the first of equal ones
    assert nms_bev(boxes, [0.5, 0.9, 0.1, 0.5], 0.3, most=1).tolist() == [1]
    assert nms_bev(np.zeros((0, 7)), [], 0.3).tolist() == []


def test_wrong_shapes_are_named():
    with pytest.raises(BadInput, match=r"boxes have shape \[1, 6\]"):
        bev_iou(np.zeros((1, 6)), box())
    with pytest.raises(BadInput, match=r"points have shape \[3\]"):
        points_in_boxes(np.zeros(3), box())
    with pytest.raises(BadInput, match=r"2 boxes, but scores of shape \[1\]"):
        nms_bev(np.concatenate([box(), box()]), [1.0], 0.5)
