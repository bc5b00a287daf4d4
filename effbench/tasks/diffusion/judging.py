"""What the shipped judges of images and of videos have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from effbench.api import Sample
from effbench.arrays import Array
from effbench.tasks.diffusion.distances import RealSet


class JudgeScores(NamedTuple):
    """Scores per output [N], where defined, and ``features`` [N, D]."""

    scalars: dict[str, Array]
    features: Array


def targets_of(samples: Sequence[Sample], key: str) -> list[Any]:
    """Return a part of the samples' targets, such as the digit that each asks for; empty unless all have it."""
    if any(sample.target is None or key not in sample.target for sample in samples):
        return []
    return [sample.target[key] for sample in samples]


@cache
def real_set(folder: Path) -> RealSet:
    """Return the features of the real outputs in a judge's folder; free of torch."""
    from safetensors.numpy import load_file

    features = load_file(folder / "real_features.safetensors")["features"].astype(np.float64)
    return RealSet(features, float(np.sqrt(np.mean(np.square(features)))))
