"""CLIPScore (Hessel et al. 2021) through torchmetrics: 100 times the cosine, not below 0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from effbench.api import Metric
from effbench.arrays import Array
from effbench.tasks.t2i.scorers.base import Scorer


class ClipScore(Scorer):
    """``weights`` names the CLIP model; scores of different models are different metrics."""

    metric = Metric(
        "clip_score",
        "",
        higher_is_better=True,
        bounds=(0.0, 100.0),
        description="CLIPScore (torchmetrics: 100 x cosine) with openai/clip-vit-large-patch14, or the weights that are set",
    )
    package = "torchmetrics"
    default = "openai/clip-vit-large-patch14"

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        from transformers import CLIPModel, CLIPProcessor

        name = self.weights or self.default
        model = CLIPModel.from_pretrained(name).to(self.device).eval()
        return Bare(model), CLIPProcessor.from_pretrained(name)

    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array:
        """Return the score of each image with its prompt."""
        import torch
        from torchmetrics.functional.multimodal import clip_score

        pixels = torch.from_numpy((images.clip(0, 1) * 255).round().astype(np.uint8)).to(self.device)
        with torch.no_grad():
            found = [clip_score(image, prompt, lambda: self._parts) for image, prompt in zip(pixels, prompts)]
        return np.array([float(score) for score in found])


class Bare:
    """A CLIP model whose projected features come as tensors, as torchmetrics 1.9 takes them; transformers 5 wraps them."""

    def __init__(self, model: Any) -> None:
        self.model, self.config = model, model.config

    def to(self, device: Any) -> Bare:
        """Move the model."""
        self.model.to(device)
        return self

    def get_image_features(self, *args: Any) -> Any:
        """Return [N, D]."""
        return self.model.get_image_features(*args).pooler_output

    def get_text_features(self, *args: Any) -> Any:
        """Return [N, D]."""
        return self.model.get_text_features(*args).pooler_output
