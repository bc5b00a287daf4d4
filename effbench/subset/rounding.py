"""Numbers to significant digits of their own: a metric's unit may be percent or millionths."""

from __future__ import annotations

import math

DIGITS = 4
"""Of what a manifest prints: a choice; the scores of a few dozen methods are not known to more."""
NOISE = 1e-9
"""Relative size of what the order of additions leaves: 0.1 + 1e-17 is 0.1, not a reason to round up."""


def to_digits(value: float, digits: int = DIGITS) -> float:
    """Return the value to significant digits."""
    return float(f"{value:.{digits}g}")


def rounded_up(value: float, digits: int = DIGITS) -> float:
    """Return the smallest number of so many digits that is not below a value of 0 or more (but for float noise)."""
    if value == 0:
        return 0.0
    unit = digits - 1 - math.floor(math.log10(abs(value)))
    return to_digits(math.ceil(value * 10.0**unit * (1 - NOISE)) / 10.0**unit, digits)


def decimals_for(spread: float, digits: int = DIGITS) -> int:
    """Return how many decimals tell values apart that differ by ``spread`` (to so many digits of it)."""
    return max(0, digits - 1 - math.floor(math.log10(spread))) if spread > 0 else digits
