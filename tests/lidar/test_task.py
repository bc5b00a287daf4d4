"""The task on a tiny detector with random weights, which nobody trained: the contract, and what its numbers are made of."""

import json
from dataclasses import replace

import numpy as np
import pytest
from frames_for_tests import box_of

from effbench.api import Artifact, Context, PluginError, Unsupported
from effbench.lidar.cells import DROPPED, EMPTY, KEPT
from effbench.lidar.frames import CLASSES, Detections
from effbench.tasks.lidar_detection.metrics import COUNTED, RULES
from effbench.tasks.lidar_detection.task import LidarDetection
from effbench.testing import check_task
from effbench_baselines.lidar_peers.method import LidarDetectorPeer


@pytest.fixture
def params(tiny_detector):
    return LidarDetection.Params(system=str(tiny_detector), frames=6)


class Knows:
    """Finds what the labels say, moved by ``spread`` metres, and drops every other cell."""

    def __init__(self, config, spread=0.0, told=True):
        self.config, self.spread, self.told, self.seen = config, spread, told, []
        self.filter = self if told else None

    def detect(self, frames):
        self.seen += [frame.classes for frame in frames]
        valid = np.zeros((1, 8, 8), bool)
        valid[0, :, ::2] = True
        kept = valid.copy()
        kept[0, ::2] = False
        self.dropped = [_Entry("conv1", valid, kept), _Entry("bev1", valid, valid), _Entry("bev3", valid, kept)]
        return [self.found(frame) for frame in frames]

    def found(self, frame):
        asked = [i for i, name in enumerate(frame.classes) if name in CLASSES]
        moved = frame.boxes[asked] + self.spread * np.eye(7)[0]
        scores = np.linspace(0.9, 0.4, len(asked))
        return Detections(moved, scores, np.array([CLASSES.index(frame.classes[i]) for i in asked], np.int64))


class _Entry:
    def __init__(self, point, valid, kept):
        self.point, self.valid, self.kept = point, valid, kept


def summary(task, system, weights=None, split="evaluation"):
    samples = task.samples(split)
    outputs = task.run(system, samples, 0)
    scores = task.score(outputs, samples, None)
    return task.summariser(scores)(np.ones(len(samples)) if weights is None else weights), scores


def test_the_task_keeps_the_contract(params):
    check_task(LidarDetection, params, n_samples=4)


def test_who_knows_all_reaches_all_and_who_is_off_by_a_metre_nothing(params):
    task = LidarDetection(params)
    system = task.load(Context())
    oracle = replace(system, detector=Knows(system.detector.config), sees_truth=True)
    found, scores = summary(task, oracle)
    for one in COUNTED:
        if one.how == "area" and one.name in found:
            assert found[one.name] == pytest.approx(100), one.name
    assert found["car_ap_area"] == pytest.approx(100) and found["recall_50_points"] == 1
    assert found["map_centre"] == pytest.approx(100) and found["nds_without_ave_aae"] == pytest.approx(100)
    assert [found[name] for name in ("centre_ate_m", "centre_ase", "centre_aoe_rad")] == pytest.approx(
        [0, 0, 0], abs=1e-6
    )
    assert 0 < found["car_ap"] <= 100
    off, _ = summary(task, replace(system, detector=Knows(system.detector.config, 1.2), sees_truth=True))
    assert off["car_ap_area"] == 0 and off["map_centre"] < 60
    assert 0.9 < off["centre_ate_m"] <= 1.2 + 1e-9  # a neighbour may be nearer
    errors = off["centre_ate_m"], off["centre_ase"], off["centre_aoe_rad"]
    whole = (5 * off["map_centre"] / 100 + sum(1 - min(1, error) for error in errors)) / 8
    assert off["nds_without_ave_aae"] == pytest.approx(100 * whole)
    assert set(found) == set(off)
    assert "car_ap" in task.remarks(scores) and "map_3d" in task.remarks(scores)


def test_no_detector_sees_labels_unless_it_is_an_oracle(params):
    task = LidarDetection(params)
    system = task.load(Context())
    blind = Knows(system.detector.config)
    summary(task, replace(system, detector=blind))
    assert set(blind.seen) == {()}


def test_what_is_told_of_cells_becomes_shares_and_pictures(params):
    task = LidarDetection(params)
    system = task.load(Context())
    dropping = replace(system, detector=Knows(system.detector.config), sees_truth=True)
    sample = task.samples("evaluation")[0]
    (output,) = task.run(dropping, [sample], 0)
    states = dropping.told()["cells"].states
    assert (
        (states[::2, ::2] == DROPPED).all() and (states[1::2, ::2] == KEPT).all() and (states[:, 1::2] == EMPTY).all()
    )
    found, _ = summary(task, dropping)
    assert found["dropped_cells"] == found["dropped_voxel_columns"] == 0.5
    pictures = task.preview(sample, output)
    assert len(pictures) == 2 and all(p.pixels.dtype == np.uint8 and p.pixels.ndim == 3 for p in pictures)
    plain, _ = summary(task, replace(system, detector=Knows(system.detector.config, told=False), sees_truth=True))
    assert "dropped_cells" not in plain and "r_inbox_cells" not in plain


def test_each_training_is_judged_by_itself(params):
    """One training finds all, the other nothing, both by the same scores: the mean is half, not what their mixture gives."""
    task = LidarDetection(params)
    system, samples = task.load(Context()), task.samples("evaluation")
    outputs = [
        output
        for seed, spread in enumerate((0.0, 3.0))
        for output in task.run(
            replace(system, detector=Knows(system.detector.config, spread), sees_truth=True), samples, seed
        )
    ]
    scores = task.score(outputs, list(samples) * 2, None)
    assert task.summariser(scores)(np.ones(len(outputs)))["car_ap_area"] == pytest.approx(50)


def test_objects_beyond_the_judged_area_are_ignored(params):
    from frames_for_tests import found_of, frame_of

    from effbench.lidar.camera import kitti_like
    from effbench.tasks.lidar_detection.scoring import frame_arrays

    frame = frame_of(("Car", 20, 0), ("Car", 20, 27), ("Car", 52, 0))
    frame = frame.with_points(frame.boxes[:, :4].astype(np.float32))
    found = found_of(("Car", 20, 0, 0.9), ("Car", 20, 27, 0.8))
    arrays = frame_arrays(frame, found, kitti_like(), CLASSES)
    number = RULES.index(next(one.rule for one in COUNTED if one.name == "car_ap"))
    assert arrays["ap_truths"][number] == 1 and arrays["centre_truths"].tolist() == [1, 0, 0]
    steps = arrays["ap_steps"][arrays["ap_steps"][:, 0] == number]
    assert steps[:, 1:].tolist() == [[0.9, 1, 0]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": "/no/such"}, "data '/no/such': no such folder"),
        ({"profile": "64beam"}, "did you mean '64-beam'"),
        ({"frames": 100_000}, "frames 100000: the generated evaluation split has"),
        ({"system": "nowhere.safetensors"}, "system 'nowhere.safetensors': no such file"),
        ({"system": "zoo:lidar-dense"}, "is called zoo:lidar-detectors/NAME"),
    ],
)
def test_bad_parameters_cost_one_sentence(params, changes, said):
    task = LidarDetection(params.model_copy(update=changes))
    with pytest.raises(PluginError, match=said.replace("(", r"\(")):
        task.check()


def test_elsewhere_than_on_a_cpu_it_is_unsupported(params):
    with pytest.raises(Unsupported, match="on a CPU in float32"):
        LidarDetection(params).load(Context(device="cuda"))


def test_a_class_that_is_not_judged_is_named(params):
    task = LidarDetection(params)
    system = replace(task.load(Context()), classes=("Car", "Truck", "Cyclist"))
    with pytest.raises(PluginError, match="'Truck', which is not judged"):
        task.run(system, task.samples("evaluation")[:1], 0)


def test_weights_of_a_file_that_is_none_are_refused(tmp_path, params):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x00" * 64)
    with pytest.raises(PluginError, match="no detector can be read from it"):
        LidarDetection(params.model_copy(update={"system": str(broken)})).load(Context())


@pytest.mark.parametrize(
    ("low", "high", "refused"),
    [
        ((0.0, -25.6, -2.5), (51.2, 25.6, 1.5), False),
        ((-6.4, -32.0, -2.5), (57.6, 32.0, 1.5), False),
        ((0.0, -19.2, -2.5), (51.2, 25.6, 1.5), True),
        ((0.0, -25.6, -2.5), (44.8, 25.6, 1.5), True),
    ],
)
def test_weights_of_a_grid_that_does_not_cover_what_is_judged_are_refused(tmp_path, params, low, high, refused):
    from effbench.lidar.detector.config import DetectorConfig
    from effbench.lidar.detector.grid import VoxelGrid
    from effbench.lidar.detector.model import LidarDetector, save_detector

    config = DetectorConfig(grid=VoxelGrid(low, high, (0.8, 0.8, 0.5)), width=0.25, layers=2)
    save_detector(LidarDetector(config).eval(), tmp_path / "other.safetensors")
    task = LidarDetection(params.model_copy(update={"system": str(tmp_path / "other.safetensors")}))
    if not refused:
        assert task.load(Context()).detector.config == config
        return
    said = r"weights of another grid: .* judged; train on a grid that covers these$"
    with pytest.raises(PluginError, match=said):
        task.load(Context())
    peer = LidarDetectorPeer(LidarDetectorPeer.Params(system=str(tmp_path / "other.safetensors")))
    with pytest.raises(PluginError, match=said):  # nor as another detector that takes the place of a task's
        peer.apply(LidarDetection(params).load(Context()), Artifact({}, {}))


def test_a_box_is_drawn_where_it_stands():
    from frames_for_tests import frame_of

    from effbench.lidar.picture import TRUTH, from_above

    pixels = from_above(frame_of(("Car", 10, 5)), Detections(np.zeros((0, 7)), np.zeros(0), np.zeros(0, np.int64)),
                        np.array([0.0, -25.6, 51.2, 25.6]))  # fmt: skip
    rows, columns = np.nonzero((pixels == TRUTH).all(2))
    height, width = pixels.shape[:2]
    assert height == width == round(51.2 * 12)
    x, y = (height - rows - 0.5) / 12, 25.6 - (columns + 0.5) / 12
    box = box_of("Car", 10, 5)
    assert abs(y.mean() - 5) < 0.2 and x.min() == pytest.approx(10 - box[3] / 2, abs=0.15)
    assert x.max() == pytest.approx(10 + box[3] / 2 + 0.5, abs=0.15)


@pytest.fixture
def kitti_folder(tmp_path):
    """Return a folder of generated frames in KITTI's layout, of which the second half is to be evaluated."""
    from effbench.lidar.kitti_writer import write_folder
    from effbench.lidar.scene.generator import calibration
    from effbench.lidar.scene.splits import split_frames

    frames = list(split_frames("evaluation", count=4))
    write_folder(tmp_path, frames[:2], calibration(), "train")
    write_folder(tmp_path, frames[2:], calibration(), "val")
    return tmp_path


def test_a_kitti_folder_gives_what_the_generated_frames_it_was_written_of_give(params, kitti_folder):
    written = LidarDetection(params.model_copy(update={"data": str(kitti_folder), "frames": None}))
    written.check()
    assert [sample.id for sample in written.samples("calibration")] == ["000000", "000001"]
    assert [sample.id for sample in written.samples("evaluation")] == ["000002", "000003"]
    system = written.load(Context())
    system = replace(system, detector=Knows(system.detector.config, 0.3), sees_truth=True)
    there, _ = summary(written, system)
    made = LidarDetection(params)
    samples = made.samples("evaluation")[2:4]
    here = made.summariser(made.score(made.run(system, samples, 0), samples, None))(np.ones(2))
    assert there.keys() == here.keys() and there == pytest.approx(here, abs=1e-3)
    assert "kitti" in written.revision() and written.revision() != made.revision()


def test_a_kitti_folder_keeps_the_contract_without_splits_and_is_timed_on_generated_frames(params, kitti_folder):
    for file in (kitti_folder / "ImageSets").iterdir():
        file.unlink()
    given = params.model_copy(update={"data": str(kitti_folder), "frames": 3})
    task = LidarDetection(given)
    assert [sample.id for sample in task.samples("evaluation")] == ["000000", "000001", "000002"]
    assert task.samples("calibration")[0].id == "train-000000"
    check_task(LidarDetection, given, fresh_process=False)


def test_no_frame_of_a_kitti_folder_is_calibrated_with_and_evaluated(params, kitti_folder):
    given = params.model_copy(update={"data": str(kitti_folder), "frames": None})
    sets = kitti_folder / "ImageSets"
    (sets / "train.txt").write_text("000001\n000003\n")
    (sets / "val.txt").write_text("000003\n")
    with pytest.raises(PluginError, match="train and val both name frame '000003'; nothing may be calibrated"):
        LidarDetection(given).check()
    (sets / "val.txt").unlink()
    task = LidarDetection(given)
    assert [sample.id for sample in task.samples("evaluation")] == ["000000", "000002"]
    assert [sample.id for sample in task.samples("calibration")] == ["000001", "000003"]
    (sets / "train.txt").write_text("000000\n000001\n000002\n000003\n")
    with pytest.raises(PluginError, match="train names every frame, so none is left to evaluate"):
        LidarDetection(given).check()


def test_damaged_kitti_folders_cost_one_sentence(params, kitti_folder):
    def said(**changes):
        with pytest.raises(PluginError) as caught:
            LidarDetection(params.model_copy(update={"data": str(kitti_folder), "frames": None, **changes})).check()
        return str(caught.value)

    assert "frames 3: " in said(frames=3) and "has 2 to evaluate" in said(frames=3)
    assert "no folder 'velodyne_reduced'" in said(sweeps="velodyne_reduced")
    (kitti_folder / "calib" / "000003.txt").unlink()
    assert "calib/000003.txt: missing" in said()
    (kitti_folder / "ImageSets" / "val.txt").write_text("000002\n000009\n")
    assert "frame '000009' has no sweep" in said()
    (kitti_folder / "ImageSets" / "val.txt").write_text("000002\n")
    cut = kitti_folder / "velodyne" / "000002.bin"
    cut.write_bytes(cut.read_bytes()[:-3])
    task = LidarDetection(params.model_copy(update={"data": str(kitti_folder), "frames": None}))
    with pytest.raises(PluginError, match="cut short"):
        task.run(task.load(Context()), task.samples("evaluation"), 0)


def test_nuscenes_key_frames_are_grouped_by_scene_and_judged_alike(params, tmp_path):
    from test_nuscenes import tables

    for name, rows in tables().items():
        (tmp_path / "v1.0-mini").mkdir(exist_ok=True)
        (tmp_path / "v1.0-mini" / f"{name}.json").write_text(json.dumps(rows))
    sweep = tmp_path / tables()["sample_data"][0]["filename"]
    sweep.parent.mkdir(parents=True)
    np.array([[0.0, 10, 0, 100, 1], [1, 12, 0, 50, 2]], "<f4").tofile(sweep)
    task = LidarDetection(params.model_copy(update={"data": str(tmp_path), "frames": None}))
    task.check()
    (sample,) = task.samples("evaluation")
    assert sample.group == "scene-0001" and task.revision().count("nuscenes v1.0-mini") == 1
    system = task.load(Context())
    found, _ = summary(task, replace(system, detector=Knows(system.detector.config), sees_truth=True))
    assert found["car_ap_area"] == 100
