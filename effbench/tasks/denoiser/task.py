"""The task ``denoiser``: what one call of a denoiser of real size costs on this machine.

The weights are random, so that nothing has to be fetched and outputs mean nothing: quality is null (``random_weights``).
One call is one step of the sampler, both halves of classifier-free guidance. A sample is one call, or with ``steps`` several
that a solver joins, for methods that use at one step what they computed at another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, Sample, Scores, Split, StrictParams, Task, noise_seed
from effbench.diffusion import DiffusionSystem, observed
from effbench.diffusion.layers import float_layers_of
from effbench.tasks.denoiser.architectures import ARCHITECTURES, TEXT_TOKENS, check, side_of

GUIDANCE = 4.5
"""Scale of the system: PixArt-Sigma's default; any above 1 runs both halves."""
MIDDLE = 500.0
"""Noise level of a single call, halfway through the 1,000 that models are trained on: a call costs the same at any."""


class DenoiserAlone:
    """Stands where a pipeline would: it holds nothing but the denoiser and, for several steps, a scheduler."""

    def __init__(self, transformer: Any, scheduler: Any = None) -> None:
        self.transformer, self.scheduler = transformer, scheduler
        self.components: Mapping[str, Any] = {"transformer": transformer}

    @property
    def device(self) -> Any:
        """Return where the denoiser is."""
        return next(self.transformer.parameters()).device


class Denoiser(Task):
    """One or several calls of a published denoiser with random weights; for latency, memory and FLOPs only."""

    name = "denoiser"
    random_weights = True
    system_type = DiffusionSystem
    small: ClassVar[Mapping[str, Any]] = {"blocks": 1, "tokens": 256, "samples": 2}
    preload = ("torch", "diffusers.models.transformers.pixart_transformer_2d", "diffusers.models.unets.unet_2d_blocks")
    metrics = (
        Metric(
            "output_error",
            "",
            higher_is_better=False,
            primary=True,
            bounds=(0.0, math.inf),
            description="never given: with random weights an error of the output says nothing about quality",
        ),
    )

    class Params(StrictParams):
        """Parameters of the task."""

        architecture: Annotated[Literal["pixart-sigma-xl2", "sdxl-mid-block"], Field(description="Which denoiser.")] = (
            "pixart-sigma-xl2"
        )
        blocks: Annotated[int | None, Field(ge=1, description="Transformer blocks; null: as many as published.")] = None
        tokens: Annotated[int, Field(description="Image tokens: 1024 are 512 pixels of PixArt, or 1024 of SDXL.")] = (
            1024
        )
        steps: Annotated[
            int, Field(ge=1, le=1000, description="Calls of a sample; more than one are steps of DPM-Solver++.")
        ] = 1
        samples: Annotated[int, Field(ge=1, le=1_000_000, description="Number of evaluation samples.")] = 1

    def check(self) -> None:
        """Raise ``PluginError`` where the architecture has no such depth or number of tokens."""
        check(self.params.architecture, self.params.blocks, self.params.tokens)

    def revision(self) -> str:
        """Return what pins the weights: they are drawn from this seed."""
        return "random:0"

    def load(self, ctx: Context) -> DiffusionSystem:
        """Return the denoiser with seeded random weights, as a system of one guided step."""
        import torch

        architecture = ARCHITECTURES[self.params.architecture]
        torch.manual_seed(0)
        model = architecture.build(self.params.blocks or architecture.depth, self.params.tokens)
        model = model.eval().to(ctx.device, getattr(torch, ctx.dtype))
        side = architecture.pixels_per_token * side_of(self.params.tokens)
        depth = self.params.blocks or architecture.depth
        return DiffusionSystem(
            DenoiserAlone(model, _solver() if self.params.steps > 1 else None),
            self.params.steps,
            GUIDANCE,
            side,
            side,
            TEXT_TOKENS[self.params.architecture],
            model=f"{self.params.architecture} with {depth} of {architecture.depth} blocks",
            revision=self.revision(),
            guided_as="unconditional-first",
            float_layers=float_layers_of(model),
        )

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return samples that are nothing but their ids, from which latent and text are made."""
        return [Sample(f"{split}-{number}") for number in range(self.params.samples)]

    def run(self, system: DiffusionSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per sample ``output`` [C, h, w] of the conditional half, at the last step."""
        import torch

        architecture = ARCHITECTURES[self.params.architecture]
        shapes = architecture.inputs(self.params.tokens)
        parameter = next(system.denoiser.parameters())
        columns: dict[str, list[Any]] = {name: [] for name in shapes}
        for sample in batch:
            generator = torch.Generator().manual_seed(noise_seed(sample.id, seed))
            for name, shape in shapes.items():
                columns[name].append(torch.randn(shape, generator=generator))
        given = {n: torch.stack(rows).to(parameter.device, parameter.dtype) for n, rows in columns.items()}
        with torch.no_grad(), observed(system):
            out = self._sampled(system, given)
        return [{"output": x} for x in out[-len(batch) :].float().cpu().numpy()]

    def _sampled(self, system: DiffusionSystem, given: Mapping[str, Any]) -> Any:
        """Return what the last call gives for a batch, behind it in the unconditional half, whose text is nothing."""
        import torch

        call, is_guided = ARCHITECTURES[self.params.architecture].call, system.guidance > 1
        scheduler, latent = system.pipeline.scheduler, given["latent"]
        both = {
            n: torch.cat([torch.zeros_like(x) if n == "text" else x, x]) if is_guided else x for n, x in given.items()
        }
        if scheduler is None:
            return call(system.denoiser, both, MIDDLE)
        scheduler.set_timesteps(system.steps)
        for timestep in scheduler.timesteps:
            out = call(system.denoiser, both, float(timestep))
            noise = out[:, : latent.shape[1]]
            if is_guided:
                unconditional, conditional = noise.chunk(2)
                noise = unconditional + system.guidance * (conditional - unconditional)
            latent = scheduler.step(noise, timestep, latent).prev_sample
            both["latent"] = torch.cat([latent, latent]) if is_guided else latent
        return out

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return nothing that could be taken for quality."""
        return Scores({"output_error": np.full(len(outputs), np.nan)})


def _solver() -> Any:
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler()
