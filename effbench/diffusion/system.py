"""The system type of diffusion tasks: a diffusers pipeline and how it is sampled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from effbench.api import System
from effbench.diffusion.guidance import GuidanceOrder
from effbench.diffusion.layers import AttentionLayer, attention_layers_of, is_in, layers_of
from effbench.diffusion.observer import SamplingObserver

CONFIG_DIGITS = 8
"""Hex digits of a scheduler's configuration in ``settings()``: enough to tell apart the few that one model is run with."""


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
    model: str = ""
    """What the task calls the model: an embedded one, a hub id, or a folder's name."""
    revision: str = ""
    """What pins its weights: a hash of the files, or the hub's commit."""
    guided_as: GuidanceOrder = "unknown"
    """How the pipeline runs the two halves of guidance where it guides."""
    float_layers: tuple[str, ...] = ()
    """Globs over the denoiser's layers that quantization leaves in float."""
    observers: tuple[SamplingObserver, ...] = ()
    """Whom the task tells of every sampling call."""

    @property
    def denoiser(self) -> Any:
        """Return the network that runs at every step."""
        transformer = getattr(self.pipeline, "transformer", None)
        return self.pipeline.unet if transformer is None else transformer

    @property
    def device_type(self) -> str:
        """Return the kind of device that the denoiser is on, "cpu" or "cuda"."""
        return str(next(self.denoiser.parameters()).device.type)

    @property
    def dtype(self) -> Any:
        """Return the torch dtype of the denoiser's weights."""
        return next(self.denoiser.parameters()).dtype

    @property
    def guidance_order(self) -> GuidanceOrder:
        """Return how the denoiser sees the two halves of a guided batch; "off" where a call is not guided."""
        return self.guided_as if self.guidance > 1 else "off"

    def modules(self) -> Mapping[str, Any]:
        """Return every torch module of the pipeline."""
        import torch

        return {name: part for name, part in self.pipeline.components.items() if isinstance(part, torch.nn.Module)}

    def settings(self) -> Mapping[str, Any]:
        """Return what a plan may be tied to; ``scheduler`` is its class and a hash of its configuration."""
        return {
            "model": self.model,
            "revision": self.revision,
            "scheduler": self._scheduler(),
            "steps": self.steps,
            "height": self.height,
            "width": self.width,
            "frames": self.frames,
            "guidance_order": self.guidance_order,
            "guidance_scale": self.guidance,
        }

    def is_kept_in_float(self, name: str) -> bool:
        """Return whether quantization leaves a layer of the denoiser in float, by its qualified name."""
        return is_in(name, self.float_layers)

    def linear_layers(self) -> list[tuple[str, Any]]:
        """Return (qualified name, ``nn.Linear``) of the denoiser's layers that may be quantized, in the model's order."""
        from torch.nn import Linear

        return layers_of(self.denoiser, (Linear,), self.float_layers)

    def convolutions(self) -> list[tuple[str, Any]]:
        """Return (qualified name, convolution) of the denoiser's layers that may be quantized, in the model's order."""
        from torch.nn import Conv1d, Conv2d, Conv3d

        return layers_of(self.denoiser, (Conv1d, Conv2d, Conv3d), self.float_layers)

    def attention_layers(self) -> list[AttentionLayer]:
        """Return the denoiser's attention layers in the model's order, each a self-, cross- or joint attention."""
        return attention_layers_of(self.denoiser)

    def observed_by(self, observer: SamplingObserver) -> DiffusionSystem:
        """Return the system with one more observer, which hears of calls, steps and runs of the denoiser."""
        return replace(self, observers=(*self.observers, observer))

    def _scheduler(self) -> str:
        scheduler = getattr(self.pipeline, "scheduler", None)
        if scheduler is None:
            return ""
        config = {k: v for k, v in dict(scheduler.config).items() if not k.startswith("_")}  # those name the library
        digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()
        return f"{type(scheduler).__name__}:{digest[:CONFIG_DIGITS]}"
