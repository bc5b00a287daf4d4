"""The system type of diffusion tasks: a diffusers pipeline and how it is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from effbench.api import System


@dataclass(frozen=True)
class DiffusionSystem(System):
    """A loaded pipeline with the settings of one call; methods replace settings or transform ``pipeline``'s modules."""

    pipeline: Any
    """A diffusers pipeline; ``pipeline.transformer`` or ``pipeline.unet`` is the denoiser."""
    steps: int
    guidance: float
    """Classifier-free guidance scale; 1 runs the conditional branch only."""
    height: int
    width: int
    max_sequence_length: int
    """Tokens per prompt that the text encoder takes; longer prompts never reach it."""
    frames: int = 1
    """Frames of a video; 1 for an image."""

    @property
    def denoiser_name(self) -> str:
        """Return the attribute of the pipeline that holds the denoiser."""
        return "transformer" if getattr(self.pipeline, "transformer", None) is not None else "unet"

    @property
    def denoiser(self) -> Any:
        """Return the network that runs at every step."""
        return getattr(self.pipeline, self.denoiser_name)

    @property
    def device_type(self) -> str:
        """Return the kind of device that the denoiser is on, "cpu" or "cuda"."""
        return str(next(self.denoiser.parameters()).device.type)

    @property
    def dtype(self) -> Any:
        """Return the torch dtype of the denoiser's weights."""
        return next(self.denoiser.parameters()).dtype

    def modules(self) -> Mapping[str, Any]:
        """Return every torch module of the pipeline."""
        import torch

        return {name: part for name, part in self.pipeline.components.items() if isinstance(part, torch.nn.Module)}
