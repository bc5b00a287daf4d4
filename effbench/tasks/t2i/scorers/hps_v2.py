"""Human Preference Score v2.1 (Wu et al. 2023), through its own package, which loads its network anew for every call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.api import Metric
from effbench.arrays import Array
from effbench.tasks.t2i.scorers.base import Scorer, as_pictures


class HpsV2(Scorer):
    """``weights`` is the version that the package knows; its own default is still v2.0, ours is v2.1."""

    metric = Metric("hps_v2", "", higher_is_better=True, description="Human Preference Score v2.1, mean over prompts")
    package = "hpsv2"
    install = "pip install hpsv2 into an environment with the versions that it pins, which are not EffBench's"

    def score(self, images: Array, prompts: Sequence[str], reference: Array | None) -> Array:
        """Return the score of each image for its prompt."""
        import hpsv2

        version = self.weights or "v2.1"
        return np.array(
            [float(hpsv2.score([i], p, hps_version=version)[0]) for p, i in zip(prompts, as_pictures(images))]
        )
