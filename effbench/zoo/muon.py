"""Muon for the matrices inside blocks and AdamW for everything else, as one optimiser that a checkpoint can hold.

Muon (Jordan 2024) replaces the momentum of a weight matrix by the nearest orthogonal matrix, found by five quintic
Newton-Schulz iterations; scaled by 0.2 sqrt(max(out, in)) (Liu et al. 2025, arXiv 2502.16982, eq. 4) its step has the size
of AdamW's, so that both share one learning rate. Matrices of one shape are iterated together, in fp32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

NEWTON_SCHULZ, ITERATIONS = (3.4445, -4.7750, 2.0315), 5


class Muon(torch.optim.Optimizer):
    """One rate and decoupled weight decay for all; ``matrices`` take orthogonal steps, ``others`` Adam's."""

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
    ) -> None:
        self.momentum, self.betas, self.eps = momentum, betas, eps
        groups = [{"params": list(matrices), "orthogonal": True}, {"params": list(others), "orthogonal": False}]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step with the gradients that are there."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for parameter in parameters:
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
            if group["orthogonal"]:
                self._orthogonal(parameters, group["lr"])
            else:
                for parameter in parameters:
                    self._adam(parameter, group["lr"])

    def _orthogonal(self, parameters: list[nn.Parameter], lr: float) -> None:
        by_shape: dict[torch.Size, list[tuple[nn.Parameter, torch.Tensor]]] = {}
        for parameter in parameters:
            assert parameter.grad is not None, "parameters without a gradient were left out"
            state = self.state[parameter]
            mean = state.setdefault("mean", torch.zeros_like(parameter))
            mean.lerp_(parameter.grad, 1 - self.momentum)
            ahead = torch.lerp(parameter.grad, mean, self.momentum)  # Nesterov's look ahead
            by_shape.setdefault(parameter.shape, []).append((parameter, ahead))
        for shape, pairs in by_shape.items():
            steps = orthogonalised(torch.stack([ahead for _, ahead in pairs]))
            for (parameter, _), step in zip(pairs, steps):
                parameter.add_(step, alpha=-lr * 0.2 * max(shape) ** 0.5)

    def _adam(self, parameter: nn.Parameter, lr: float) -> None:
        assert parameter.grad is not None, "parameters without a gradient were left out"
        state, (beta_1, beta_2) = self.state[parameter], self.betas
        mean = state.setdefault("mean", torch.zeros_like(parameter))
        square = state.setdefault("square", torch.zeros_like(parameter))
        count = state.setdefault("count", torch.zeros(()))
        count += 1
        mean.lerp_(parameter.grad, 1 - beta_1)
        square.lerp_(parameter.grad.square(), 1 - beta_2)
        root = (square / (1 - beta_2 ** float(count))).sqrt_().add_(self.eps)
        parameter.addcdiv_(mean, root, value=-lr / (1 - beta_1 ** float(count)))


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Return for matrices [N, out, in] about U V^T of each one's singular value decomposition U S V^T."""
    tall = matrices.shape[1] > matrices.shape[2]
    x: torch.Tensor = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return (matrices inside numbered blocks, all other parameters) of a model."""
    matrices, others = list[nn.Parameter](), list[nn.Parameter]()
    for name, parameter in model.named_parameters():
        inside = parameter.ndim == 2 and any(part.isdigit() for part in name.split(".")) and "table" not in name
        (matrices if inside and "relative_attention_bias" not in name else others).append(parameter)
    return matrices, others
