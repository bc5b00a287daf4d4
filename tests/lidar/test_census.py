"""Counting voxels, occupied cells and neighbours; the page's table from frames made by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from effbench.lidar.census import census, neighbours
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.frames import Frame
from effbench.lidar.kitti_writer import write_folder
from effbench.lidar.scene.generator import calibration, generate

SPEC = importlib.util.spec_from_file_location("lidar_data", Path(__file__).parents[2] / "docs" / "lidar_data.py")
lidar_data = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(lidar_data)

GRID = VoxelGrid((0, -4, -1), (8, 4, 1), (1, 1, 0.5))


def frame(points):
    box = np.array([[2.0, 0, 0, 2, 2, 2, 0]])
    points = np.array(points, np.float32).reshape(-1, 4)
    return Frame("a", "s", points, box, ("Car",), np.zeros(1), np.zeros(1, int), np.ones(1))


def test_a_census_counts_what_is_there():
    found = census(
        frame([[1.5, 0.5, 0, 0], [1.6, 0.6, 0.1, 0], [2.5, 0.5, 0, 0], [7.5, -3.5, 0, 0], [9, 0, 0, 0]]), GRID
    )
    assert found["points"] == 5
    assert found["voxels"] == 3
    assert found["foreground_points"] == pytest.approx(60)
    assert found["foreground_voxels"] == pytest.approx(100 * 2 / 3)
    assert found["bev_1"] == pytest.approx(100 * 3 / 64)
    assert found["bev_2"] == pytest.approx(100 * 3 / 16)
    assert found["bev_8"] == 100
    assert found["neighbours_1"] == pytest.approx((2 + 2 + 1) / 3)


def test_a_frame_without_points_has_zeros():
    assert set(census(frame([]), GRID).values()) == {0.0}


def test_neighbours_are_those_that_a_double_loop_finds():
    rng = np.random.default_rng(0)
    places = np.unique(rng.integers(0, 9, (200, 3)), axis=0)
    plain = np.mean([(np.abs(places - place).max(1) <= 1).sum() for place in places])
    assert neighbours(places) == pytest.approx(plain)


@pytest.mark.whole
def test_the_page_gets_a_table_with_or_without_real_frames(tmp_path, monkeypatch):
    page = tmp_path / "lidar.md"
    page.write_text("<!-- lidar-data:begin -->\n<!-- lidar-data:end -->\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = tmp_path / "real"
    given = [
        "lidar_data",
        "--frames",
        "6",
        "--page",
        str(page),
        "--picture",
        str(tmp_path / "p.png"),
        "--real",
        str(root),
    ]
    monkeypatch.setattr("sys.argv", given)
    lidar_data.main()
    assert "not there" in page.read_text()
    assert (tmp_path / "p.png").stat().st_size > 10_000
    monkeypatch.setattr(lidar_data, "draw", lambda frames, out: None)
    write_folder(root, [generate("64-beam", 5, 0)], calibration(), "val")
    lidar_data.main()
    text = page.read_text()
    assert "not there" not in text
    assert "| voxels (0.2 m) in labelled boxes, % |" in text
    assert "of frame 000000 at" in text
