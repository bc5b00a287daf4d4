"""Frames, the camera beside them, and thinning them."""

import math

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.lidar.camera import CameraCalibration, corners, kitti_like
from effbench.lidar.frames import Detections, Frame, points_inside
from effbench.lidar.oracle import thin, voxels_of


def frame(points, boxes=((0, 0, 0, 4, 2, 2, 0),), classes=("Car",)):
    count = len(boxes)
    table = np.array(boxes, np.float64).reshape(count, 7)
    return Frame(
        "a",
        "s",
        np.array(points, np.float32).reshape(-1, 4),
        table,
        classes,
        np.zeros(count),
        np.zeros(count, int),
        np.ones(count),
    )


def test_a_point_is_inside_a_turned_box_up_to_its_faces():
    boxes = np.array([[1.0, 0, 0, 4, 2, 2, math.pi / 2], [0, 0, 0, 0, 0, 0, 0]])
    points = np.array([[1, 1.9, 0, 0], [1, 2.1, 0, 0], [1.9, 0, 0.9, 0], [2.1, 0, 0, 0], [1, 0, 1.1, 0], [0, 0, 0, 0]])
    assert points_inside(points, boxes).tolist() == [[True, False, True, False, False, True], [False] * 6]


def test_points_in_boxes_are_counted_once_made_and_again_with_other_points():
    made = frame([[0, 0, 0, 0], [1.9, 0, 0, 0], [2.1, 0, 0, 0]])
    assert made.points_in_box.tolist() == [2]
    assert made.with_points(made.points[:1]).points_in_box.tolist() == [1]


def test_boxes_are_selected_by_mask_and_by_range():
    made = frame([[0, 0, 0, 0]], [(0, 0, 0, 4, 2, 2, 0), (60, 0, 0, 1, 1, 1, 0)], ("Car", "Van"))
    assert made.select([False, True]).classes == ("Van",)
    assert made.inside((0, -25, -3), (51.2, 25, 1)).classes == ("Car",)
    assert made.inside((0, -25, -3), (60, 25, 1)).classes == ("Car",)
    region = frame([], [(0, 0, 0, 0, 0, 0, 0), (9, 0, 0, 4, 2, 2, 0)], ("DontCare", "Car"))
    assert region.inside((5, -25, -3), (8, 25, 1)).classes == ("DontCare",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ("Cat",)}, "unknown class 'Cat'"),
        ({"classes": ("car",)}, "did you mean 'Car'"),
        ({"points": np.zeros((3, 3), np.float32)}, r"shape \(3, 3\)"),
        ({"boxes": np.zeros((1, 6))}, r"\[M, 7\] is needed"),
        ({"classes": ()}, "1 boxes, but"),
    ],
)
def test_a_frame_that_does_not_fit_together_is_refused(change, said):
    whole = {
        "name": "a",
        "scene": "s",
        "points": np.zeros((3, 4), np.float32),
        "boxes": np.ones((1, 7)),
        "classes": ("Car",),
        "truncation": np.zeros(1),
        "occlusion": np.zeros(1, np.int64),
        "height_px": np.zeros(1),
    }
    with pytest.raises(BadInput, match=said):
        Frame(**whole | change)


def test_detections_have_a_score_and_a_label_a_box():
    Detections(np.zeros((0, 7)), np.zeros(0), np.zeros(0, np.int64))
    with pytest.raises(BadInput, match=r"\[K, 7\], \[K\] and \[K\] are needed"):
        Detections(np.zeros((2, 7)), np.zeros(1), np.zeros(2, np.int64))


def test_the_camera_sees_what_is_ahead_of_it_at_the_pixel_of_its_angle():
    camera = kitti_like(1443)
    ahead = np.array([[10.27, 0.0, -0.08], [10.27, 2.0, -0.08], [10.27, 0, 0.92], [-5, 0, 0], [10.27, 11.0, 0.0]])
    at = camera.pixels(ahead)
    assert np.allclose(at[0], [721.5, 172.854])
    assert np.allclose(at[1], [721.5 - 72.15377 * 2, 172.854])
    assert np.allclose(at[2], [721.5, 172.854 - 72.15377])
    assert camera.sees(ahead).tolist() == [True, True, True, False, False]


def test_lidar_to_camera_and_back_is_the_identity_with_any_rotation():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    camera = CameraCalibration(
        np.eye(3, 4), np.linalg.qr(rng.normal(size=(3, 3)))[0], np.column_stack([turn, [1, 2, 3]])
    )
    places = rng.normal(size=(20, 3))
    assert np.allclose(camera.to_lidar(camera.to_camera(places)), places)


def test_a_box_across_the_pictures_edge_is_truncated_by_what_lies_outside():
    camera = kitti_like(1443)
    whole, cut, behind = camera.picture_boxes(
        np.array([[20.27, 0, -0.08, 0.01, 2, 2, 0], [20.27, 20.0, -0.08, 0.01, 2, 2, 0], [-9, 0, 0, 4, 2, 2, 0]])
    )[1]
    assert whole == 0
    assert cut == pytest.approx(0.5, abs=0.01)
    assert behind == 1


def test_corners_go_around_the_bottom_then_the_top():
    found = corners(np.array([[0.0, 0, 0, 4, 2, 2, math.pi / 2]]))[0]
    assert np.allclose(found[:4], [[-1, 2, -1], [-1, -2, -1], [1, -2, -1], [1, 2, -1]])
    assert np.allclose(found[4:, 2], 1)


def crowd():
    rng = np.random.default_rng(1)
    inside = rng.uniform(-0.9, 0.9, (100, 4))
    outside = rng.uniform(5, 30, (900, 4))
    return frame(np.concatenate([inside, outside]))


def test_the_oracle_takes_nothing_from_boxes_and_chance_takes_its_share():
    whole = crowd()
    kept = thin(whole, 0.7, "outside-boxes", 0)
    assert (len(kept.points), kept.points_in_box[0]) == (300, 100)
    kept = thin(whole, 0.7, "random", 0)
    assert len(kept.points) == 300
    assert 10 < kept.points_in_box[0] < 50
    assert len(thin(whole, 1.0, "outside-boxes", 0).points) == 100
    assert len(thin(whole, 1.0, "random", 0).points) == 0
    assert np.array_equal(thin(whole, 0.0, "random", 0).points, whole.points)


def test_thinning_is_the_same_for_a_seed_and_nested_in_the_share():
    whole = crowd()
    one, again, more = (thin(whole, share, "random", 3).points for share in (0.3, 0.3, 0.5))
    assert np.array_equal(one, again)
    assert {row.tobytes() for row in more} < {row.tobytes() for row in one}
    assert not np.array_equal(one, thin(whole, 0.3, "random", 4).points)


def test_voxels_go_whole_and_none_that_a_box_touches():
    whole, sizes = crowd(), (2.0, 2.0, 2.0)
    kept = thin(whole, 0.5, "outside-boxes", 0, sizes)
    cells = voxels_of(whole.points, sizes)
    left = {row.tobytes() for row in kept.points}
    survives = np.array([row.tobytes() in left for row in whole.points])
    assert all(survives[cells == cell].all() or not survives[cells == cell].any() for cell in np.unique(cells))
    assert kept.points_in_box[0] == 100
    assert len(np.unique(cells[survives])) == pytest.approx(0.5 * (cells.max() + 1), abs=1)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_no_share_below_zero_or_above_one_is_dropped(share):
    with pytest.raises(BadInput, match="0 to 1 can"):
        thin(crowd(), share, "random", 0)


def test_an_unknown_way_of_thinning_is_refused():
    with pytest.raises(BadInput, match="valid: random, outside-boxes"):
        thin(crowd(), 0.5, "inside", 0)
