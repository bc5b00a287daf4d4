"""Dimensions of VBench (Huang et al. 2024) through its own package, for those that score a video with its prompt alone.

Its networks are fetched by the package when it runs, which is long; a batch is written as MP4 files, because it reads no
other form of video. The six dimensions that need a detector's vocabulary per prompt are left to VBench itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from effbench.api import Metric
from effbench.arrays import Array
from effbench.tasks.diffusion.packages import refuse_unless_it_imports

Dimension = Literal[
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
    "overall_consistency",
]
FRAMES_PER_SECOND = 8
"""Of the files that VBench reads: its dynamic degree samples a file down to 8 a second, so that it then sees every frame."""
SCALES = {"imaging_quality": 100.0}
"""What VBench divides a dimension's mean by, after it has listed the videos' own values."""
METRICS = tuple(
    Metric(
        f"vbench_{name}", "", higher_is_better=True, description=f"VBench, {name.replace('_', ' ')}, mean over videos"
    )
    for name in get_args(Dimension)
)


def check_vbench() -> None:
    """Raise ``PluginError`` where the package does not import."""
    refuse_unless_it_imports(
        "vbench",
        "vbench",
        "pip install vbench into an environment with the versions that it pins, which are not EffBench's",
    )


def score_videos(videos: Array, prompts: Sequence[str], dimensions: Sequence[str], device: str) -> dict[str, Array]:
    """Return ``vbench_<dimension>`` [N] of videos [N, F, 3, H, W] in [0, 1] with their prompts."""
    from diffusers.utils import export_to_video
    from vbench import VBench

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "videos"
        folder.mkdir()
        names = [f"{number:05d}.mp4" for number in range(len(videos))]
        for name, video in zip(names, videos):
            export_to_video(list(video.transpose(0, 2, 3, 1)), str(folder / name), fps=FRAMES_PER_SECOND)
        bench = VBench(device, str(Path(scratch) / "unused.json"), scratch)
        bench.evaluate(
            videos_path=str(folder),
            name="batch",
            prompt_list=dict(zip(names, prompts)),
            dimension_list=list(dimensions),
            mode="custom_input",
        )
        found = json.loads((Path(scratch) / "batch_eval_results.json").read_text("utf-8"))
    return {f"vbench_{name}": _in_order(found[name][1], names) / SCALES.get(name, 1.0) for name in dimensions}


def _in_order(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Array:
    """Return the results of the videos in our order; the package lists a folder's files in any."""
    results = {Path(row["video_path"]).name: float(row["video_results"]) for row in rows}
    return np.array([results[name] for name in names])
