"""What the two diffusion tasks have in common: from parameters to a system, and from samples to pictures and latents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from effbench import zoo
from effbench.api import (
    Context,
    Metric,
    Output,
    Picture,
    PluginError,
    Sample,
    Scores,
    Split,
    StrictParams,
    Summariser,
    Task,
    noise_seed,
)
from effbench.arrays import Array
from effbench.diffusion import DiffusionSystem, observed
from effbench.diffusion.layers import float_layers_of
from effbench.tasks.diffusion.adapters import PipelineAdapter
from effbench.tasks.diffusion.distances import RealSet, frechet_distance, kernel_distance
from effbench.tasks.diffusion.folders import is_folder
from effbench.tasks.diffusion.needs import check_disk, check_memory
from effbench.tasks.diffusion.prompts import load_prompts
from effbench.tasks.diffusion.sources import DENOISERS, Source, find, find_denoiser, load_pipeline
from effbench.tasks.diffusion.tokens import check_tokens


class DiffusionParams(StrictParams):
    """Parameters that text-to-image and text-to-video share."""

    system: Annotated[str, Field(description="`zoo:name`, a local diffusers folder, or a hub id.")] = (
        "zoo:digits-pixart"
    )
    revision: Annotated[
        str | None, Field(description="Commit of a hub id, or a branch whose commit is looked up; required there.")
    ] = None
    denoiser: Annotated[
        str | None, Field(description="Folder or hub id whose transformer replaces the system's; null: its own.")
    ] = None
    denoiser_revision: Annotated[str | None, Field(description="Commit or branch of the denoiser.")] = None
    variant: Annotated[str | None, Field(description="Variant of the weight files, such as `fp16`.")] = None
    steps: Annotated[int, Field(ge=1, le=1000, description="Steps of the sampler.")] = 20
    guidance: Annotated[float, Field(ge=1, description="Classifier-free guidance scale; 1: off.")] = 2.5
    height: Annotated[int | None, Field(ge=8, description="Height in pixels; null: the model's own.")] = None
    width: Annotated[int | None, Field(ge=8, description="Width in pixels; null: the model's own.")] = None
    long_prompts: Annotated[
        Literal["refuse", "cut"],
        Field(description="What to do with a prompt of more tokens than the text encoder takes."),
    ] = "refuse"


class DiffusionTask(Task):
    """A task whose system is a diffusers pipeline; ``adapters`` are the classes that it can call."""

    system_type = DiffusionSystem
    adapters: ClassVar[Mapping[str, type[PipelineAdapter]]]
    output: ClassVar[str]
    """Name of the array that holds an output's pictures."""

    @cached_property
    def _source(self) -> Source:
        given = self.params
        elsewhere = () if given.denoiser is None else DENOISERS
        found = find(given.system, given.revision, given.variant, self.adapters, elsewhere)
        if given.denoiser is None:
            return found
        return replace(found, denoiser=find_denoiser(given.denoiser, given.denoiser_revision, given.variant))

    def check(self) -> None:
        """Raise ``PluginError`` where the system, its revision or the prompts cannot be used."""
        check_disk(self._source)
        self.samples("evaluation")

    def revision(self) -> str:
        """Return what pins weights (a hash, or the hub's commit), prompts and judge."""
        digest = hashlib.sha256()
        for split in ("calibration", "evaluation"):
            for sample in self.samples(split):
                digest.update(f"{sample.id}\0{sorted({**sample.data, **(sample.target or {})}.items())}\n".encode())
        judge = self.judge_folder()
        judged = "" if judge is None else f"+judge:{zoo.folder_sha256(judge)[:16]}"
        return f"{self._source.identity()}+prompts:{digest.hexdigest()[:16]}{judged}"

    def judge_folder(self) -> Path | None:
        """Return the folder of the shipped judge's weights, if one scores the outputs."""
        return None

    def is_judged(self) -> bool:
        """Return whether a shipped judge scores the outputs; a judge that cannot be found is said by ``check``."""
        try:
            return self.judge_folder() is not None
        except PluginError:
            return True

    def lead(self, chosen: Sequence[Metric], others: Sequence[str], *, has_primary: bool) -> tuple[Metric, ...]:
        """Return metrics of which one leads the table: without a primary one, the first of ``others`` that stands alone.

        A primary one that nothing here can give stays as a column that says why it is empty.
        """
        if not has_primary:
            chosen = [replace(metric, undefined="unsupported") if metric.primary else metric for metric in chosen]
        if any(metric.primary for metric in chosen) or not others:
            return tuple(chosen)
        alone = [m.name for name in others for m in chosen if m.name == name and not m.needs_reference]
        return tuple(replace(metric, primary=metric.name == (alone or list(others))[0]) for metric in chosen)

    def scores(self, scalars: dict[str, Any], arrays: dict[str, Any], count: int) -> Scores:
        """Return the scores of ``count`` outputs; what these parameters cannot give is NaN."""
        empty = {m.name: np.full(count, np.nan) for m in self.metrics if m.per == "sample" and m.undefined}
        return Scores({**empty, **scalars}, arrays)

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the prompts of a split in their order."""
        if split == "validation":
            raise PluginError(f"samples('validation'): {self.name} freezes nothing on scores, and has no such split")
        if subset is not None:
            raise PluginError(f"subset {subset!r}: the prompt list {self.params.prompts!r} has no subsets")
        return load_prompts(self.params.prompts, split)

    def adapter(self, pipeline: Any) -> PipelineAdapter:
        """Return what knows how to call a pipeline."""
        return self.adapters[type(pipeline).__name__]()

    def load(self, ctx: Context) -> DiffusionSystem:
        """Return the pipeline with the task's settings."""
        check_memory(self._source, ctx.device, ctx.dtype)
        return self.system_of(load_pipeline(self._source, ctx.device, ctx.dtype, self.adapters))

    def system_of(self, pipeline: Any) -> DiffusionSystem:
        """Return a loaded pipeline with the task's settings; raise ``PluginError`` where they do not suit it."""
        adapter = self.adapter(pipeline)
        adapter.set_precision(pipeline)
        trained = self._trained_size() or adapter.size(pipeline)
        height, width = self.params.height or trained[0], self.params.width or trained[1]
        multiple = adapter.size_multiple(pipeline)
        for name, asked, fallback in (("height", height, trained[0]), ("width", width, trained[1])):
            if asked % multiple:
                near = max(multiple, round(asked / multiple) * multiple)
                raise PluginError(f"{name} {asked}: must be a multiple of {multiple}; the nearest is {near}")
            if asked != fallback and not adapter.takes_size:
                raise PluginError(
                    f"{name} {asked}: {type(pipeline).__name__} makes {trained[0]}x{trained[1]} pixels only"
                )
        longest = adapter.max_prompt_tokens(pipeline)
        self._check_prompts(adapter, pipeline, longest)
        system = DiffusionSystem(
            pipeline,
            self.params.steps,
            self.params.guidance,
            height,
            width,
            longest,
            self.frames_of(adapter, pipeline),
            model=self._model(),
            revision=self._source.identity(),
            guided_as=adapter.guidance_order(pipeline),
        )
        return replace(system, float_layers=float_layers_of(system.denoiser))

    def _model(self) -> str:
        """Return what the model is called wherever it lies: a local folder by its name, since its hash says the rest."""
        given = [name for name in (self.params.system, self.params.denoiser) if name is not None]
        return "+".join(Path(name).resolve().name if is_folder(name) else name for name in given)

    def _trained_size(self) -> tuple[int, int] | None:
        """Return the (height, width) that an embedded model's card names, where its configuration does not say it."""
        card = zoo.find(self.params.system).card if self.params.system.startswith("zoo:") else {}
        return tuple(card["size"]) if "size" in card else None

    def frames_of(self, adapter: PipelineAdapter, pipeline: Any) -> int:
        """Return the number of frames of an output."""
        return adapter.frames(pipeline)

    def _check_prompts(self, adapter: PipelineAdapter, pipeline: Any, longest: int) -> None:
        """Raise ``PluginError`` where a sample lacks what the pipeline is given, or a prompt cannot reach it whole."""
        everything = [*self.samples("evaluation"), *self.samples("calibration")]
        key = "prompt" if adapter.takes_text else "label"
        if lacking := next((sample.id for sample in everything if key not in sample.data), None):
            raise PluginError(f"sample {lacking!r}: {type(pipeline).__name__} needs a {key}, and the list gives none")
        if not adapter.takes_text:
            return
        for tokenizer, encoder in adapter.text_encoders(pipeline):
            check_tokens(tokenizer, encoder, everything, None if self.params.long_prompts == "cut" else longest)

    def run(self, system: DiffusionSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per sample its pictures, float32 in [0, 1], and ``latent``, float32."""
        import torch

        adapter = self.adapter(system.pipeline)
        shape = adapter.noise_shape(system)
        noise = torch.stack([torch.randn(shape, generator=_generator(sample.id, seed)) for sample in batch])
        # A sampler that draws noise at every step gets each sample's own, apart from where it starts.
        generators = [_generator(f"{sample.id}/steps", seed) for sample in batch]
        with torch.no_grad(), observed(system):
            pictures, latents = adapter.generate(system, [sample.data for sample in batch], noise, generators)
        return [
            {self.output: p, "latent": z} for p, z in zip(pictures.clamp(0, 1).numpy(), latents.numpy(), strict=True)
        ]

    def real(self) -> RealSet | None:
        """Return the features of real outputs that ``features`` are compared with; None: there are none."""
        return None

    def summariser(self, scores: Scores) -> Summariser:
        """Return what gives the weighted means of the scores and the two distances to real outputs."""
        means, distances, real = super().summariser(scores), {}, self.real()
        if real is not None and "features" in scores.arrays:
            features = np.asarray(scores.arrays["features"], np.float64)
            distances["kernel_distance"] = kernel_distance(features, real)
            distances["frechet_distance"] = frechet_distance(features, real)

        def summarise(weights: Array) -> dict[str, float]:
            found = {name: distance(weights) for name, distance in distances.items()}
            return means(weights) | {name: value for name, value in found.items() if np.isfinite(value)}

        return summarise

    def preview(self, sample: Sample, output: Output) -> Sequence[Picture]:
        """Return the image, or the video frame by frame, in 8 bits."""
        return [Picture(self.output, eight_bits(output[self.output]))]


def eight_bits(pictures: Array) -> Array:
    """Return pictures [..., C, H, W] in [0, 1], of one channel or three, as uint8 [..., H, W, 3]; what is no number is 0."""
    pixels = (np.nan_to_num(np.asarray(pictures, np.float32)).clip(0, 1) * 255).round().astype(np.uint8)
    if pixels.shape[-3] == 1:
        pixels = np.repeat(pixels, 3, axis=-3)
    return np.moveaxis(pixels, -3, -1)


def _generator(name: str, seed: int) -> Any:
    """Return a sample's own generator, on the CPU so that every device gets the same noise."""
    import torch

    return torch.Generator().manual_seed(noise_seed(name, seed))
