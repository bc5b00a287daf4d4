"""SP-BN, Ada3D's batch norm that leaves zeros zero: divided by the spread of the active pixels, never shifted.

Over the set P of active pixels of the batch (any channel non-zero): ``var_c = mean_P (x - mean_P x)^2`` and
``y = gamma_c * x / sqrt(var_c + eps)``. The variance is centred, the output is not; there is no bias; only a running variance
is kept. Meant after convolutions without bias and before ReLU: then the whole backbone maps zero to zero.

Reproduced from what Ada3D (ICCV 2023) describes, not from its released code: version 1 there counts padded pixels and takes
pixels whose channels cancel for empty, version 2 swaps height and width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

EPS, MOMENTUM = 1e-3, 0.01
"""As the paper's configuration has them."""


class SparsityPreservingNorm(nn.Module):
    """SP-BN over maps [B, C, H, W] or rows [N, C]; a row or a pixel that is all zero is not active."""

    running_var: torch.Tensor

    def __init__(self, channels: int, eps: float = EPS, momentum: float = MOMENTUM) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.eps, self.momentum = eps, momentum

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled map or rows; in training by the batch's own variance, which the running one follows."""
        if not self.training:
            scale = self.scale()
            return x * (scale[:, None, None] if x.dim() == 4 else scale)
        y, variance = _Scaled.apply(x, self.weight, self.eps)
        with torch.no_grad():
            if variance.isfinite().all():  # NaN where nothing was active: such a batch says nothing
                self.running_var.lerp_(variance, self.momentum)
        return y

    def scale(self) -> torch.Tensor:
        """Return what evaluation multiplies each channel by [C]; it may be folded into a convolution before."""
        return self.weight * torch.rsqrt(self.running_var + self.eps)


def active_pixels(x: torch.Tensor) -> torch.Tensor:
    """Return bool [B, H, W] of maps [B, C, H, W] (or [N] of rows [N, C]): is any channel other than zero."""
    return (x != 0).any(1)


class _Scaled(torch.autograd.Function):
    """``gamma * x / sqrt(var_P(x) + eps)`` and the variance; a hand-written backward, since P is gathered only once."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
        flat = _rows(x)
        active = (flat != 0).any(1)
        gathered = flat[active]
        mean = gathered.mean(0)
        variance = (gathered - mean).square().mean(0)
        rstd = torch.rsqrt(torch.nan_to_num(variance) + eps)
        ctx.save_for_backward(x, weight, active, mean, rstd)
        ctx.count = len(gathered)
        ctx.mark_non_differentiable(variance)
        scale = weight * rstd
        return x * (scale[:, None, None] if x.dim() == 4 else scale), variance

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        x, weight, active, mean, rstd = ctx.saved_tensors
        grad, flat = _rows(grads[0]), _rows(x)
        by_scale = (grad * flat).sum(0)  # dL / d scale: a pixel that is not active adds nothing
        # var = mean_P (x - m)^2, so d var / d x = 2 (x - m) / |P| on P: the mean's own share sums to zero
        slope = -by_scale * weight * rstd**3 / max(ctx.count, 1)
        dx = grad * (weight * rstd)
        dx[active] += (flat[active] - mean) * slope
        back = dx.view(x.shape[0], *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2) if x.dim() == 4 else dx
        return back, by_scale * rstd, None


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Return [B * H * W, C] of maps, or rows as they are."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]) if x.dim() == 4 else x
