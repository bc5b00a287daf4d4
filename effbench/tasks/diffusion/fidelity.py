"""How far pictures are from the reference's pictures on the same noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from effbench.api import Metric, Output
from effbench.arrays import Array

PSNR_CEILING_DB = 100.0
"""PSNR of equal pictures, which has no finite value: well above the 48 dB of a last bit of 8 that differs everywhere."""

METRICS = (
    Metric(
        "psnr_db",
        "dB",
        higher_is_better=True,
        needs_reference=True,
        bounds=(0.0, PSNR_CEILING_DB),
        description="PSNR to the reference's output",
    ),
    Metric(
        "ssim",
        "",
        higher_is_better=True,
        needs_reference=True,
        bounds=(-1.0, 1.0),
        description="SSIM to the reference's output",
    ),
    Metric(
        "latent_error",
        "",
        higher_is_better=False,
        needs_reference=True,
        bounds=(0.0, math.inf),
        description="relative L2 distance of the final latent to the reference's",
    ),
)


def fidelity(pictures: Array, outputs: Sequence[Output], reference: Sequence[Output], key: str) -> dict[str, Array]:
    """Return PSNR (at most 100 dB, where pictures agree exactly), SSIM and relative latent error, each [N].

    ``pictures`` is [N, C, H, W] or [N, F, C, H, W] in [0, 1], the outputs' array ``key`` in one; of a video, PSNR comes from
    the squared error of all frames and SSIM is the mean over them.
    """
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    theirs = np.stack([r[key] for r in reference])
    squared = np.square(pictures.astype(np.float64) - theirs).reshape(len(pictures), -1).mean(axis=1)
    with np.errstate(divide="ignore"):
        psnr = -10 * np.log10(squared)
    frames = pictures.shape[1] if pictures.ndim == 5 else 1
    ours_flat, theirs_flat = (torch.from_numpy(x.reshape(-1, *x.shape[-3:])) for x in (pictures, theirs))
    ssim = structural_similarity_index_measure(ours_flat, theirs_flat, data_range=1.0, reduction="none")
    error = [
        float(np.linalg.norm(o["latent"] - r["latent"])) / max(float(np.linalg.norm(r["latent"])), 1e-12)
        for o, r in zip(outputs, reference)
    ]
    return {
        "psnr_db": np.minimum(psnr, PSNR_CEILING_DB),
        "ssim": np.asarray(ssim, np.float64).reshape(len(pictures), frames).mean(axis=1),
        "latent_error": np.array(error, np.float64),
    }


def layer_distance(ours: Sequence[Any], theirs: Sequence[Any]) -> Array:
    """Return [N] the distance of two sets of feature maps, each a list over layers of [N, C, h, w].

    Channels are made a unit vector at every place, squared differences are averaged over places and layers: LPIPS
    (Zhang et al. 2018, eq. 1) with all weights one.
    """
    import torch

    layers = []
    for a, b in zip(ours, theirs, strict=True):
        a, b = (torch.nn.functional.normalize(x, dim=1, eps=1e-6) for x in (a, b))
        layers.append((a - b).square().sum(1).mean((1, 2)))
    return np.asarray(torch.stack(layers).mean(0), np.float64)
