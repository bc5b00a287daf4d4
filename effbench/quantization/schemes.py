"""What a quantized layer is asked to be: bits, groups and kinds of its weights and of its activations.

Free of torch, so that a module that defines a Method may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

BITS = (2, 3, 4, 5, 6, 8, 16)
"""Bit-widths of weights and of activations that a scheme may have; 16 leaves them as they are."""
UNQUANTIZED = 16
"""The bit-width that means: as it is."""

ActivationKind = Literal["dynamic-token", "static-tensor", "none"]
"""A scale for each row, found when it is seen; one for the whole tensor, found before; or no quantization."""
Rounding = Literal["nearest", "gptq"]
Kernel = Literal["w8a8", "w4a8", "w4a16"]
LayerExecution = Literal["real", "simulated"]


def checked_bits(bits: int) -> int:
    """Return a bit-width that a scheme may have; raise ``ValueError`` in one sentence for another."""
    if bits not in BITS:
        nearest = min(BITS, key=lambda known: abs(known - bits))
        raise ValueError(f"bits are one of {', '.join(map(str, BITS))}; got {bits}, the nearest is {nearest}")
    return bits


Bits = Annotated[int, AfterValidator(checked_bits)]
"""Type of a method's parameter that is a bit-width."""


@dataclass(frozen=True)
class ActivationScheme:
    """How inputs of a layer are quantized; ``group`` splits a row into groups of at most so many channels (simulated)."""

    kind: ActivationKind = "dynamic-token"
    bits: int = 8
    symmetric: bool = False
    group: int | None = None

    def __post_init__(self) -> None:
        checked_bits(self.bits)
        _check_group(self.group)
        if self.group is not None and self.kind != "dynamic-token":
            raise ValueError(f"groups of channels belong to dynamic-token activations; got kind {self.kind!r}")

    @property
    def is_on(self) -> bool:
        """Return whether anything is quantized."""
        return self.kind != "none" and self.bits != UNQUANTIZED


@dataclass(frozen=True)
class WeightScheme:
    """How a weight [O, I] is quantized: one scale an output channel, or one for each group of at most ``group`` inputs."""

    bits: int = 8
    group: int | None = None
    symmetric: bool = True
    rounding: Rounding = "nearest"

    def __post_init__(self) -> None:
        checked_bits(self.bits)
        _check_group(self.group)
        if self.bits == 8 and not self.symmetric:
            raise ValueError(
                "8-bit weights are symmetric: a code less its zero point must fit into int8, which 7 bits do"
            )

    @property
    def is_on(self) -> bool:
        """Return whether anything is quantized."""
        return self.bits != UNQUANTIZED

    def groups_of(self, inputs: int) -> int:
        """Return the number of groups of a layer of ``inputs`` inputs."""
        return group_count(inputs, self.group)


def group_count(inputs: int, group: int | None) -> int:
    """Return the least number of equal groups of ``inputs`` channels that hold at most ``group`` each; 1 without a limit.

    Widths of small models are no multiples of 128: 192 makes two groups of 96.
    """
    if group is None or group >= inputs:
        return 1
    return next(count for count in range(-(-inputs // group), inputs + 1) if inputs % count == 0)


def kernel_of(bits: int, activation: ActivationScheme, group: int | None = None) -> Kernel | None:
    """Return which kernel computes a linear layer of ``bits``-bit weights, or None where it can only be imitated.

    8-bit weights have no groups; activations have 8 bits and no groups, or are not quantized beside 4-bit weights.
    """
    if not activation.is_on:
        return "w4a16" if bits == 4 else None
    if activation.bits != 8 or activation.group is not None:
        return None
    if bits == 8 and group is None:
        return "w8a8"
    return "w4a8" if bits == 4 else None


def _check_group(group: int | None) -> None:
    if group is not None and group < 1:
        raise ValueError(f"a group holds at least 1 channel, got {group}; null means one group")
