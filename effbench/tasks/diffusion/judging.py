"""What the shipped judges of images and of videos have in common."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from effbench.tasks.diffusion.distances import RealSet

Array = np.ndarray[Any, Any]


class Verdict(NamedTuple):
    """Scores per output [N], where defined, and ``features`` [N, D]."""

    scalars: dict[str, Array]
    features: Array


@cache
def real_set(folder: Path) -> RealSet:
    """Return the features of the real outputs in a judge's folder; free of torch."""
    from safetensors.numpy import load_file

    features = load_file(folder / "real_features.safetensors")["features"].astype(np.float64)
    return RealSet(features, float(np.sqrt(np.mean(np.square(features)))))
