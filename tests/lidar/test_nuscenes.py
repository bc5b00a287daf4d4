"""nuScenes' tables, on a world of one car, one pedestrian and one parked bicycle made here."""

import json
import math

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.lidar.nuscenes import NuscenesFolder, rotation

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
