"""What an axis of a picture shows: where it begins and ends, and how far along it a value stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DECADE = 10.0
"""Largest over smallest value from which on a linear axis squeezes the small ones into a tenth of it or less."""

ROOM = 0.12
"""Share of what is shown that stays free beyond either end, for the names of the outermost points."""

FARTHEST = 1e300
"""Ends of an axis are kept within this, so that the length of one is a number too."""

POWERS = 307.0
"""The same of powers of ten, short of where a float64 loses digits at one end and overflows at the other."""


@dataclass(frozen=True)
class AxisScale:
    """An axis from ``low`` to ``high``, both above 0 where it is logarithmic."""

    low: float
    high: float
    is_logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return how far along the axis a value stands: 0 at ``low``, 1 at ``high``.

        What no logarithm has stands at ``low``, where a bar that reaches below 0 ends.
        """
        low, high = self.ends
        if not self.is_logarithmic:
            return (value - low) / (high - low)
        return 0.0 if value <= self.low else (math.log10(value) - low) / (high - low)

    def shown(self, value: float) -> float:
        """Return a value, or ``low`` for what a logarithmic axis cannot hold."""
        return max(value, self.low) if self.is_logarithmic else value

    @property
    def ends(self) -> tuple[float, float]:
        """Return both ends, of a logarithmic axis their powers of ten."""
        return (math.log10(self.low), math.log10(self.high)) if self.is_logarithmic else (self.low, self.high)


def scale_of(values: Sequence[float], bounds: Sequence[tuple[float, float]], is_logarithmic: bool) -> AxisScale:
    """Return the axis that shows values and their bounds (low, high) with some room; linear where a value is not above 0.

    On a logarithmic axis a bound that is not above 0 has no place; the axis then begins a decade below the smallest value.
    """
    if is_logarithmic and min(values) > 0:
        lows = [low if low > 0 else value / DECADE for value, (low, _) in zip(values, bounds)]
        low, high = math.log10(min(lows)), math.log10(max(high for _, high in bounds))
        room = ROOM * (high - low) or ROOM
        return AxisScale(10 ** min(max(low - room, -POWERS), POWERS - 1), 10 ** min(high + room, POWERS), True)
    low, high = (min(max(end, -FARTHEST), FARTHEST) for end in (min(b[0] for b in bounds), max(b[1] for b in bounds)))
    room = ROOM * (high - low) or 0.1 * abs(high) or 1.0
    return AxisScale(low - room, high + room)


def spans_a_decade(values: Sequence[float]) -> bool:
    """Return whether the largest value is over ten times the smallest and all are above 0: what a logarithmic axis is for."""
    return bool(values) and min(values) > 0 and max(values) > DECADE * min(values)
