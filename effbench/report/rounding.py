"""Numbers as text, with as many digits as their interval resolves and no more.

The rule is the Particle Data Group's: of the half-width, two digits are kept while its leading two digits are below 35,
one digit otherwise. The value and both bounds then end at the same decimal place: ``0.956 [0.921, 0.980]``. Where an
interval reaches much further to one side, its nearer side counts, down to a tenth of the half-width, so that a time of
``900 [300, 20000]`` does not read as if it could be 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

PLAIN_DIGITS = 4
"""Significant digits of a value that comes without an interval (or with one of width zero): times repeat to no more."""

LOPSIDED = 3
"""An interval is lopsided where its nearer side is less than a third of the half-width: a digit more is resolved there."""

MOST_DIGITS = 12
"""A float64 sum does not carry more: an interval narrower than its last digit is one of width zero, left by rounding."""

POWER_BELOW, POWER_ABOVE = -4, 7
"""Exponents from which on a number is written with a power of ten: what is longer than its mantissa with the power."""


def rounded(value: float, ci_low: float | None, ci_high: float | None) -> tuple[str, str]:
    """Return (value, interval) as text; the interval is ``""`` where neither bound is known.

    A bound that is not known reads ``n/a``. Very small and very large values take a power of ten.
    """
    bounds = [bound for bound in (ci_low, ci_high) if bound is not None]
    place = last_place(value, bounds)
    largest = max(abs(number) for number in (value, *bounds))
    write = _positional if largest == 0 or POWER_BELOW <= _exponent(largest) < POWER_ABOVE else _scientific
    if not bounds:
        return write(value, place), ""
    low, high = ("n/a" if bound is None else write(bound, place) for bound in (ci_low, ci_high))
    return write(value, place), f"[{low}, {high}]"


def last_place(value: float, bounds: Sequence[float]) -> int:
    """Return the power of ten of the last digit worth showing (-2: hundredths)."""
    largest = _exponent(max(abs(number) for number in (value, *bounds)))
    half_width = (
        (max(bounds) - min(bounds)) / 2 if len(bounds) == 2 else max((abs(value - b) for b in bounds), default=0)
    )
    nearer = min((side for bound in bounds if (side := abs(value - bound)) > 0), default=half_width)
    if nearer < half_width / LOPSIDED:
        half_width = max(nearer, half_width / 10)
    is_exact = half_width == 0 or _exponent(half_width) < largest - MOST_DIGITS
    if is_exact or not math.isfinite(half_width):
        place = largest - PLAIN_DIGITS + 1
        whole = float(value).is_integer() or place > 0
        return 0 if whole and largest < POWER_ABOVE else place
    place = _exponent(half_width)
    leading = Decimal(repr(half_width)).scaleb(1 - place).to_integral_value(ROUND_HALF_UP)
    return max(place - 1 if leading < 35 else place, largest - MOST_DIGITS + 1)


def _exponent(number: float) -> int:
    return Decimal(repr(abs(float(number)))).adjusted() if number else 0


def _positional(number: float, place: int) -> str:
    if not math.isfinite(number):
        return str(number)
    exact = Decimal(repr(float(number))).quantize(Decimal(1).scaleb(place), ROUND_HALF_UP)
    return f"{abs(exact) if exact == 0 else exact:f}"


def _scientific(number: float, place: int) -> str:
    if not math.isfinite(number):
        return str(number)
    if number == 0:
        return "0"
    mantissa, exponent = f"{number:.{max(0, _exponent(number) - place)}e}".split("e")
    return f"{mantissa}e{int(exponent)}"
