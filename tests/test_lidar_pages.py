"""The pages of LiDAR: what is found of real frames, differences over the same resamples, one sentence where frames lack."""

import importlib
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace as Some

import numpy as np
import pytest

from effbench.lidar.frames import Detections, Frame

DOCS = str(Path(__file__).parents[1] / "docs")


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    yield importlib.import_module
    for name in [name for name in sys.modules if name.startswith(("lidar_", "store_time"))]:
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
    assert list(peers.quality(rows, 60))[-1] == "| ours | 68.0 | -2.0 [-2.0, -2.0] |  | 68.0 | 68.0 |  |  |  | why |"
    control = row(71.0, drawn + 1, 900.0)
    tuned = {lidar_arms.Arm(peers.TUNED, tuned=True): control, lidar_arms.Arm("ours", tuned=True): ours}
    lines = list(peers.quality({lidar_arms.Arm(peers.REFERENCE): dense} | tuned, 60))
    assert lines[-1].startswith("| ours | 68.0 | -2.0 [-2.0, -2.0] | -3.0 [-3.0, -3.0] | 68.0 |")
    assert lines[-2].startswith(f"| {peers.TUNED} | 71.0 | +1.0 [+1.0, +1.0] |  | 71.0 |")
    assert list(peers.compute(rows))[-1] == "| ours | 100 | 100 | 10 | 5 | 1.0 | 2.0 | 20% | 21% | 100% / 100% | 50% |"


def test_rows_without_weights_of_their_own_say_whose_they_run_on(script):
    arms = {arm.title: arm for arm in script("lidar_arms").arms()}
    card = script("lidar_arms").shipped()
    for variant in "ABC":
        assert ("on B's weights" in arms[f"**Ada3D-{variant}**"].note) == (variant not in card)
    assert next(iter(arms)) == script("lidar_arms").REFERENCE


def test_what_is_asked_of_a_drop_is_order_and_size_apart(script):
    drops = script("lidar_drops")
    both = {(p, s): -v * s for p, v in (("random", 30.0), ("outside-boxes", 5.0)) for s in drops.SHARES}
    assert "holds here in its order" in drops.verdict(both) and "It does not hold in size" in drops.verdict(both)
    turned = {(p, s): -v * s for p, v in (("random", 1.0), ("outside-boxes", 5.0)) for s in drops.SHARES}
    assert "does **not** hold here" in drops.verdict(turned)
    as_published = {(p, s): -v * s for p, v in (("random", 4.0), ("outside-boxes", 0.1)) for s in drops.SHARES}
    assert "Its size is the paper's too" in drops.verdict(as_published)


@pytest.mark.slow
def test_dropping_outside_of_boxes_costs_less_than_dropping_at_random(script):
    from effbench.api import Context
    from effbench.tasks.lidar_detection.task import LidarDetection

    drops = script("lidar_drops")
    task = LidarDetection(LidarDetection.Params(frames=40))
    frames = [task.source.frame(sample.data["frame"]) for sample in task.samples("evaluation")]
    system, weights = task.load(Context()), np.ones(len(frames))
    whole = drops.reached(drops.curves_of(system, frames, "random", 0.0), weights)[0]
    for share in drops.SHARES:
        random, outside = (
            whole - drops.reached(drops.curves_of(system, frames, policy, share), weights)[0]
            for policy in ("random", "outside-boxes")
        )
        assert outside < random, share


def test_what_was_asked_of_ada3d_is_told_as_the_numbers_have_it(script):
    ada3d = script("lidar_ada3d")
    ours, dense = (
        ada3d.Costs(0.62, 0.22, (177.0, 130.0, 43.0, 32.0), 4.05),
        ada3d.Costs(1, 0.5, (179.0, 1057, 315, 0), 1),
    )

    def told(value, low, high):
        return ada3d.verdict(ada3d.Gap(*(np.full(5, v) for v in (value, low, high))), ours, dense)

    assert "more than the 1.0" in told(-1.2, -3.0, 0.2)
    assert "as a point estimate of this mean alone" in told(-0.8, -2.1, 0.7)
    assert "so is the whole interval" in told(0.2, -0.9, 1.0)
    assert "22% of the BEV cells (20% asked)" in told(0, 0, 0) and "stay at 0.99" in told(0, 0, 0)


def test_average_precision_of_the_pages_is_of_the_area_that_the_task_judges(script, monkeypatch):
    from effbench.lidar.detector.accounting import Account

    ada3d = script("lidar_ada3d")
    truth = frame(np.array([CAR, FAR]), ("Car", "Car"), [80, 80])
    truth = replace(truth, height_px=np.full(2, 100.0))

    class Finds:
        def detect(self, frames):
            return [Detections(np.array([CAR]), np.array([0.9]), np.array([0]))]

        def executed(self, how):
            return self

    seen, real = [], ada3d.ApCurves
    monkeypatch.setattr(ada3d, "ApCurves", lambda counted: seen.append(real(counted)) or seen[-1])
    monkeypatch.setattr(ada3d, "account", lambda detector, frames: Account())
    found = ada3d.reached(Finds(), [truth], 3)
    assert seen[0].truths[:, 0].tolist() == [1]  # the far one is ignored
    assert found.drawn.shape == (3, len(ada3d.NAMES))


def test_the_interval_of_several_trainings_is_students_over_them_and_of_one_over_frames(script):
    ada3d = script("lidar_ada3d")
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 1.0, (4000, 1))

    def trained(value, moves):
        drawn = value + moves * frames + 5.0  # a bootstrap that is off by 5: R40 jumps
        return ada3d.Reached(np.full(5, value), np.repeat(drawn, 5, 1), None)

    control = [trained(80.0, 0.0)] * 5
    ours = [trained(80.0 + gap, 0.0) for gap in (-0.4, -0.9, -2.5, -1.7, -1.7)]
    found = ada3d.gap(ours, control, 1000)
    assert found.value[0] == pytest.approx(-1.44)
    assert (found.low[0], found.high[0]) == pytest.approx((-2.4472, -0.4328), abs=1e-4)  # scipy.stats.t.interval
    one = ada3d.gap([trained(79.0, 0.5)], [trained(80.0, 0.0)], 1000)
    assert one.value[0] == -1 and (one.low[0] + one.high[0]) / 2 == pytest.approx(-1, abs=0.05)
    assert one.high[0] - one.low[0] == pytest.approx(2 * 1.96 * 0.5, rel=0.05)
    both = ada3d.gap([trained(80.0 + gap, 0.5) for gap in (-0.4, -0.9, -2.5, -1.7, -1.7)], control, 1000)
    assert both.high[0] - both.low[0] > max(found.high[0] - found.low[0], one.high[0] - one.low[0])


def test_what_the_loss_is_worth_is_of_the_seeds_that_both_have(script):
    ada3d = script("lidar_ada3d")

    def trained(value):
        return ada3d.Reached(np.full(5, value), np.full((10, 5), value), None)

    text = ada3d.worth_of_the_loss(
        {0: trained(81.0), 1: trained(82.0), 2: trained(50.0)}, {0: trained(80), 1: trained(80)}, 9
    )
    assert "+1.5 [-4.9, +7.9]" in text and "seeds 0, 1: +1.0, +2.0" in text


def test_a_clock_gives_time_to_the_part_that_runs_and_not_to_its_caller(script, monkeypatch):
    time = script("lidar_time")
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = time.Clock()

    def inner():
        now[0] += 3

    def outer():
        now[0] += 1
        clock.around("inner", inner)()
        now[0] += 1

    clock.restart()
    now[0] += 10
    clock.around("outer", outer)()
    assert clock.taken() == {"rest": 10, "outer": 2, "inner": 3}


def test_the_parts_of_a_frame_add_up_to_it_and_the_detector_is_left_as_it_was(script):
    from effbench.lidar.detector import model
    from effbench.lidar.detector.config import DetectorConfig

    time = script("lidar_time")
    detector = model.LidarDetector(DetectorConfig()).eval()
    voxelise, truth = model.voxelise, frame(np.array([CAR]), ("Car",), [80])
    clock = time.Clock()
    with time.told_apart(detector, clock):
        clock.restart()
        detector.detect([truth])
        taken = clock.taken()
    assert set(taken) == {*time.PARTS, "rest"} and min(taken.values()) >= 0
    assert model.voxelise is voxelise and "batch" not in vars(detector) and "voxels" not in vars(detector.filter)
    assert "forward" not in vars(detector.bev)


def test_how_long_a_run_took_is_from_its_first_job_to_its_last_cell(script):
    def stamp(minute):
        return f"2026-01-01T00:{minute}+00:00"

    def cell(started, finished):
        return Some(attempts=[Some(started_utc=stamp(started))], finished_utc=stamp(finished))

    view = Some(cells=[cell("01:00", "03:00"), cell("00:30", "02:00"), cell("01:30", "03:43")], machines={})
    assert script("store_time").sentence(view).startswith("The run below took 3 min 13 s from its first job")


def test_a_row_is_of_the_seeds_that_ship_beside_their_control(script, monkeypatch, tmp_path):
    ada3d = script("lidar_ada3d")
    monkeypatch.setattr(ada3d, "WEIGHTS", tmp_path)
    for name in ("none", "none-seed1", "B", "B-seed1", "B-seed2", "B-plain"):
        (tmp_path / f"{name}.safetensors").touch()
    found = {row.title(): ada3d.shipped_seeds(row) for row in ada3d.ROWS}
    assert found == {
        "tuned without a filter": [0, 1], "Ada3D-A": [], "Ada3D-B": [0, 1], "Ada3D-B, density guidance off": [0, 1],
        "Ada3D-B, tuned without density guidance": [0], "Ada3D-B, predictor of squared errors": [], "Ada3D-C": [],
    }  # fmt: skip


def test_ratios_of_peak_memory_are_within_rounds_and_the_compiling_round_is_thrown_away(script, monkeypatch):
    memory = script("lidar_memory")
    taken = iter(range(1, 100))

    class Fresh:
        def __init__(self, workers, context):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *told):
            return None

        def submit(self, used, arm, artifact, frames, threads):
            assert (artifact is None) == (arm.method is None)
            turn = (next(taken) - 1) // len(memory.MEASURED)
            base = 9e9 if turn == 0 else 50e6 * turn  # a machine that drifts
            share = (1.0, 1.1, 0.5 + 0.05 * (turn == 3), 0.8)[memory.MEASURED.index(arm.title)]
            return Some(result=lambda: Some(hwm_reset=True, peak_rss_growth=base * share))

    monkeypatch.setattr(memory, "ProcessPoolExecutor", Fresh)
    lines = list(memory.section(3, 2, 1))
    assert lines[2] == "| **dense** (reference) | 100.0 | 50.0-150.0 |  |"
    assert (
        lines[3] == "| the same, over occupied cells | 110.0 | 55.0-165.0 | 1.10 |"
    )  # alike in all rounds: no interval
    assert lines[4] == "| **Ada3D-B** | 50.0 | 25.0-82.5 | 0.52 [0.45, 0.59] |"  # 0.5, 0.5, 0.55


def test_a_peak_that_cannot_be_reset_is_no_number(script, monkeypatch):
    memory = script("lidar_memory")
    of_loading = Some(hwm_reset=False, peak_rss_growth=1)
    pool = Some(submit=lambda *given: Some(result=lambda: of_loading))
    monkeypatch.setattr(memory, "ProcessPoolExecutor", lambda *given: nullcontext(pool))
    with pytest.raises(RuntimeError, match="high-water mark"):
        memory.in_turns(1, 1, 1)
