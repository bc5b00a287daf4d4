"""ImageReward (Xu et al. 2023), through its own package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from effbench.api import Metric
from effbench.arrays import Array
from effbench.tasks.t2i.scorers.base import Scorer, as_pictures


class ImageReward(Scorer):
    """``weights`` is a name that the package knows or the path of a checkpoint."""

    metric = Metric("image_reward", "", higher_is_better=True, description="ImageReward-v1.0, mean over prompts")
    package = "ImageReward"
    install = "pip install image-reward into an environment with a transformers that it takes (below 5)"

    @cached_property
    def network(self) -> Any:
        """Return the package's model."""
        import ImageReward as package

        return package.load(self.weights or "ImageReward-v1.0", device=self.device)

    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array:
        """Return the reward of each image for its prompt."""
        return np.array([float(self.network.score(p, [i])) for p, i in zip(prompts, as_pictures(images))])
