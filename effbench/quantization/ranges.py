"""From ranges of values to scales and zero points, and how a range is followed over calibration batches."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from effbench.kernels.codes import StaticRange
from effbench.kernels.quantize_rows.reference import LEAST_RANGE

MOMENTUM = 0.95
"""Weight of what was seen before in a running range, as MixDQ's and ViDiT-Q's code have it."""


def static_range(low: float, high: float, bits: int = 8, symmetric: bool = False) -> StaticRange:
    """Return the scale and zero point of a tensor that lies in [low, high]; the range is widened to hold 0.

    A range of width 0 gets scale 1: an all-zero tensor stays exactly 0. Raises ``ValueError`` for what is not finite.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if not -float("inf") < low <= high < float("inf"):
        raise ValueError(f"a range has finite ends; got [{low}, {high}]")
    span = max(high, -low) if symmetric else high - low
    steps = 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1
    scale = span / steps if span >= LEAST_RANGE else 1.0
    zero = 2 ** (bits - 1) if symmetric else round(-low / scale)
    return StaticRange(scale, min(zero, 2**bits - 1), bits)


def with_bits(static: StaticRange, bits: int) -> StaticRange:
    """Return the same range of values with codes of other bits."""
    low, high = -static.zero * static.scale, (2**static.bits - 1 - static.zero) * static.scale
    return static_range(low, high, bits)


@dataclass
class RunningRange:
    """The least and the greatest value of a tensor as an exponential mean over batches, updated once per batch.

    (MixDQ's release updates once per bit-width and batch, so that its momentum is 0.95^3.)
    """

    low: float = float("nan")
    high: float = float("nan")
    batches: int = 0

    def update(self, x: torch.Tensor, momentum: float = MOMENTUM) -> None:
        """Take one batch into account; the first sets the range."""
        low, high = (float(end) for end in torch.aminmax(x.detach()))
        if self.batches:
            low = momentum * self.low + (1 - momentum) * low
            high = momentum * self.high + (1 - momentum) * high
        self.low, self.high, self.batches = low, high, self.batches + 1


def weight_range(
    weight: torch.Tensor, bits: int, groups: int = 1, symmetric: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (scale [O, G] float32, zero [O, G] int8) of a weight [O, I] in G groups of its inputs.

    Codes are signed: symmetric ones lie in [-L, L] with L = 2^(bits-1) - 1 and zero 0, asymmetric ones in
    [-2^(bits-1), 2^(bits-1) - 1], over a range that holds 0. A group of zeros gets scale 1, and changes no other group's.
    """
    grouped = weight.detach().float().unflatten(1, (groups, -1))  # [O, G, I / G]
    low, high = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)  # [O, G]
    if symmetric:
        span, steps = torch.maximum(high, -low), 2 ** (bits - 1) - 1
    else:
        span, steps = high - low, 2**bits - 1
    scale = torch.where(span < LEAST_RANGE, torch.ones_like(span), span / steps)
    if symmetric:
        return scale, torch.zeros_like(scale, dtype=torch.int8)
    return scale, ((-low / scale).round() - 2 ** (bits - 1)).to(torch.int8)


def code_bounds(bits: int, symmetric: bool = True) -> tuple[int, int]:
    """Return the least and the greatest signed code of a weight."""
    half = 2 ** (bits - 1)
    return (1 - half if symmetric else -half), half - 1
