"""One case of the coverage table: a routine at a setting whose truth is known, and how often its interval held that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from effbench.stats.bootstrap import Interval

LEVEL = 0.95
"""What a suite asks for where it does not say otherwise."""


@dataclass(frozen=True)
class CoverageRow:
    """The share ``covered`` of simulations in which a routine's interval held the truth (of a test: in which it rejected).

    ``low`` and ``high`` bound the share that is asked for; where they are not nominal -+ 1 %, ``limit`` says why.
    """

    routine: str
    setting: str
    nominal: float
    covered: float
    simulations: int
    low: float
    high: float
    limit: str

    @property
    def holds(self) -> bool:
        """Return whether the share measured lies within the bounds."""
        return self.low <= self.covered <= self.high

    def holds_within(self, deviations: float) -> bool:
        """Return whether a share within the bounds could have come out so: binomial, at most that many deviations off."""
        slack = [deviations * sqrt(p * (1 - p) / self.simulations) for p in (self.low, self.high)]
        return self.low - slack[0] <= self.covered <= self.high + slack[1]


@dataclass(frozen=True)
class Case:
    """A routine at one setting: ``share(generator, simulations)`` returns how often its interval held the truth."""

    routine: str
    setting: str
    share: Callable[[np.random.Generator, int], float]
    nominal: float = LEVEL
    low: float = 0.94
    high: float = 0.96
    limit: str = ""

    def measure(self, simulations: int, seed: int) -> CoverageRow:
        """Return the row of this case; the same simulations and seed give the same row, whatever else is measured."""
        key = [seed, *f"{self.routine} {self.setting}".encode()]
        covered = self.share(np.random.default_rng(key), simulations)
        return CoverageRow(
            self.routine, self.setting, self.nominal, covered, simulations, self.low, self.high, self.limit
        )


def share_holding(intervals: Iterable[Interval | None], truth: float) -> float:
    """Return the share of the intervals that hold the truth, of those that are there; NaN where none is."""
    held = [found.low <= truth <= found.high for found in intervals if found is not None]
    return float(np.mean(held)) if held else float("nan")
