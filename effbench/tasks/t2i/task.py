"""The task ``t2i``: prompts become images; scored against the prompt, against real images and against the reference.

Fixed choices: the initial noise of a sample depends on (prompt id, seed) only; images are compared as the floats that the
autoencoder returns, clipped to [0, 1], never through a file format; features are those of the shipped judge, so the
distances are not FID or KID and are not named so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, PluginError, Sample, Scores, StrictParams, Summariser
from effbench.arrays import Array
from effbench.diffusion import DiffusionSystem
from effbench.tasks.diffusion.distances import RealSet
from effbench.tasks.diffusion.fidelity import METRICS as FIDELITY
from effbench.tasks.diffusion.fidelity import fidelity, layer_distance
from effbench.tasks.diffusion.images import ADAPTERS
from effbench.tasks.diffusion.prompts import PromptSource, keys_of
from effbench.tasks.diffusion.task import DiffusionParams, DiffusionTask
from effbench.tasks.t2i.judges import Judge, find_judge
from effbench.tasks.t2i.schedulers import SchedulerName, scheduler_of
from effbench.tasks.t2i.scorers import SCORERS, Scorer

ScorerName = Literal["clip_score", "fid", "lpips", "image_reward", "hps_v2"]

ACCURACY = Metric(
    "prompt_accuracy",
    "share",
    higher_is_better=True,
    primary=True,
    description="share of images that the shipped judge finds to fit their prompt: reads the digit that it asks for, or "
    "ranks it first among 20",
)
ALIGNMENT = Metric(
    "alignment",
    "",
    higher_is_better=True,
    bounds=(-1.0, 1.0),
    description="cosine of image and prompt in the shipped dual encoder (not CLIPScore)",
)
DISTANCES = (
    Metric(
        "kernel_distance",
        "",
        higher_is_better=False,
        per="set",
        description="unbiased squared MMD (cubic kernel) to real held-out images on the judge's features (not KID)",
    ),
    Metric(
        "frechet_distance",
        "",
        higher_is_better=False,
        per="set",
        bounds=(0.0, math.inf),
        description="Fréchet distance to real held-out images on the judge's features (not FID)",
    ),
)
FEATURE_DISTANCE = Metric(
    "feature_distance",
    "",
    higher_is_better=False,
    needs_reference=True,
    bounds=(0.0, math.inf),
    description="distance to the reference's image on the judge's feature maps (LPIPS's formula, not its network)",
)

FIDELITY_NAMES = frozenset(metric.name for metric in FIDELITY)
"""What every pair of images has, whoever judges them."""


class TextToImage(DiffusionTask):
    """Prompt -> image with a diffusers pipeline; quality against prompt, real images and the reference's images."""

    name = "t2i"
    adapters = ADAPTERS
    output = "image"
    small: ClassVar[Mapping[str, Any]] = {"steps": 2}
    preload = (
        "torch",
        "diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma",
        "transformers.models.t5.modeling_t5",
        "transformers.models.t5.tokenization_t5",
        "torchmetrics.functional.image",
    )
    metrics = (
        ACCURACY,
        ALIGNMENT,
        *DISTANCES,
        FEATURE_DISTANCE,
        *FIDELITY,
        *(scorer.metric for scorer in SCORERS.values()),
    )

    class Params(DiffusionParams):
        """Parameters of the task."""

        prompts: Annotated[
            str | PromptSource,
            Field(description="`digits`, `emoji`, `emoji-held-out`, `emoji-pool`, a file of prompts, or a data set."),
        ] = "digits"
        judge: Annotated[
            str | None, Field(description="Embedded model whose judge scores the images; null: the system's own.")
        ] = None

        scheduler: Annotated[
            SchedulerName | None,
            Field(
                description="Class of diffusers that samples, with the noise schedule of the system's own; null: its own."
            ),
        ] = None
        scorers: Annotated[
            Mapping[ScorerName, str | None],
            Field(description="Learned scores to add, each with its weights (a path or a name) or null for the usual."),
        ] = Field(default_factory=dict)
        real_images: Annotated[str | None, Field(description="Folder of pictures that `fid` compares with.")] = None

    def __init__(self, params: StrictParams | None = None) -> None:
        super().__init__(params)
        given = self._given()
        chosen = [metric for metric in type(self).metrics if self._applies(metric.name, given)]
        others = [name for name in (ALIGNMENT.name, *self.params.scorers) if name in {metric.name for metric in chosen}]
        self.metrics = self.lead(chosen, others, has_primary=ACCURACY.name in given)

    def _given(self) -> frozenset[str]:
        """Return the scores of single images that the judge gives, from what the samples of the list bring."""
        try:
            judge = self._judge
        except PluginError:  # said where the parameters are checked
            return frozenset({ACCURACY.name, ALIGNMENT.name})
        keys = keys_of(self.params.prompts)
        return frozenset(name for name, needed in (judge.scores if judge else {}).items() if needed in keys)

    def _applies(self, name: str, given: frozenset[str]) -> bool:
        """Return whether these parameters can give a metric at all; one that cannot is no column of the table."""
        if name in SCORERS:
            return name in self.params.scorers
        if name == ALIGNMENT.name:
            return name in given
        if name == ACCURACY.name:  # stays as a column that says why it is empty, unless another score can lead
            return name in given or not (ALIGNMENT.name in given or self.params.scorers)
        return name in FIDELITY_NAMES or self.is_judged()

    @cached_property
    def _scorers(self) -> dict[str, Scorer]:
        return {name: SCORERS[name](weights, self.params.real_images) for name, weights in self.params.scorers.items()}

    @cached_property
    def _judge(self) -> Judge | None:
        if self.params.judge is not None:
            return find_judge(self.params.judge)
        return find_judge(self.params.system) if self.params.system.startswith("zoo:") else None

    def check(self) -> None:
        """Raise ``PluginError`` where the system, its revision, the judge or the prompts cannot be used."""
        super().check()
        self.real()
        for scorer in self._scorers.values():
            scorer.check()
            if scorer.needs_prompts and any("prompt" not in sample.data for sample in self.samples("evaluation")):
                raise PluginError(
                    f"scorer {scorer.metric.name!r}: needs prompts, and {self.params.prompts!r} gives labels"
                )

    def judge_folder(self) -> Path | None:
        """Return the folder of the judge's weights."""
        return None if self._judge is None else self._judge.folder

    def real(self) -> RealSet | None:
        """Return the features of the judge's real images."""
        return None if self._judge is None else self._judge.real()

    def load(self, ctx: Context) -> DiffusionSystem:
        """Return the pipeline with the task's settings; learned scores run on the same device."""
        for scorer in self._scorers.values():
            scorer.device = ctx.device
        return super().load(ctx)

    def system_of(self, pipeline: Any) -> DiffusionSystem:
        """Return a loaded pipeline with the task's settings and its scheduler, to which plans are tied."""
        if self.params.scheduler is not None:
            pipeline.scheduler = scheduler_of(pipeline.scheduler, self.params.scheduler)
        return super().system_of(pipeline)

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the judge's scores and features, and the fidelity to the reference (NaN without one)."""
        images = np.stack([output["image"] for output in outputs])
        scalars = {metric.name: np.full(len(outputs), np.nan) for metric in FIDELITY}
        arrays = {}
        if self._judge is not None:
            judged = self._judge.judge(images, batch)
            arrays["features"] = list(judged.features)
            scalars |= {"feature_distance": np.full(len(outputs), np.nan), **judged.scalars}
        if reference is not None:
            scalars |= fidelity(images, outputs, reference, "image")
            if self._judge is not None:
                theirs = np.stack([r["image"] for r in reference])
                scalars["feature_distance"] = layer_distance(self._judge.maps(images), self._judge.maps(theirs))
        prompts = [sample.data.get("prompt", "") for sample in batch]
        for name, scorer in self._scorers.items():
            found = scorer.score(
                images, prompts, None if reference is None else np.stack([r["image"] for r in reference])
            )
            if found is not None and scorer.metric.per == "set":
                arrays[name] = list(found)
            else:
                scalars[name] = np.full(len(outputs), np.nan) if found is None else found
        return self.scores(scalars, arrays, len(outputs))

    def summariser(self, scores: Scores) -> Summariser:
        """Return what gives the weighted means of the per-image scores and the distances of the set."""
        others = super().summariser(scores)
        of_sets = {
            name: scorer.summariser(scores.arrays[name])
            for name, scorer in self._scorers.items()
            if name in scores.arrays
        }

        def summarise(weights: Array) -> dict[str, float]:
            found = {name: metric(weights) for name, metric in of_sets.items()}
            return others(weights) | {name: value for name, value in found.items() if np.isfinite(value)}

        return summarise
