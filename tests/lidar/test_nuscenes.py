"""nuScenes' tables, on a world of one car, one pedestrian and one parked bicycle made here."""

import json
import math

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.lidar.nds import NdsBoxes, NdsCurves, count_nds
from effbench.lidar.nuscenes import NuscenesFolder, rotation
from effbench.lidar.nuscenes_truths import nds_truths

TURN = [math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)]
"""A quarter about z: from the car's x to its y."""


def tables():
    """A car at (100, 50) looks along the world's y, its sensor along the car's x, which is the sensor's y."""

    def seen(token, instance, place, size, points=5, visibility="4", attributes=()):
        return {
            "token": token,
            "sample_token": "s1",
            "instance_token": instance,
            "translation": place,
            "size": size,
            "rotation": TURN,
            "num_lidar_pts": points,
            "visibility_token": visibility,
            "attribute_tokens": list(attributes),
        }

    return {
        "scene": [{"token": "sc", "name": "scene-0001"}],
        "sample": [{"token": "s1", "scene_token": "sc", "timestamp": 1}],
        "sample_data": [
            {
                "token": "d1",
                "sample_token": "s1",
                "calibrated_sensor_token": "c1",
                "ego_pose_token": "e1",
                "is_key_frame": True,
                "filename": "samples/LIDAR_TOP/a.pcd.bin",
            }
        ],
        "calibrated_sensor": [
            {"token": "c1", "sensor_token": "l", "translation": [1.0, 0, 1.8], "rotation": [TURN[0], 0, 0, -TURN[3]]}
        ],
        "sensor": [{"token": "l", "channel": "LIDAR_TOP"}],
        "ego_pose": [{"token": "e1", "translation": [100, 50, 0], "rotation": TURN}],
        "category": [
            {"token": "k1", "name": "vehicle.car"},
            {"token": "k2", "name": "human.pedestrian.adult"},
            {"token": "k3", "name": "vehicle.bicycle"},
        ],
        "instance": [{"token": f"i{k}", "category_token": f"k{k}"} for k in (1, 2, 3)],
        "attribute": [{"token": "a", "name": "cycle.without_rider"}],
        "sample_annotation": [
            seen("x1", "i1", [100, 61, 0.8], [1.6, 3.9, 1.5]),
            seen("x2", "i2", [97, 56, 0.9], [0.6, 0.8, 1.7], visibility="1"),
            seen("x3", "i3", [103, 56, 0.6], [0.5, 1.7, 1.1], attributes=["a"]),
            seen("x4", "i1", [0, 0, 0], [1.6, 3.9, 1.5], points=0),
        ],
    }


@pytest.fixture
def write(tmp_path):
    def write(rows):
        (tmp_path / "v1.0-mini").mkdir(exist_ok=True)
        for name, table in rows.items():
            (tmp_path / "v1.0-mini" / f"{name}.json").write_text(json.dumps(table))
        sweep = tmp_path / "samples" / "LIDAR_TOP" / "a.pcd.bin"
        sweep.parent.mkdir(parents=True, exist_ok=True)
        np.array([[0, 10, -1, 51, 3], [-3, 5, -1, 255, 4]], "<f4").tofile(sweep)
        return NuscenesFolder(tmp_path)

    return write


def test_world_boxes_come_into_the_sensors_axes_and_classes_become_kittis(write):
    (frame,) = write(tables()).frames()
    assert frame.scene == "scene-0001"
    assert frame.classes == ("Car", "Pedestrian", "Misc")
    assert np.allclose(frame.boxes[:, :3], [[10, 0, -1], [5, 3, -0.9], [5, -3, -1.2]])
    assert np.allclose(frame.boxes[0, 3:6], [3.9, 1.6, 1.5])
    assert np.allclose(frame.boxes[:, 6], 0, atol=1e-9)
    assert np.allclose(frame.points, [[10, 0, -1, 0.2], [5, 3, -1, 1.0]])
    assert frame.points_in_box.tolist() == [1, 1, 0]
    assert frame.occlusion.tolist() == [0, 2, 0]
    assert frame.height_px[0] == pytest.approx(721.5 * 1.5 / 10)


def moving():
    """The world half a second later, too: the car went 2 m ahead, and of a rack's three cycles one stands outside of it."""
    rows = tables()
    rows["sample"].append({"token": "s2", "scene_token": "sc", "timestamp": 500_001})
    car, walker, cycle = rows["sample_annotation"][:3]
    later = {**car, "token": "x5", "sample_token": "s2", "translation": [100, 63, 0.8], "prev": "x1", "next": ""}
    car |= {"prev": "", "next": "x5", "num_radar_pts": 2, "attribute_tokens": ["p"]}
    walker |= {"prev": "", "next": ""}
    rows["attribute"].append({"token": "p", "name": "vehicle.moving"})
    rows["category"] += [{"token": "k4", "name": "static_object.bicycle_rack"}, {"token": "k5", "name": "animal"}]
    rows["instance"] += [{"token": f"i{k}", "category_token": f"k{k}"} for k in (4, 5)]
    racked = {**cycle, "token": "x6", "translation": [103, 58, 0.6]}
    rack = {**cycle, "token": "x7", "instance_token": "i4", "translation": [103, 58, 0.8], "size": [1.0, 2.0, 2.0]}
    dog = {**cycle, "token": "x8", "instance_token": "i5"}
    rows["sample_annotation"] += [later, racked, rack, dog]
    return rows


def test_truths_have_nuscenes_classes_velocities_and_attributes(write):
    folder = write(moving())
    truth = nds_truths(folder, "s1")
    assert list(truth.classes) == ["car", "pedestrian", "bicycle", "car"]  # no cycle of a rack, no rack, no dog
    assert np.allclose(truth.boxes[0], [10, 0, -1, 3.9, 1.6, 1.5, 0], atol=1e-9)
    assert np.allclose(truth.velocities[0], [4, 0], atol=1e-9) and np.isnan(truth.velocities[1:]).all()
    assert list(truth.attributes) == ["vehicle.moving", "", "cycle.without_rider", ""]
    assert truth.points.tolist() == [7, 5, 5, 0]
    rows = moving()
    rows["sample"][-1]["timestamp"] = 1_600_001
    assert np.isnan(nds_truths(write(rows), "s1").velocities).all()  # too long ago
    rows["sample_annotation"][0]["attribute_tokens"] = ["p", "a"]
    with pytest.raises(BadInput, match="'x1': 2 attributes; nuScenes gives an object one at most"):
        nds_truths(write(rows), "s1")


def test_a_velocity_is_taken_from_before_to_after(write):
    rows = moving()
    rows["sample"].append({"token": "s0", "scene_token": "sc", "timestamp": -1_999_999})
    car = rows["sample_annotation"][0]
    rows["sample_annotation"].append({**car, "token": "x0", "sample_token": "s0", "translation": [105, 53, 0.8]})
    car["prev"] = "x0"  # 2.5 s from x0 to x5, 10 m along the world's y and 5 m against its x, which is our left
    assert np.allclose(nds_truths(write(rows), "s1").velocities[0], [4, 2], atol=1e-9)


def test_nds_of_nuscenes_frames_is_1_where_all_is_found_and_counts_each_error(write):
    truth = nds_truths(write(moving()), "s1")
    known = [i for i, points in enumerate(truth.points) if points]

    def scored(velocity, attribute):
        found = NdsBoxes(
            truth.boxes[known], [truth.classes[i] for i in known], np.array([0.9, 0.8, 0.7]),
            np.array([velocity, [0, 0], [0, 0]], np.float64), [attribute, "", "cycle.without_rider"],
        )  # fmt: skip
        return NdsCurves([count_nds(truth, found)]).values(np.ones(1))

    assert scored([4, 0], "vehicle.moving").nds == pytest.approx(1)
    slower = scored(
        [3.5, 0], "vehicle.parked"
    )  # half a metre a second; of the two with an attribute one has the wrong one
    assert slower.errors["AVE"] == pytest.approx(0.5) and slower.errors["AAE"] == pytest.approx(0.5)
    assert slower.nds == pytest.approx((5 + 3 + 0.5 + 0.5) / 10)


def test_quaternions_turn_as_they_should():
    assert np.allclose(rotation([1, 0, 0, 0]), np.eye(3))
    assert np.allclose(rotation(TURN) @ [1, 0, 0], [0, 1, 0])
    assert np.allclose(rotation([2, 2, 0, 0]) @ [0, 1, 0], [0, 0, 1])
    turned = rotation([0.3, -0.5, 0.2, 0.9])
    assert np.allclose(turned @ turned.T, np.eye(3))
    with pytest.raises(BadInput, match="no rotation"):
        rotation([0, 0, 0, 0])


def test_what_is_missing_or_damaged_is_said(write, tmp_path):
    with pytest.raises(BadInput, match=r"no folder 'v1.0-mini'"):
        NuscenesFolder(tmp_path)
    rows = tables()
    rows["sample_annotation"][0]["size"] = [0, 1, 1]
    with pytest.raises(BadInput, match="annotation 'x1' has a size of zero or less"):
        write(rows).frame("s1")
    rows = tables()
    rows["instance"] = rows["instance"][1:]
    with pytest.raises(BadInput, match=r"instance.json: no row has the token 'i1'"):
        write(rows).frame("s1")
    rows = tables()
    rows["sensor"][0]["channel"] = "CAM_FRONT"
    with pytest.raises(BadInput, match="no key-frame sweep of LIDAR_TOP"):
        write(rows).frame("s1")
    reader = write(tables())
    sweep = tmp_path / "samples" / "LIDAR_TOP" / "a.pcd.bin"
    sweep.write_bytes(sweep.read_bytes()[:-1])
    with pytest.raises(BadInput, match="points of 20 bytes: it was cut short"):
        reader.frame("s1")
    (tmp_path / "v1.0-mini" / "scene.json").write_text("{")
    with pytest.raises(BadInput, match="no JSON table"):
        NuscenesFolder(tmp_path).frame("s1")
    (tmp_path / "v1.0-mini" / "scene.json").unlink()
    with pytest.raises(BadInput, match="the table is missing"):
        NuscenesFolder(tmp_path).frame("s1")
