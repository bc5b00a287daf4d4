"""FID (Heusel et al. 2017): torchmetrics' Inception features of the pool layer, and our Fréchet distance on them.

The real pictures go through the network once, in a worker and on its device; their mean and covariance are kept in the
user's cache under a hash of the files, where the parent reads them without torch.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from effbench.api import Metric, PluginError
from effbench.arrays import Array
from effbench.tasks.diffusion.distances import WeightedDistance, frechet_distance_by_products
from effbench.tasks.t2i.scorers.base import Scorer

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
"""Endings of files that are taken for pictures: what data sets of images come in."""
BATCH = 32
"""Images that go through the network at once: enough to fill a device, and 299 x 299 pixels of them fit everywhere."""
FEATURES = 2048
"""Size of the pool layer that Heusel et al. take FID's features from."""


class Fid(Scorer):
    """``real_images`` are the pictures to compare with; few samples bias it upwards, alike for every method."""

    metric = Metric(
        "fid",
        "",
        higher_is_better=False,
        per="set",
        bounds=(0.0, math.inf),
        description="FID on Inception pool features (2048)",
    )
    needs_prompts = False
    package = "torch_fidelity"
    needs_real_images = True
    kept_out = ("network", "_files", "statistics")

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

        net = NoTrainInceptionV3("inception-v3-compat", [str(FEATURES)], self.weights)
        return net.to(self.device).eval()

    def cache_file(self) -> Path:
        """Return where the real pictures' statistics are kept: a hash of names, sizes, times and weights."""
        digest = hashlib.sha256(f"{self.weights}".encode())
        for file in self._files:
            facts = file.stat()
            digest.update(f"{file.name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return root / "effbench" / "fid" / f"{digest.hexdigest()[:24]}.safetensors"

    @cached_property
    def statistics(self) -> tuple[Array, Array]:
        """Return (mean [D], covariance [D, D]) of the real pictures; numpy only, from the cache."""
        from safetensors.numpy import load_file

        kept = load_file(self.cache_file())
        return kept["mean"], kept["covariance"]

    def keep_statistics(self) -> None:
        """Compute the real pictures' statistics on the device unless the cache has them."""
        from safetensors.numpy import save_file

        path = self.cache_file()
        if path.exists():
            return
        count, total, products = 0, np.zeros(0), np.zeros((0, 0))
        for file in self._files:  # pictures differ in size, so they go one by one
            found = self._features(read_picture(file)[None])
            if not count:
                total, products = np.zeros(found.shape[1]), np.zeros((found.shape[1],) * 2)
            total, products, count = total + found[0], products + np.outer(found[0], found[0]), count + 1
        mean = total / count
        covariance = (products - count * np.outer(mean, mean)) / (count - 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        save_file({"mean": mean, "covariance": covariance}, temporary)
        temporary.replace(path)

    def _features(self, images: Array) -> Array:
        """Return [N, 2048]; the network resizes with antialiasing, and no file format comes between."""
        import torch

        pixels = torch.from_numpy((images.clip(0, 1) * 255).round().astype(np.uint8)).to(self.device)
        with torch.no_grad():
            found = [self.network(part) for part in pixels.split(BATCH)]
        return np.asarray(torch.cat(found).reshape(len(images), -1).cpu().numpy(), np.float64)

    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array:
        """Return the features."""
        self.keep_statistics()
        return self._features(images)

    def summariser(self, features: Sequence[Array]) -> WeightedDistance:
        """Return what gives the distance to the real pictures."""
        return frechet_distance_by_products(np.asarray(features, np.float64), *self.statistics)


def read_picture(file: Path) -> Array:
    """Return a picture [3, H, W] in [0, 1]; raise ``PluginError`` where 8 bits of red, green and blue do not hold it."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            mode = opened.mode
            is_clear = opened.has_transparency_data and opened.convert("RGBA").getchannel("A").getextrema() != (
                255,
                255,
            )
            pixels = np.asarray(opened.convert("RGB"), np.float32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PluginError(f"scorer 'fid': {file}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    if is_clear or mode.startswith(("I", "F")):
        what = "has transparent parts" if is_clear else f"has more than 8 bits a colour ({mode})"
        raise PluginError(f"scorer 'fid': {file}: {what}; save it as an opaque picture of 8 bits")
    return pixels.transpose(2, 0, 1) / 255
