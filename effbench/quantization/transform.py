"""Smoothing, then rotation, as one change of basis of a layer's inputs, exact in real numbers.

With m the multiplier of smoothing, D the diagonal of random signs and H the Hadamard matrix::

    X W^T = (X diag(m) D H) (W diag(1 / m) D H)^T

A weight is quantized once, after both. (ViDiT-Q's release quantizes after smoothing and again after the rotation.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from effbench.kernels import hadamard
from effbench.kernels.choice import Implementation
from effbench.kernels.hadamard.reference import hadamard as exact_hadamard


def implementation(x: torch.Tensor) -> Implementation:
    """Return which implementation a simulation takes of an operation that gives the same codes in all: the quickest on hand."""
    return "cpu" if x.device.type == "cpu" and x.dtype == torch.float32 else "reference"


@dataclass(frozen=True)
class Transform:
    """``multiplier`` [I] float32 is m D, None for all ones; ``rotate`` says whether H follows."""

    multiplier: torch.Tensor | None = None
    rotate: bool = False

    @classmethod
    def of(cls, smoothing: torch.Tensor | None = None, signs: torch.Tensor | None = None) -> Transform:
        """Return the transform of a smoothing multiplier [I] and of the signs [I] of a rotation; None leaves one out."""
        if signs is None:
            return cls(smoothing)
        return cls(signs if smoothing is None else smoothing * signs, rotate=True)

    def activations(self, x: torch.Tensor) -> torch.Tensor:
        """Return x [..., I] in the new basis, in its dtype."""
        if self.rotate:
            return hadamard.hadamard(x, self.multiplier, impl=implementation(x))
        return x if self.multiplier is None else (x * self.multiplier).to(x.dtype)

    def weight(self, weight: torch.Tensor) -> torch.Tensor:
        """Return a weight [O, I] in the new basis, float32."""
        wide = weight.detach().double()
        if self.multiplier is not None:
            wide = wide / self.multiplier.double()
        return (exact_hadamard(wide) if self.rotate else wide).float()

    def hessian(self, gram: torch.Tensor) -> torch.Tensor:
        """Return X'^T X' of inputs X' in the new basis from X^T X [I, I], float64."""
        wide = gram.double()
        if self.multiplier is not None:
            wide = wide * self.multiplier.double() * self.multiplier.double()[:, None]
        return exact_hadamard(exact_hadamard(wide).T) if self.rotate else wide
