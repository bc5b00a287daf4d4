"""VBench is called as it documents it and its results are put back in order; its networks are replaced."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from effbench.api import PluginError, Sample
from effbench.tasks.t2v.task import TextToVideo
from effbench.tasks.t2v.vbench import check_vbench, score_videos

VIDEOS = np.stack([np.full((4, 3, 8, 8), level, np.float32) for level in (0.1, 0.5, 0.9)])


@pytest.fixture
def fake(monkeypatch):
    """Replace the package by one that scores a video by its number, and the writer of MP4 by one that keeps an array."""
    asked = {}

    class VBench:
        def __init__(self, device, full_info_dir, output_path):
            self.output = Path(output_path)
            asked["device"] = device

        def evaluate(self, videos_path, name, prompt_list, dimension_list, mode):
            files = sorted(Path(videos_path).iterdir(), reverse=True)
            asked.update(prompts=prompt_list, mode=mode, shape=np.load(files[0]).shape)
            rows = [{"video_path": str(f), "video_results": float(np.load(f).mean())} for f in files]
            results = {dimension: [0.0, rows] for dimension in dimension_list}
            (self.output / f"{name}_eval_results.json").write_text(json.dumps(results))

    def export(frames, path, fps):
        with Path(path).open("wb") as file:
            np.save(file, np.stack(frames))

    import diffusers.utils

    module = types.ModuleType("vbench")
    module.VBench = VBench
    monkeypatch.setitem(sys.modules, "vbench", module)
    monkeypatch.setattr(diffusers.utils, "export_to_video", export)
    return asked


def test_results_come_in_the_order_of_the_videos(fake):
    found = score_videos(VIDEOS, ["a", "b", "c"], ["motion_smoothness", "imaging_quality"], "cpu")
    np.testing.assert_allclose(found["vbench_motion_smoothness"], [0.1, 0.5, 0.9], rtol=1e-5)
    assert set(found) == {"vbench_motion_smoothness", "vbench_imaging_quality"}
    assert fake["mode"] == "custom_input" and fake["device"] == "cpu"
    assert list(fake["prompts"].values()) == ["a", "b", "c"] and fake["shape"] == (4, 8, 8, 3)


def test_its_columns_are_those_that_were_asked_for(fake):
    task = TextToVideo(TextToVideo.Params(system="elsewhere", vbench=("motion_smoothness",)))
    assert [m.name for m in task.metrics] == [
        "warping_error", "flicker", "psnr_db", "ssim", "latent_error", "vbench_motion_smoothness",
    ]  # fmt: skip
    outputs = [{"video": video, "latent": video[0]} for video in VIDEOS]
    scores = task.score(outputs, [Sample(str(i), {"prompt": "x"}) for i in range(3)], None)
    found = task.summariser(scores)(np.ones(3))
    assert found["vbench_motion_smoothness"] == pytest.approx(0.5)


def test_a_missing_package_is_named_before_anything_runs():
    with pytest.raises(PluginError, match="vbench: the package 'vbench' does not import"):
        check_vbench()


def test_the_means_are_those_that_vbench_reports(fake):
    """Of imaging quality it lists values up to 100 and reports a hundredth of their mean."""
    found = score_videos(VIDEOS, ["a", "b", "c"], ["imaging_quality"], "cpu")
    np.testing.assert_allclose(found["vbench_imaging_quality"], [0.001, 0.005, 0.009], rtol=1e-5)


def test_the_first_dimension_leads_where_there_is_no_judge(fake):
    params = {"system": "elsewhere", "vbench": ("dynamic_degree", "imaging_quality")}
    assert [m.name for m in TextToVideo(TextToVideo.Params(**params)).metrics if m.primary] == ["vbench_dynamic_degree"]
    assert [m.name for m in TextToVideo(TextToVideo.Params(system="elsewhere")).metrics if m.primary] == [
        "prompt_accuracy"
    ]
