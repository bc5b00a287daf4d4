"""KITTI folders: generated frames written and read again, real ones where they are, and every fault in one sentence."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.lidar.kitti import KittiFolder
from effbench.lidar.kitti_writer import write_folder
from effbench.lidar.scene.generator import calibration, generate

REAL = Path(os.environ.get("EFFBENCH_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "kitti"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("kitti") / "training"
    frames = [generate("64-beam", 5, index) for index in range(3)]
    write_folder(root, frames, calibration(), "val")
    return root, frames


@pytest.fixture
def folder(written, tmp_path):
    return Path(shutil.copytree(written[0], tmp_path / "training"))


def test_a_generated_split_is_read_as_it_was_written(written):
    root, frames = written
    read = list(KittiFolder(root).frames("val"))
    assert [frame.name for frame in read] == ["000000", "000001", "000002"]
    for one, other in zip(frames, read):
        assert np.array_equal(one.points, other.points)
        assert np.allclose(one.boxes[:, :6], other.boxes[:, :6], atol=2e-6)
        assert np.allclose(np.remainder(one.boxes[:, 6] - other.boxes[:, 6] + 1, 2 * np.pi), 1, atol=2e-6)
        assert one.classes == other.classes
        assert np.array_equal(one.truncation, other.truncation)
        assert np.array_equal(one.occlusion, other.occlusion)
        assert np.allclose(one.height_px, other.height_px, atol=2e-4)
        assert np.array_equal(one.points_in_box, other.points_in_box)


def test_dont_care_goes_around_as_a_region_of_the_picture(folder):
    with (folder / "label_2" / "000001.txt").open("a") as file:
        file.write("DontCare -1 -1 -10 5.00 229.89 214.12 367.61 -1 -1 -1 -1000 -1000 -1000 -10\n")
    frame = KittiFolder(folder).frame("000001")
    assert frame.classes[-1] == "DontCare"
    assert not frame.boxes[-1].any()
    assert frame.height_px[-1] == pytest.approx(137.72)
    write_folder(folder, [frame], calibration(), "again")
    again = KittiFolder(folder).frame("000001")
    assert again.classes == frame.classes
    assert np.allclose(again.image_boxes, frame.image_boxes, atol=1e-3)


def test_a_full_sweep_is_cut_to_what_the_camera_sees(folder):
    file = folder / "velodyne" / "000000.bin"
    points = np.fromfile(file, "<f4").reshape(-1, 4)
    behind = points * np.array([-1, 1, 1, 1], np.float32)
    np.concatenate([behind, points]).tofile(file)
    assert len(KittiFolder(folder).frame("000000").points) == len(points)
    assert len(KittiFolder(folder).frame("000000", view=False).points) == 2 * len(points)


def test_split_files_stand_in_the_folder_or_beside_it(folder):
    shutil.move(folder / "ImageSets", folder.parent / "ImageSets")
    assert len(KittiFolder(folder).names("val")) == 3
    assert KittiFolder(folder).names() == KittiFolder(folder).names("val")


@pytest.mark.skipif(
    not REAL.is_dir(), reason="no real KITTI frames at ../shared/data/kitti or $EFFBENCH_TEST_DATA/kitti"
)
def test_real_labels_hold_the_points_of_their_objects():
    found = {}
    for name, points in (("000000", "velodyne"), ("000003", "velodyne_reduced"), ("007347", "velodyne_reduced")):
        frame = KittiFolder(REAL, points).frame(name)
        assert 18_000 < len(frame.points) < 21_000
        found[name] = [n for n, kind in zip(frame.points_in_box.tolist(), frame.classes) if kind != "DontCare"]
    assert found == {"000000": [377], "000003": [674], "007347": [84, 27, 20, 4, 12]}


def points_of(change):
    def edit(folder):
        file = folder / "velodyne" / "000001.bin"
        points = np.fromfile(file, "<f4").reshape(-1, 4)
        change(points).tofile(file)

    return edit


def at(row, column, value):
    def change(points):
        points[row, column] = value
        return points

    return points_of(change)


def line(text):
    return lambda folder: (folder / "label_2" / "000001.txt").write_text(f"{text}\n")


def calib(old, new):
    def edit(folder):
        file = folder / "calib" / "000001.txt"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return edit


def cut(folder):
    file = folder / "velodyne" / "000001.bin"
    file.write_bytes(file.read_bytes()[:-3])


BOX = "0 0 0 0 0 10 10"

FAULTS = {
    "truncated": (cut, r"000001.bin: \d+ bytes are no whole number of points of 16 bytes: it was cut short"),
    "nan": (at(7, 1, np.nan), r"000001.bin: 1 of \d+ points are not finite, the first is point 7"),
    "infinite": (at(slice(5, 8), 0, np.inf), r"3 of \d+ points are not finite, the first is point 5"),
    "millimetres": (
        points_of(lambda points: points * np.float32(1000)),
        r"points are out of range, the first is point \d+",
    ),
    "bright": (at(2, 3, 87), "intensities are out of range, the first is 87 at point 2; 0 to 1 is needed"),
    "empty": (points_of(lambda points: points[:0]), r"000001.bin: the frame has no points \(0 bytes\)"),
    "unseen": (
        points_of(lambda points: points * np.array([-1, 1, 1, 1], "<f4")),
        "none of its points lies in the camera's",
    ),
    "no sweep": (lambda folder: (folder / "velodyne" / "000001.bin").unlink(), "000001.bin: the sweep is missing"),
    "no calib": (lambda folder: (folder / "calib" / "000001.txt").unlink(), "calib/000001.txt: missing"),
    "no matrix": (calib("R0_rect:", "R1_rect:"), "the calibration has no R0_rect; did you mean 'R1_rect'"),
    "half a matrix": (
        calib("Tr_velo_to_cam: 0.000000000000e+00", "Tr_velo_to_cam:"),
        "has 11 numbers; 3 x 4 are needed",
    ),
    "no number": (calib("P2: 7", "P2: seven"), r"000001.txt:3: 'seven.*' is no number"),
    "no rotation": (calib("R0_rect: 1.000000000000e+00", "R0_rect: 0.0"), "R0_rect is no rotation"),
    "no label": (lambda folder: (folder / "label_2" / "000001.txt").unlink(), "label_2/000001.txt: missing"),
    "zero size": (
        line(f"Car {BOX} 1.5 0 4 0 1 9 0"),
        r"000001.txt:1: the Car has a size of zero or less \(1.5 x 0 x 4 m",
    ),
    "unknown class": (line(f"Cra {BOX} 1 1 1 0 1 9 0"), "000001.txt:1: unknown class 'Cra'; did you mean 'Car'"),
    "short line": (line("Car 0 0 0"), "000001.txt:1: 3 numbers after the class; 14 are needed"),
    "nan label": (line(f"Car {BOX} 1 1 1 0 nan 9 0"), "000001.txt:1: 'nan' is not finite"),
    "binary": (lambda folder: (folder / "label_2" / "000001.txt").write_bytes(b"\xff\xfe"), "cannot be read as text"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_in_one_sentence(folder, fault):
    edit, said = FAULTS[fault]
    edit(folder)
    with pytest.raises(BadInput, match=said) as caught:
        KittiFolder(folder).frame("000001")
    assert "\n" not in str(caught.value)


def test_splits_that_are_absent_empty_or_name_absent_frames_are_refused(folder):
    with pytest.raises(BadInput, match=r"no split 'vla'.*did you mean 'val'"):
        KittiFolder(folder).names("vla")
    (folder / "ImageSets" / "val.txt").write_text("000000\n\n000009\n")
    with pytest.raises(
        BadInput, match=r"val.txt:3: frame '000009' has no sweep in .*velodyne; it has 3 frames, 000000 to 000002"
    ):
        KittiFolder(folder).names("val")
    (folder / "ImageSets" / "val.txt").write_text("\n")
    with pytest.raises(BadInput, match="it names no frame"):
        KittiFolder(folder).names("val")


def test_a_folder_that_is_none_of_kittis_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no KITTI folder: it has no folder 'velodyne'"):
        KittiFolder(tmp_path)
    (tmp_path / "velodyne").mkdir()
    with pytest.raises(BadInput, match="no sweep"):
        KittiFolder(tmp_path).names()
