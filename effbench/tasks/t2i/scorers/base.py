"""What a wrapped metric network does: per-image scores, or features whose distance to real images is the score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from effbench.api import Metric, PluginError
from effbench.arrays import Array
from effbench.tasks.diffusion.distances import WeightedDistance
from effbench.tasks.diffusion.packages import refuse_unless_it_imports


class Scorer(ABC):
    """One network; ``weights`` is a local path or a name that its library knows, ``real_images`` a folder of pictures."""

    metric: ClassVar[Metric]
    package: ClassVar[str]
    """Module that must be importable."""
    install: ClassVar[str] = "pip install 'effbench[hub]'"
    """How to get it."""
    needs_prompts: ClassVar[bool] = True
    needs_real_images: ClassVar[bool] = False
    kept_out: ClassVar[tuple[str, ...]] = ("network", "_parts")
    """Attributes that stay in the process that made them."""

    def __init__(self, weights: str | None = None, real_images: str | None = None, device: str = "cpu") -> None:
        self.weights, self.real_images, self.device = weights, real_images, device

    def check(self) -> None:
        """Raise ``PluginError`` where a package or the folder of real images is missing; free of torch."""
        refuse_unless_it_imports(f"scorer {self.metric.name!r}", self.package, self.install)
        if self.needs_real_images and not self.real_images:
            raise PluginError(f"scorer {self.metric.name!r}: needs real_images, a folder of pictures to compare with")

    @abstractmethod
    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array | None:
        """Return [N], or features [N, D] for a metric of a set, of images [N, 3, H, W] in [0, 1]; None: not defined."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave networks and what was made with them behind: the object goes to every worker."""
        return {name: value for name, value in self.__dict__.items() if name not in self.kept_out}

    def summariser(self, features: Sequence[Array]) -> WeightedDistance:
        """Return what maps weights [N] to the metric of a set with these features, one array an image; numpy only."""
        raise NotImplementedError(f"{self.metric.name} is a metric of single images")


def as_pictures(images: Array) -> list[Any]:
    """Return images [N, 3, H, W] in [0, 1] as PIL pictures."""
    from PIL import Image

    pixels = (images.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    return [Image.fromarray(picture) for picture in pixels]
