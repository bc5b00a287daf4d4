"""Random Hadamard rotations: an orthogonal change of basis that spreads what is large in one channel over all.

(QuaRot, arXiv 2404.00456; ViDiT-Q, arXiv 2406.02540, section 3.3.) Signs are drawn from a seed and the layer's name, and are
stored with the artifact: ViDiT-Q's release redraws them at load, so that its weights are never those that were tested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch

from effbench.kernels.hadamard.reference import has_rotation


def random_signs(width: int, name: str, seed: int = 0) -> torch.Tensor:
    """Return the signs [width] float32 of +-1 of a layer, a hash of (seed, its name) and of nothing else."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.randint(0, 2, (width,), generator=generator).mul(2).sub(1).float()


def without_rotation(layers: Iterable[tuple[str, Any]]) -> list[str]:
    """Return the names of linear layers whose number of inputs has no Hadamard matrix here."""
    return [name for name, layer in layers if not has_rotation(layer.in_features)]


def incoherence(x: torch.Tensor) -> float:
    """Return how uneven the channels of x [..., C] are: the mean over rows of max|x| / mean|x|, of rows that are not zero."""
    magnitudes = x.detach().double().abs().flatten(0, -2)
    mean = magnitudes.mean(-1)
    rows = mean > 0
    return float((magnitudes.amax(-1)[rows] / mean[rows]).mean()) if bool(rows.any()) else 1.0
