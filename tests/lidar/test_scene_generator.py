"""Generated frames: the same everywhere, as the manifest says, labelled as they are."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.lidar.frames import CLASSES, OTHER_CLASSES, POINT_CLASSES, points_inside
from effbench.lidar.scene import splits
from effbench.lidar.scene.actors import Actor, compose, sizes_of
from effbench.lidar.scene.generator import VERSION, calibration, digest, generate, occlusion_level
from effbench.lidar.scene.layout import overlap
from effbench.lidar.scene.profiles import PROFILES, SENSOR_HEIGHT_M, profile_named
from effbench.lidar.scene.solids import COLUMNS, Solids


@pytest.fixture(scope="module")
def frames():
    return [generate("64-beam", 77, index) for index in range(40)]


def test_the_manifest_names_this_version_and_its_frames():
    manifest = splits.manifest()
    assert manifest["version"] == VERSION
    assert set(manifest["profiles"]) == set(PROFILES) == set(manifest["sha256"])
    for profile, hashes in manifest["sha256"].items():
        for name in manifest["splits"]:
            made = [
                generate(profile, splits.split_named(name).seed, index) for index in range(manifest["hashed_frames"])
            ]
            assert digest(made) == hashes[name], f"{profile} {name}: other frames than version {VERSION}: raise it"


def test_no_two_splits_share_a_seed():
    seeds = [split["seed"] for split in splits.manifest()["splits"].values()]
    assert len(set(seeds)) == len(seeds)


def test_another_process_makes_the_same_frame():
    code = "from effbench.lidar.scene.generator import digest, generate; print(digest([generate('32-beam', 9, 4)]))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == digest([generate("32-beam", 9, 4)])


def test_seed_index_and_profile_each_make_another_scene():
    made = [generate("64-beam", 0, 0), generate("64-beam", 0, 1), generate("64-beam", 1, 0), generate("32-beam", 0, 0)]
    assert len({digest([frame]) for frame in made}) == 4
    assert len({frame.scene for frame in made}) == 4


def test_a_frame_is_made_fast(frames):
    began = time.process_time()
    for index in range(5):
        generate("64-beam", 78, index)
    assert (time.process_time() - began) / 5 < 0.15


def test_points_lie_in_the_picture_and_labels_on_points(frames):
    for frame in frames:
        assert calibration().sees(frame.points[:, :3].astype(np.float64)).all()
        assert ((frame.points[:, 3] >= 0) & (frame.points[:, 3] < 1)).all()
        assert len(np.unique(frame.points, axis=0)) == len(frame.points)
        assert set(np.unique(frame.occlusion)) <= {0, 1, 2, 3}
        assert ((frame.truncation >= 0) & (frame.truncation < 1)).all()
        assert (frame.height_px > 0).all()
    assert sum((frame.points_in_box == 0).sum() for frame in frames) <= 0.02 * sum(len(frame.boxes) for frame in frames)


def test_the_share_of_foreground_and_the_occupancy_are_as_in_real_frames(frames):
    inside, occupied, points = [], [], []
    for frame in frames:
        low, high = np.array([0, -40, -3]), np.array([70.4, 40, 1])
        kept = frame.points[((frame.points[:, :3] >= low) & (frame.points[:, :3] < high)).all(1)]
        cells = np.unique(np.floor((kept[:, :2] - low[:2]) / 0.4).astype(int), axis=0)
        occupied.append(len(cells) / (176 * 200))
        voxels = np.unique(np.floor((kept[:, :3] - low) / 0.2).astype(int), axis=0)
        inside.append(points_inside((voxels + 0.5) * 0.2 + low, frame.boxes).any(0).mean())
        points.append(len(frame.points))
    assert 17_000 < np.mean(points) < 23_000
    assert 0.02 < np.mean(inside) < 0.10
    assert 0.05 < np.mean(occupied) < 0.12


def test_points_on_an_object_thin_out_with_the_square_of_its_distance(frames):
    found = [
        (np.hypot(*box[:2]), count)
        for frame in frames
        for box, kind, count, hidden in zip(frame.boxes, frame.classes, frame.points_in_box, frame.occlusion)
        if kind == "Pedestrian" and hidden == 0 and count > 0
    ]
    away, count = np.array(found).T
    slope = np.polyfit(np.log(away), np.log(count), 1)[0]
    assert -2.6 < slope < -1.6


def test_labelled_boxes_do_not_meet(frames):
    for frame in frames:
        for place, one in enumerate(frame.boxes):
            for other in frame.boxes[place + 1 :]:
                both = [(b[0], b[1], b[3] / 2, b[4] / 2, np.cos(b[6]), np.sin(b[6])) for b in (one, other)]
                assert not overlap(*both)


@pytest.mark.parametrize("kind", ["Car", "Van", "Truck", "Pedestrian", "Cyclist"])
def test_what_is_composed_fills_its_box_and_stays_in_it(kind):
    rng = np.random.default_rng(3)
    for _ in range(20):
        actor = Actor(kind, 10.0, 2.0, -1.7, *sizes_of(kind, rng), 0.7)
        solids = Solids()
        compose(actor, 0, solids, rng)
        rows = solids.table()
        assert rows.shape[1] == COLUMNS
        cos, sin = np.cos(0.7), np.sin(0.7)
        ahead = cos * (rows[:, 1] - 10) + sin * (rows[:, 2] - 2)
        left = cos * (rows[:, 2] - 2) - sin * (rows[:, 1] - 10)
        for centre, half, size in ((ahead, rows[:, 4], actor.length), (left, rows[:, 5], actor.width)):
            reach = max((centre + half).max(), (-centre + half).max())
            assert 0.28 * size < reach < size / 2 + 0.12, kind
        assert rows[:, 3].min() >= -1.71
        assert 0.9 * actor.tall < (rows[:, 3] + rows[:, 6]).max() + 1.7 < actor.tall + 0.03


def test_rectangles_meet_by_their_separating_axes():
    square = (0.0, 0.0, 1.0, 1.0, 1.0, 0.0)
    assert overlap(square, (1.9, 0.0, 1.0, 1.0, 1.0, 0.0))
    assert not overlap(square, (2.1, 0.0, 1.0, 1.0, 1.0, 0.0))
    half = np.sqrt(0.5)
    assert overlap(square, (1.7, 1.7, 1.0, 1.0, half, half))
    assert not overlap(square, (1.8, 1.8, 1.0, 1.0, half, half))
    assert overlap(square, (2.4, 0.0, 1.0, 1.0, half, half))
    assert not overlap(square, (2.43, 0.0, 1.0, 1.0, half, half))


def test_occlusion_levels_by_visible_share():
    assert occlusion_level(np.array([1.0, 0.8, 0.79, 0.45, 0.44, 0.15, 0.1])).tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_an_unknown_profile_split_or_too_many_frames_are_refused():
    with pytest.raises(BadInput, match="did you mean '64-beam'"):
        profile_named("64beam")
    with pytest.raises(BadInput, match="did you mean 'train'"):
        list(splits.split_frames("trian"))
    with pytest.raises(BadInput, match="200 frames; 201 were asked for"):
        list(splits.split_frames("evaluation", count=201))


def test_a_cached_frame_is_read_as_made_and_a_damaged_one_made_again(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (made,) = splits.split_frames("evaluation", count=1)
    path = splits.cached_at("64-beam", 3, 0)
    read = splits.read(path)
    assert digest([read]) == digest([made])
    assert (read.scene, read.classes) == (made.scene, made.classes)
    for name in splits.ARRAYS:
        assert getattr(read, name).dtype == getattr(made, name).dtype
        assert np.array_equal(getattr(read, name), getattr(made, name))
    path.write_bytes(path.read_bytes()[:1000])
    assert splits.read(path) is None
    (again,) = splits.split_frames("evaluation", count=1)
    assert digest([again]) == digest([made])
    assert splits.read(path) is not None


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (made,) = splits.split_frames("evaluation", count=1)
    assert len(made.points) > 1000


def test_points_say_what_they_lie_on_and_nothing_else_changes():
    kinds = np.zeros(len(POINT_CLASSES), np.int64)
    for index in range(12):
        plain, told = generate("64-beam", 77, index), generate("64-beam", 77, index, point_labels=True)
        assert digest([plain]) == digest([told]) and len(plain.point_classes) == len(plain.point_objects) == 0
        assert len(told.point_classes) == len(told.point_objects) == len(told.points)
        names = np.array(POINT_CLASSES)[told.point_classes]
        kinds += np.bincount(told.point_classes, minlength=len(POINT_CLASSES))
        wider = told.boxes + np.array([0, 0, 0, 0.4, 0.4, 0.4, 0])  # range is read with noise, and wheels stand out
        inside = points_inside(told.points, wider)
        for box, kind in enumerate(told.classes):
            own = told.point_objects == box
            assert own.any() and set(names[own]) == {kind}
            assert inside[box][own].mean() > 0.95
        objects = np.isin(names, CLASSES + OTHER_CLASSES)
        assert not objects[told.point_objects < 0].all() and objects[told.point_objects >= 0].all()
        ground = np.isin(names, ("road", "pavement", "land"))
        near = ground & (np.hypot(*told.points[:, :2].T) < 15)
        assert (np.abs(told.points[near, 2] + SENSOR_HEIGHT_M) < 2.5).all()
        poles = told.points[names == "pole"]
        assert len(poles) == 0 or poles[:, 2].max() < 7
        assert len(told.select(slice(None)).point_classes) == 0  # what is not selected is not told either
    shares = dict(zip(POINT_CLASSES, kinds / kinds.sum()))
    assert all(shares[name] > 0.001 for name in ("road", "pavement", "land", "building", "vegetation", "pole", "Car"))
    assert shares["road"] > 0.15 and shares["Car"] < 0.2
    with pytest.raises(BadInput, match="labels of points; one each, or none"):
        replace(plain, point_classes=np.zeros(3, np.uint8))
