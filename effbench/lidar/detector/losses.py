"""What a centre head is trained by: Gaussian focal loss of heat maps, L1 of boxes, cross entropy of which way round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from effbench.lidar.detector.head import HeadMaps
from effbench.lidar.detector.targets import Targets

BOX_WEIGHT = 2.0
"""CenterPoint's weight of the location loss in KITTI's configuration."""
ROUND_WEIGHT = 0.2
"""SECOND's weight of the direction classifier (its section 3.3)."""


class Losses(NamedTuple):
    """Heat map, box and direction, weighted; the training loss is their sum."""

    heat: torch.Tensor
    box: torch.Tensor
    round: torch.Tensor

    def total(self) -> torch.Tensor:
        """Return the sum."""
        return self.heat + self.box + self.round


def focal_loss(logits: torch.Tensor, heat: torch.Tensor, judged: torch.Tensor) -> torch.Tensor:
    """Return the Gaussian focal loss (alpha 2, beta 4; CenterNet, arXiv 1904.07850, equation 1) per object.

    All three [B, classes, H, W]; cells that are not ``judged`` count nothing.
    """
    log_yes, log_no = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    yes = log_yes.exp()
    centre = heat == 1
    positive = (1 - yes).square() * log_yes * centre
    negative = (1 - heat).pow(4) * yes.square() * log_no * (judged & ~centre)
    return -(positive.sum() + negative.sum()) / centre.sum().clamp(min=1)


def detection_losses(maps: HeadMaps, targets: Sequence[Targets]) -> Losses:
    """Return the losses of a batch, a target per frame."""
    heat = torch.from_numpy(np.stack([t.heat for t in targets]))
    judged = torch.from_numpy(np.stack([t.judged for t in targets]))
    if maps.seen is not None:
        judged = judged & maps.seen[:, None]
    pixels = maps.heat.shape[-2] * maps.heat.shape[-1]
    cells = torch.cat([torch.from_numpy(t.cells) + i * pixels for i, t in enumerate(targets)])
    wanted = torch.from_numpy(np.concatenate([t.boxes for t in targets]))
    weights = torch.from_numpy(np.concatenate([t.weights for t in targets]))
    said = maps.boxes.permute(0, 2, 3, 1).flatten(0, 2)[cells]
    weights = weights / weights.sum().clamp(min=1e-6)
    box = ((said[:, :8] - wanted[:, :8]).abs().sum(1) * weights).sum()
    turn = nn.functional.binary_cross_entropy_with_logits(said[:, 8], wanted[:, 8], reduction="none")
    return Losses(focal_loss(maps.heat, heat, judged), BOX_WEIGHT * box, ROUND_WEIGHT * (turn * weights).sum())
