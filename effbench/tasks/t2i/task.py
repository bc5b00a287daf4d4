"""The task ``t2i``: prompts become images; scored against the prompt, against real images and against the reference.

Fixed choices: the initial noise of a sample depends on (prompt id, seed) only; images are compared as the floats that the
autoencoder returns, clipped to [0, 1], never through a file format; features are those of the shipped classifier, so the
distances are not FID or KID and are not named so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from effbench.api import (
    Context,
    Metric,
    Output,
    PluginError,
    Sample,
    Scores,
    Split,
    StrictParams,
    Task,
    noise_seed,
)
from effbench.tasks.t2i.distances import frechet_distance, kernel_distance
from effbench.tasks.t2i.judge import judge_images, real_set
from effbench.tasks.t2i.pipelines import Source, find, load_pipeline
from effbench.tasks.t2i.prompts import DIGITS, load_prompts
from effbench.tasks.t2i.system import DiffusionSystem

PSNR_CEILING_DB = 100.0


class TextToImage(Task):
    """Prompt -> image with a diffusers pipeline; quality against prompt, real images and the reference's images."""

    name = "t2i"
    system_type = DiffusionSystem
    preload = (
        "torch",
        "diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma",
        "transformers.models.t5.modeling_t5",
        "transformers.models.t5.tokenization_t5",
        "torchmetrics.functional.image",
    )
    metrics = (
        Metric(
            "prompt_accuracy",
            "share",
            higher_is_better=True,
            primary=True,
            description="share of images that the shipped classifier reads as the digit the prompt asks for",
        ),
        Metric(
            "kernel_distance",
            "",
            higher_is_better=False,
            per="set",
            description="unbiased squared MMD (cubic kernel) to real held-out digits on the classifier's features",
        ),
        Metric(
            "frechet_distance",
            "",
            higher_is_better=False,
            per="set",
            description="Fréchet distance to real held-out digits on the classifier's features (not FID)",
        ),
        Metric(
            "psnr_db", "dB", higher_is_better=True, needs_reference=True, description="PSNR to the reference's image"
        ),
        Metric("ssim", "", higher_is_better=True, needs_reference=True, description="SSIM to the reference's image"),
        Metric(
            "latent_error",
            "",
            higher_is_better=False,
            needs_reference=True,
            description="relative L2 distance of the final latent to the reference's",
        ),
    )

    class Params(StrictParams):
        """Parameters of the task."""

        system: Annotated[str, Field(description="`zoo:name`, a local diffusers folder, or a hub id.")] = (
            "zoo:digits-pixart"
        )
        revision: Annotated[str | None, Field(description="Commit of a hub id; required there.")] = None
        prompts: Annotated[str, Field(description="`digits`, or a text file with one prompt a line.")] = DIGITS
        steps: Annotated[int, Field(ge=1, le=1000, description="Steps of the sampler.")] = 20
        guidance: Annotated[float, Field(ge=1, description="Classifier-free guidance scale; 1: off.")] = 2.5
        judge: Annotated[
            str | None, Field(description="Embedded model whose classifier judges the images; null: the system itself.")
        ] = None

    @cached_property
    def _source(self) -> Source:
        return find(self.params.system, self.params.revision)

    @cached_property
    def _judge(self) -> str | None:
        if self.params.judge is not None or not self.params.system.startswith("zoo:"):
            return self.params.judge  # type: ignore[no-any-return]
        return str(self.params.system)

    def check(self) -> None:
        """Raise ``PluginError`` where the system, its revision, the judge or the prompts cannot be used."""
        self._source  # noqa: B018 - resolving it is the check
        self.samples("evaluation")
        if self._judge is not None:
            real_set(self._judge)

    def revision(self) -> str:
        """Return the hash of the weights, or the hub revision."""
        return self._source.identity()

    def load(self, ctx: Context) -> DiffusionSystem:
        """Return the pipeline with the task's settings."""
        pipeline = load_pipeline(self._source, ctx.device, ctx.dtype)
        side = pipeline.transformer.config.sample_size * pipeline.vae_scale_factor
        longest = min(300, pipeline.tokenizer.model_max_length)
        return DiffusionSystem(pipeline, self.params.steps, self.params.guidance, side, side, longest)

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the prompts of a split, the ten digits in turn."""
        if subset is not None:
            raise PluginError(f"subset {subset!r}: the prompt list {self.params.prompts!r} has no subsets")
        return load_prompts(self.params.prompts, split)

    def run(self, system: DiffusionSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per prompt ``image`` [C, H, W] float32 in [0, 1] and ``latent`` [c, h, w] float32."""
        import torch

        pipeline, scale = system.pipeline, system.pipeline.vae_scale_factor
        shape = (system.denoiser.config.in_channels, system.height // scale, system.width // scale)
        noise = torch.stack([_noise(sample.id, seed, shape) for sample in batch])  # [B, c, h, w]
        with torch.no_grad():
            latents = pipeline(
                prompt=[sample.data["prompt"] for sample in batch],
                negative_prompt="",
                num_inference_steps=system.steps,
                guidance_scale=system.guidance,
                latents=noise.to(pipeline.device, system.denoiser.dtype),
                height=system.height,
                width=system.width,
                max_sequence_length=system.max_sequence_length,
                use_resolution_binning=False,
                clean_caption=False,
                output_type="latent",
            ).images
            vae = pipeline.vae
            decoded = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
        images = (decoded.float() / 2 + 0.5).clamp(0, 1).cpu().numpy()
        return [{"image": i, "latent": z} for i, z in zip(images, latents.float().cpu().numpy())]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return accuracy and features by the judge, and the fidelity to the reference (NaN without one)."""
        images = np.stack([output["image"] for output in outputs])
        scalars = {name: np.full(len(outputs), np.nan) for name in ("psnr_db", "ssim", "latent_error")}
        arrays = {}
        if self._judge is not None:
            digits, features = judge_images(self._judge, images)
            arrays["features"] = list(features)
            if all("digit" in sample.data for sample in batch):
                asked = np.array([sample.data["digit"] for sample in batch])
                scalars["prompt_accuracy"] = (digits == asked).astype(np.float64)
        if reference is not None:
            scalars |= _fidelity(images, outputs, reference)
        return Scores(scalars, arrays)

    def summarise(self, scores: Scores, weights: np.ndarray[Any, Any]) -> dict[str, float]:
        """Return weighted means of the per-image scores and the two distances to real images."""
        values = {
            name: float(np.average(score, weights=weights))
            for name, score in scores.scalars.items()
            if not np.isnan(score).any()
        }
        if self._judge is not None and "features" in scores.arrays:
            features = np.asarray(scores.arrays["features"], np.float64)
            real = real_set(self._judge)
            distances = {
                "kernel_distance": kernel_distance(features, weights, real),
                "frechet_distance": frechet_distance(features, weights, real),
            }
            values |= {name: value for name, value in distances.items() if np.isfinite(value)}
        return values


def _noise(sample_id: str, seed: int, shape: tuple[int, ...]) -> Any:
    """Return the sample's own initial noise, drawn on the CPU so that every device starts from the same."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(noise_seed(sample_id, seed)))


def _fidelity(
    images: np.ndarray[Any, Any], outputs: Sequence[Output], reference: Sequence[Output]
) -> dict[str, np.ndarray[Any, Any]]:
    """Return PSNR (at most 100 dB, where images agree exactly), SSIM and relative latent error, each [N]."""
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    ours, theirs = torch.from_numpy(images), torch.from_numpy(np.stack([r["image"] for r in reference]))
    psnr = [float(peak_signal_noise_ratio(a, b, data_range=1.0)) for a, b in zip(ours, theirs)]
    ssim = structural_similarity_index_measure(ours, theirs, data_range=1.0, reduction="none")
    error = [
        float(np.linalg.norm(o["latent"] - r["latent"])) / max(float(np.linalg.norm(r["latent"])), 1e-12)
        for o, r in zip(outputs, reference)
    ]
    return {
        "psnr_db": np.minimum(np.array(psnr, np.float64), PSNR_CEILING_DB),
        "ssim": np.asarray(ssim, np.float64).reshape(len(images)),
        "latent_error": np.array(error, np.float64),
    }
