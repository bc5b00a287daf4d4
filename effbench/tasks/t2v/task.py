"""The task ``t2v``: prompts become short videos; scored against the prompt, against themselves, and against the reference.

The fixed choices of ``t2i`` hold here too. A video is [F, C, H, W]; it is compared as the floats that the autoencoder
returns, never through a codec.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, PluginError, Sample, Scores, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench.tasks.diffusion.adapters import PipelineAdapter
from effbench.tasks.diffusion.distances import RealSet
from effbench.tasks.diffusion.fidelity import METRICS as FIDELITY
from effbench.tasks.diffusion.fidelity import fidelity
from effbench.tasks.diffusion.judging import real_set
from effbench.tasks.diffusion.prompts import PromptSource, keys_of
from effbench.tasks.diffusion.task import DiffusionParams, DiffusionTask
from effbench.tasks.diffusion.videos import ADAPTERS
from effbench.tasks.t2v.judge import find_judge, judge_videos
from effbench.tasks.t2v.motion import motion_of
from effbench.tasks.t2v.vbench import METRICS as VBENCH
from effbench.tasks.t2v.vbench import Dimension, check_vbench, score_videos

JUDGED = (
    Metric(
        "prompt_accuracy",
        "share",
        higher_is_better=True,
        primary=True,
        description="share of videos in which the shipped judge sees the emoji and the direction that the prompt asks for",
    ),
    Metric("object_accuracy", "share", higher_is_better=True, description="share of videos with the right emoji"),
    Metric(
        "direction_accuracy", "share", higher_is_better=True, description="share of videos with the right direction"
    ),
    Metric(
        "frame_alignment",
        "",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        description="cosine of a frame with the emoji asked for, in the shipped judge, mean over frames",
    ),
    Metric(
        "temporal_consistency",
        "",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        description="cosine of the judge's features of successive frames, mean over the video",
    ),
)
ASKED_FOR = frozenset({"concept", "direction"})
"""What a sample must bring for the judge to say whether a video shows what its prompt asks for."""
OF_PROMPT = frozenset({"prompt_accuracy", "object_accuracy", "direction_accuracy", "frame_alignment"})
"""The scores that need it."""
MOVED = (
    Metric(
        "warping_error",
        "",
        higher_is_better=False,
        bounds=(0.0, math.inf),
        description="mean squared difference of successive frames along a block-matching flow",
    ),
    Metric(
        "flicker",
        "",
        higher_is_better=False,
        bounds=(0.0, math.inf),
        description="mean absolute difference of successive frames where that flow is zero",
    ),
)
DISTANCES = (
    Metric(
        "kernel_distance",
        "",
        higher_is_better=False,
        per="set",
        description="unbiased squared MMD (cubic kernel) to real videos on the judge's features (not KVD)",
    ),
    Metric(
        "frechet_distance",
        "",
        higher_is_better=False,
        per="set",
        bounds=(0.0, math.inf),
        description="Fréchet distance to real videos on the judge's features (not FVD)",
    ),
)


class TextToVideo(DiffusionTask):
    """Prompt -> video with a diffusers pipeline; quality against prompt, real videos and the reference's videos."""

    name = "t2v"
    adapters = ADAPTERS
    output = "video"
    small: ClassVar[Mapping[str, Any]] = {"steps": 2}
    preload = (
        "torch",
        "diffusers.pipelines.latte.pipeline_latte",
        "transformers.models.t5.modeling_t5",
        "transformers.models.t5.tokenization_t5",
        "torchmetrics.functional.image",
    )
    metrics = (*JUDGED, *MOVED, *DISTANCES, *FIDELITY, *VBENCH)

    class Params(DiffusionParams):
        """Parameters of the task."""

        system: Annotated[str, Field(description="`zoo:name`, a local diffusers folder, or a hub id.")] = (
            "zoo:moving-emoji-latte"
        )
        prompts: Annotated[
            str | PromptSource,
            Field(
                description="`moving-emoji`, `moving-emoji-held-out`, `moving-emoji-pool`, a file of prompts, or a data set."
            ),
        ] = "moving-emoji"
        guidance: Annotated[float, Field(ge=1, description="Classifier-free guidance scale; 1: off.")] = 3.0
        frames: Annotated[int | None, Field(ge=2, description="Frames of a video; null: the model's own.")] = None
        judge: Annotated[
            str | None, Field(description="Embedded model whose judge scores the videos; null: the system's own.")
        ] = None

        vbench: Annotated[
            tuple[Dimension, ...], Field(description="Dimensions of VBench to add; the package fetches its networks.")
        ] = ()

    def __init__(self, params: StrictParams | None = None) -> None:
        super().__init__(params)
        self._device = "cpu"
        learned = [f"vbench_{name}" for name in self.params.vbench]
        is_judged, brings = self.is_judged(), keys_of(self.params.prompts) >= ASKED_FOR
        given = {metric.name for metric in JUDGED if is_judged and (brings or metric.name not in OF_PROMPT)}
        distances = {metric.name for metric in DISTANCES if is_judged}
        always = {metric.name for metric in (*MOVED, *FIDELITY)}
        names = {*given, *distances, *always, *learned}
        if not learned:
            names.add(JUDGED[0].name)  # stays as a column that says why it is empty, unless another score can lead
        chosen = [metric for metric in type(self).metrics if metric.name in names]
        self.metrics = self.lead(chosen, learned, has_primary=JUDGED[0].name in given)

    @cached_property
    def _judge(self) -> Path | None:
        if self.params.judge is not None:
            return find_judge(self.params.judge)
        return find_judge(self.params.system) if self.params.system.startswith("zoo:") else None

    def check(self) -> None:
        """Raise ``PluginError`` where the system, its revision, the judge or the prompts cannot be used."""
        super().check()
        self.real()
        if self.params.vbench:
            check_vbench()

    def judge_folder(self) -> Path | None:
        """Return the folder of the judge's weights."""
        return self._judge

    def real(self) -> RealSet | None:
        """Return the features of the judge's real videos."""
        return None if self._judge is None else real_set(self._judge)

    def load(self, ctx: Context) -> DiffusionSystem:
        """Return the pipeline with the task's settings; learned scores run on the same device."""
        self._device = ctx.device
        return super().load(ctx)

    def frames_of(self, adapter: PipelineAdapter, pipeline: Any) -> int:
        """Return the number of frames of a video; raise ``PluginError`` where the model takes another."""
        trained, step = adapter.frames(pipeline), adapter.frame_step(pipeline)
        asked = int(self.params.frames or trained)
        if step == 0 and asked != trained:
            raise PluginError(f"frames {asked}: {type(pipeline).__name__} makes {trained} frames only")
        if step > 1 and (asked - 1) % step:
            near = 1 + step * round((asked - 1) / step)
            raise PluginError(f"frames {asked}: must be 1 more than a multiple of {step}; the nearest is {near}")
        return asked

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the judge's scores and features, motion, and the fidelity to the reference (NaN without one)."""
        videos = np.stack([output["video"] for output in outputs])
        scalars = {metric.name: np.full(len(outputs), np.nan) for metric in FIDELITY}
        arrays = {}
        if self._judge is not None:
            judged = judge_videos(self._judge, videos, batch)
            arrays["features"] = list(judged.features)
            scalars |= judged.scalars
        scalars |= motion_of(videos)._asdict()
        if self.params.vbench:
            prompts = [sample.data["prompt"] for sample in batch]
            scalars |= score_videos(videos, prompts, self.params.vbench, self._device)
        if reference is not None:
            scalars |= fidelity(videos, outputs, reference, "video")
        return self.scores(scalars, arrays, len(outputs))
