"""The task ``denoiser``: what one call of a denoiser of real size costs on this machine.

The weights are random, so that nothing has to be fetched and outputs mean nothing: quality is null (``random_weights``).
One call is one step of the sampler, both halves of classifier-free guidance.
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
"""Scale of the system: PixArt-Sigma's default; any above 1 runs both halves, and none is applied to their outputs."""


class DenoiserAlone:
    """Stands where a pipeline would: it holds nothing but the denoiser."""

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer
        self.components: Mapping[str, Any] = {"transformer": transformer}

    @property
    def device(self) -> Any:
        """Return where the denoiser is."""
        return next(self.transformer.parameters()).device


class Denoiser(Task):
    """One call of a published denoiser with random weights; for latency, memory and FLOPs only."""

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
            DenoiserAlone(model),
            1,
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
        """Return per sample ``output`` [C, h, w] of the conditional half."""
        import torch

        architecture = ARCHITECTURES[self.params.architecture]
        shapes = architecture.inputs(self.params.tokens)
        parameter = next(system.denoiser.parameters())
        copies = 2 if system.guidance > 1 else 1
        columns: dict[str, list[Any]] = {name: [] for name in shapes}
        for sample in batch:
            generator = torch.Generator().manual_seed(noise_seed(sample.id, seed))
            for name, shape in shapes.items():
                columns[name].append(torch.randn(shape, generator=generator))
        given = {n: torch.stack(rows).to(parameter.device, parameter.dtype) for n, rows in columns.items()}
        with torch.no_grad(), observed(system):
            out = architecture.call(
                system.denoiser, {n: x.repeat(copies, *[1] * (x.dim() - 1)) for n, x in given.items()}
            )
        return [{"output": x} for x in out[-len(batch) :].float().cpu().numpy()]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return nothing that could be taken for quality."""
        return Scores({"output_error": np.full(len(outputs), np.nan)})
