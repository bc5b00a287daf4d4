"""What quantized tensors are made of: codes, and the scales and zero points that give them their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

WEIGHT_LEVELS = 127
"""Positive codes of an 8-bit weight: the half of int8 that is symmetric."""


class QuantizedRows(NamedTuple):
    """Rows x [..., C] as codes: x is about ``scale * (codes - zero)``.

    ``codes`` [..., C] uint8 in [0, 2^bits - 1], ``scale`` [...] float32, ``zero`` [...] int32, ``sums`` [...] int32 the sum
    of a row's codes. A row that is not finite has scale NaN, so that whatever is computed from it says so.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    zero: torch.Tensor
    sums: torch.Tensor


class QuantizedWeight(NamedTuple):
    """A weight [O, I] as codes: it is about ``scale * (codes - zero)``, group by group of I.

    ``codes`` [O, I] int8, ``scale`` [O, G] float32 and ``zero`` [O, G] int8 for G groups of I / G inputs each (G = 1: one
    scale a channel). ``codes - zero`` fits into int8, which the products rely on.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    zero: torch.Tensor

    def dequantized(self) -> torch.Tensor:
        """Return the weight [O, I] float32 that the codes stand for."""
        outputs, inputs = self.codes.shape
        grouped = self.codes.reshape(outputs, self.scale.shape[1], -1).float()  # [O, G, I / G]
        restored: torch.Tensor = (grouped - self.zero[:, :, None]) * self.scale[:, :, None]
        return restored.reshape(outputs, inputs)


class StaticRange(NamedTuple):
    """One scale and zero point for a whole tensor, found before it is seen: x is about ``scale * (codes - zero)``.

    Codes are unsigned, from 0 to 2^bits - 1; what lies outside is cut off.
    """

    scale: float
    zero: int
    bits: int = 8
