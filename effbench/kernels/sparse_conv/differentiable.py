"""Forward and backward of a sparse convolution and of max-pooling as torch's autograd calls them."""

# mypy: disable-error-code="no-untyped-call"
# torch.autograd.Function has no types.

from __future__ import annotations

from typing import Any

import torch

from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import pooling, taps
from effbench.kernels.sparse_conv.kernel_map import KernelMap


class Convolution(torch.autograd.Function):
    """y[o] = sum over taps of x[source[tap, o]] W[tap]; its gradients go over the same map, turned round."""

    @staticmethod
    def forward(
        ctx: Any, features: torch.Tensor, weight: torch.Tensor, found: KernelMap, groups: int, impl: Any
    ) -> torch.Tensor:
        """Return [M, Cout]."""
        ctx.save_for_backward(features, weight)
        ctx.found, ctx.groups, ctx.impl = found, groups, impl
        result: torch.Tensor = impl.convolve(features, weight, found, groups)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of features and weight."""
        features, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        of_features = of_weight = None
        if ctx.needs_input_grad[0]:
            of_features = ctx.impl.convolve(
                gradient, taps.turned_weight(weight, ctx.groups), ctx.found.turned, ctx.groups
            )
        if ctx.needs_input_grad[1]:
            of_weight = ctx.impl.weight_gradient(features, gradient, ctx.found, ctx.groups)
        return of_features, of_weight, None, None, None


class MaxPool(torch.autograd.Function):
    """The maximum over the occupied cells of a window; its gradient goes to the row that it stood in."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor, found: KernelMap) -> torch.Tensor:
        """Return [M, C]."""
        y, at = pooling.largest(features.detach().cpu().contiguous().numpy(), found.source.numpy())
        ctx.at, ctx.inputs = at, len(features)
        out = torch.from_numpy(y).to(features.device)
        record_kernel("sparse_conv/max-pool", features, found, out=out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradient of the features."""
        gradient = gradients[0]
        result = pooling.scattered(gradient.detach().cpu().contiguous().numpy(), ctx.at, ctx.inputs)
        return torch.from_numpy(result).to(gradient.device), None
