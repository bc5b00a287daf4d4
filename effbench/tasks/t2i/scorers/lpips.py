"""LPIPS (Zhang et al. 2018) to the reference's images, through torchmetrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from effbench.api import Metric
from effbench.arrays import Array
from effbench.tasks.t2i.scorers.base import Scorer


class Lpips(Scorer):
    """``weights`` is the backbone: ``alex`` (default), ``vgg`` or ``squeeze``; torchvision fetches it."""

    metric = Metric(
        "lpips",
        "",
        higher_is_better=False,
        needs_reference=True,
        bounds=(0.0, math.inf),
        description="LPIPS to the reference's image",
    )
    needs_prompts = False
    package = "torchvision"

    @cached_property
    def network(self) -> Any:
        """Return the network, two batches in [0, 1] -> their distance."""
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        backbone: Any = self.weights or "alex"
        return LearnedPerceptualImagePatchSimilarity(net_type=backbone, normalize=True).to(self.device)

    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array | None:
        """Return the distance of each image to the reference's, None without a reference."""
        import torch

        if reference is None:
            return None
        ours, theirs = (torch.from_numpy(x).float().to(self.device) for x in (images, reference))
        with torch.no_grad():
            return np.array([float(self.network(a[None], b[None])) for a, b in zip(ours, theirs)])
