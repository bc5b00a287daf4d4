"""What a wrapped metric network does: per-image scores, or features whose distance to real images is the score."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from effbench.api import Metric, PluginError

Array = np.ndarray[Any, Any]


class Scorer(ABC):
    """One network; ``weights`` is a local path or a name that its library knows, ``real_images`` a folder of pictures."""

    metric: ClassVar[Metric]
    package: ClassVar[str]
    """Module that must be importable."""
    install: ClassVar[str] = "pip install 'effbench[hub]'"
    """How to get it."""
    needs_real_images: ClassVar[bool] = False

    def __init__(self, weights: str | None = None, real_images: str | None = None, device: str = "cpu") -> None:
        self.weights, self.real_images, self.device = weights, real_images, device

    def check(self) -> None:
        """Raise ``PluginError`` where a package or the folder of real images is missing; free of torch."""
        if importlib.util.find_spec(self.package) is None:
            raise PluginError(f"scorer {self.metric.name!r}: needs the package {self.package!r}: {self.install}")
        if self.needs_real_images and not self.real_images:
            raise PluginError(f"scorer {self.metric.name!r}: needs real_images, a folder of pictures to compare with")

    @abstractmethod
    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array | None:
        """Return [N], or features [N, D] for a metric of a set, of images [N, 3, H, W] in [0, 1]; None: not defined."""

    def summarise(self, features: Array, weights: Array) -> float:
        """Return the metric of a set from the features of its images."""
        raise NotImplementedError(f"{self.metric.name} is a metric of single images")


def as_pictures(images: Array) -> list[Any]:
    """Return images [N, 3, H, W] in [0, 1] as PIL pictures."""
    from PIL import Image

    pixels = (images.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    return [Image.fromarray(picture) for picture in pixels]
