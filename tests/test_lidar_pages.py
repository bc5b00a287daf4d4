"""The pages of LiDAR: what is found of real frames, differences over the same resamples, one sentence where frames lack."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from effbench.lidar.frames import Detections, Frame

DOCS = str(Path(__file__).parents[1] / "docs")


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    yield importlib.import_module
    for name in ("lidar_peers", "lidar_arms", "lidar_transfer", "lidar_data"):
        sys.modules.pop(name, None)


def frame(boxes, kinds, points):
    count = len(boxes)
    return Frame(
        "a", "", np.zeros((1, 4), np.float32), boxes, kinds, np.zeros(count), np.zeros(count, np.int64),
        np.full(count, 60.0), np.array(points),
    )  # fmt: skip


CAR, FAR = [10.0, 0.0, -1.0, 4.0, 2.0, 1.5, 0.0], [60.0, 0.0, -1.0, 4.0, 2.0, 1.5, 0.0]
WALKER = [20.0, 5.0, -1.0, 0.8, 0.6, 1.8, 0.0]


def test_an_object_is_found_by_its_own_class_and_what_meets_no_label_strays(script):
    transfer = script("lidar_transfer")
    truth = frame(np.array([CAR, FAR, WALKER, WALKER]), ("Car", "Car", "Pedestrian", "Van"), [80, 80, 60, 60])
    moved = np.array([CAR, WALKER, CAR]) + np.array([[1.0], [0.0], [20.0]]) * np.eye(7)[0]
    found = Detections(moved, np.array([0.9, 0.8, 0.7]), np.array([0, 0, 0]))
    objects, done = transfer.listed([truth]), transfer.tried([(truth, found)], ("Car", "Pedestrian", "Cyclist"))
    assert [(one.kind, one.points) for one in objects] == [("Car", 80), ("Pedestrian", 60)]  # one is too far, one a van
    assert done.best[0] == (pytest.approx(0.6), 0.9)  # 3 m of 5 m are shared
    assert done.best[1] == (0.0, 0.0)  # a car in its place is no pedestrian
    assert done.strays == 1
    table = list(transfer.recalls(objects, {"ours": done}))
    assert "| Car | 1 of 1 |" in table and "| Pedestrian | 0 of 1 |" in table and "| all | 1 of 2 |" in table


def test_where_there_are_no_real_frames_one_sentence_says_so(script, monkeypatch, capsys, tmp_path):
    transfer = script("lidar_transfer")
    page = tmp_path / "page.md"
    page.write_text("untouched")
    monkeypatch.setattr(sys, "argv", ["lidar_transfer", "--real", str(tmp_path / "none"), "--page", str(page)])
    transfer.main()
    assert "no real frames there" in capsys.readouterr().out
    assert page.read_text() == "untouched"


def test_rows_are_compared_over_the_same_resamples(script):
    peers, lidar_arms = script("lidar_peers"), script("lidar_arms")
    drawn = np.random.default_rng(0).normal(70, 3, 200)

    def row(value, replicates, bev):
        metrics = {"map_3d": value, "car_ap": value, "pedestrian_ap": value}
        macs = {"backbone3d": 100.0, "bev": bev, "head": 10.0, "filter": 5.0, "choice": 1.0, "maps": 2.0}
        return lidar_arms.Measured(metrics, replicates, macs, (50.0, 20.0), 0.5, 0.4)

    dense, ours = row(70.0, drawn, 900.0), row(68.0, drawn - 2, 100.0)
    value, interval = peers.difference(ours, dense, 60)
    assert value == -2 and interval.low == pytest.approx(-2) and interval.high == pytest.approx(-2)
    rows = {lidar_arms.Arm(peers.REFERENCE): dense, lidar_arms.Arm("ours", note="why"): ours}
    assert list(peers.quality(rows, 60))[-1] == "| ours | 68.0 | -2.0 [-2.0, -2.0] | 68.0 | 68.0 |  |  |  | why |"
    assert list(peers.compute(rows))[-1] == "| ours | 100 | 100 | 10 | 5 | 1 | 2 | 20% | 21% | 100% / 100% | 50% |"


def test_rows_without_weights_of_their_own_say_whose_they_run_on(script):
    arms = {arm.title: arm for arm in script("lidar_arms").arms()}
    card = script("lidar_arms").shipped()
    for variant in "ABC":
        assert ("on B's weights" in arms[f"**Ada3D-{variant}**"].note) == (variant not in card)
    assert next(iter(arms)) == script("lidar_arms").REFERENCE
