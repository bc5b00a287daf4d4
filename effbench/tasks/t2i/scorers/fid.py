"""FID (Heusel et al. 2017): torchmetrics' Inception features of the pool layer, and our Fréchet distance on them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from effbench.api import Metric, PluginError
from effbench.tasks.diffusion.distances import RealSet, frechet_distance
from effbench.tasks.t2i.scorers.base import Array, Scorer

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


class Fid(Scorer):
    """``real_images`` are the pictures to compare with; few samples bias it upwards, alike for every method."""

    metric = Metric("fid", "", higher_is_better=False, per="set", description="FID on Inception pool features (2048)")
    package = "torch_fidelity"
    needs_real_images = True

    def check(self) -> None:
        """Raise ``PluginError`` where the folder holds no pictures, too."""
        super().check()
        if len(self._files) < 2:
            raise PluginError(f"scorer 'fid': {self.real_images}: holds {len(self._files)} pictures; 2 are needed")

    @cached_property
    def _files(self) -> list[Path]:
        folder = Path(self.real_images or "")
        return sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES)

    @cached_property
    def network(self) -> Any:
        """Return the network, images [N, 3, H, W] uint8 -> features [N, 2048]."""
        from torchmetrics.image.fid import NoTrainInceptionV3

        net = NoTrainInceptionV3("inception-v3-compat", ["2048"], self.weights)
        return net.to(self.device).eval()

    @cached_property
    def _real(self) -> RealSet:
        from PIL import Image

        parts = []
        for file in self._files:
            picture = np.asarray(Image.open(file).convert("RGB"), np.float32).transpose(2, 0, 1) / 255
            parts.append(self._features(picture[None]))
        return RealSet(np.concatenate(parts))

    def _features(self, images: Array) -> Array:
        """Return [N, 2048]; the network resizes with antialiasing, and no file format comes between."""
        import torch

        pixels = torch.from_numpy((images.clip(0, 1) * 255).round().astype(np.uint8)).to(self.device)
        with torch.no_grad():
            found = self.network(pixels)
        return np.asarray(found.reshape(len(images), -1).cpu().numpy(), np.float64)

    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array:
        """Return the features."""
        return self._features(images)

    def summarise(self, features: Array, weights: Array) -> float:
        """Return the distance to the real pictures."""
        return frechet_distance(features, weights, self._real)
