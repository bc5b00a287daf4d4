"""How far a denoiser's output is from the one of full attention: the loss by which DiTFastAttn's search decides.

The paper (arXiv 2406.08552, appendix A.2) divides by the larger of the two absolute values, the released code by the larger
of the two *signed* ones and takes the absolute value afterwards. Where both are negative that is the smaller absolute
value, so the code's loss is the larger one. The published thresholds belong to the code's.
"""

from __future__ import annotations

from typing import Literal

import torch

LossName = Literal["code", "paper"]
EPSILON = 1e-6
"""Added to the denominator, in both."""
LARGEST = 10.0
"""What an element is clipped at, in both."""


def loss(name: LossName, full: torch.Tensor, changed: torch.Tensor) -> float:
    """Return the mean over all elements of the clipped relative difference of two outputs of one shape."""
    scale = (
        torch.maximum(full.abs(), changed.abs()) + EPSILON
        if name == "paper"
        else torch.maximum(full, changed) + EPSILON
    )
    return float(((full - changed) / scale).abs().clamp(0, LARGEST).mean())
