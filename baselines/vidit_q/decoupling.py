"""Metric decoupling: which layers belong together, and by what of the output each group is ranked.

ViDiT-Q (arXiv 2406.02540, section 3.4) ranks cross-attention by CLIPScore, spatial self-attention and feed-forward layers by
a video quality score (DOVER), temporal attention by a flow score: learned networks that a preparation here has not. What
stands in for each needs only the float system's outputs on the same noise:

- ``content`` (cross-attention): 1 - SSIM over the whole picture, structure rather than single values;
- ``quality`` (self-attention, feed-forward): the share of noise in the picture, 10^(-SQNR / 10);
- ``temporal`` (attention of temporal blocks): the share of noise in the differences of successive frames.

Each is 0 for equal outputs and grows with damage, so that the damages of layers add up where they are small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from effbench.api import Output
from effbench.arrays import Array
from effbench.diffusion import DiffusionSystem

Group = Literal["content", "quality", "temporal"]

TEMPORAL_BLOCKS = ("temporal_transformer_blocks.",)
"""Prefixes of blocks that attend over frames alone (Latte); attention over space and time at once has none."""
C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants for values in [0, 1] (Wang et al. 2004)."""


def groups_of(system: DiffusionSystem) -> dict[str, Group]:
    """Return linear layer -> the group that it is ranked in."""
    kinds = {layer.name: layer.kind for layer in system.attention_layers()}
    return {name: _group(name, kinds) for name, _ in system.linear_layers()}


def damages(outputs: Sequence[Output], reference: Sequence[Output]) -> dict[str, float]:
    """Return what separates outputs from the float system's, means over samples: the three above, and ``squared_error``."""
    rows = [_damage(picture_of(ours), picture_of(theirs)) for ours, theirs in zip(outputs, reference, strict=True)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def picture_of(output: Output) -> Array:
    """Return what is judged of an output, float64: its picture or video [..., C, H, W], else the first array that it has."""
    for key in ("image", "video"):
        if key in output:
            return np.asarray(output[key], np.float64)
    return np.asarray(next(array for name, array in output.items() if not name.endswith("_s")), np.float64)


def _group(name: str, kinds: Mapping[str, str]) -> Group:
    kind = next((kind for attention, kind in kinds.items() if name.startswith(f"{attention}.")), None)
    if kind is not None and name.startswith(TEMPORAL_BLOCKS):
        return "temporal"
    return "content" if kind == "cross" else "quality"


def _damage(ours: Array, theirs: Array) -> dict[str, float]:
    found = {
        "squared_error": float(np.mean((ours - theirs) ** 2)),
        "content": 1 - _ssim(ours, theirs),
        "quality": _noise_share(ours, theirs),
    }
    is_video = ours.ndim == 4
    found["temporal"] = _noise_share(np.diff(ours, axis=0), np.diff(theirs, axis=0)) if is_video else found["quality"]
    return found


def _noise_share(ours: Array, theirs: Array) -> float:
    signal = float(np.sum(theirs**2))
    return float(np.sum((ours - theirs) ** 2)) / signal if signal > 0 else float(np.sum(ours**2) > 0)


def _ssim(ours: Array, theirs: Array) -> float:
    """Return SSIM with each plane [H, W] as one window, the mean over planes."""
    a, b = (x.reshape(-1, x.shape[-2] * x.shape[-1]) for x in (ours, theirs))
    mean_a, mean_b = a.mean(1), b.mean(1)
    covariance = ((a - mean_a[:, None]) * (b - mean_b[:, None])).mean(1)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return float((luminance * (2 * covariance + C2) / (a.var(1) + b.var(1) + C2)).mean())
