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

from effbench.lidar.detector import spbn_rows

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

    def forward(self, x: torch.Tensor, relu: bool = False) -> torch.Tensor:
        """Return the scaled map or rows, after ReLU where asked; in training by the batch's own variance.

        The running variance follows it, except where nothing was active: such a batch says nothing.
        """
        if not self.training:
            scale = self.scale()
            y = x * (scale[:, None, None] if x.dim() == 4 else scale)
            return torch.relu(y) if relu else y
        out, variance = _Scaled.apply(x, self.weight, self.eps, relu)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            if variance.isfinite().all():
                self.running_var.lerp_(variance.to(self.running_var), self.momentum)
        return out  # type: ignore[no-any-return]

    def scale(self) -> torch.Tensor:
        """Return what evaluation multiplies each channel by [C]; it may be folded into a convolution before."""
        return self.weight * torch.rsqrt(self.running_var + self.eps)


def active_pixels(x: torch.Tensor) -> torch.Tensor:
    """Return bool [B, H, W] of maps [B, C, H, W] (or [N] of rows [N, C]): is any channel other than zero."""
    return (x != 0).any(1)


class _Scaled(torch.autograd.Function):
    """``gamma * x / sqrt(var_P(x) + eps)``, perhaps ReLU, and the variance, over rows in compiled passes (``spbn_rows``)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float, relu: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        flat, scales = _rows(x), weight.detach().double().numpy()
        y, active, mean, variance, count = spbn_rows.forward(flat.numpy(), scales, eps, relu)
        ctx.save_for_backward(x)
        ctx.rest = active, mean, variance, scales, eps, relu, count
        spread = torch.from_numpy(variance)
        ctx.mark_non_differentiable(spread)
        return _like(torch.from_numpy(y), x), spread

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        (x,) = ctx.saved_tensors
        dx, of_weight = spbn_rows.backward(_rows(grads[0]).numpy(), _rows(x).numpy(), *ctx.rest)
        return _like(torch.from_numpy(dx), x), torch.from_numpy(of_weight).to(x.dtype), None, None


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Return [B * H * W, C] of maps, or rows as they are; contiguous, a view where channels lie last."""
    flat = x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1]) if x.dim() == 4 else x.detach()
    return flat.contiguous()


def _like(rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return rows in the shape of x."""
    return rows.view(x.shape[0], *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2) if x.dim() == 4 else rows
