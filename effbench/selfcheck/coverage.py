"""What the intervals of ``effbench.stats`` really cover, on simulated data whose truth is known.

An interval routine is wrong in silence: it prints a plausible pair of numbers whatever it does. So each one is called a few
thousand times on data of known truth and the share of intervals that hold the truth is compared with the nominal level. The
sizes are those of a suite: 40 prompts, 3 to 8 rounds, 20 or 30 calls a round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from effbench.stats.bootstrap import Interval

LEVEL = 0.95
Array = np.ndarray[Any, Any]


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


def simulate(simulations: int = 4000, seed: int = 0, only: Collection[str] | None = None) -> list[CoverageRow]:
    """Return one row per case, of all routines or of those named in ``only``; about two minutes for 4,000 on one core."""
    from effbench.selfcheck.coverage_cases import CASES
    from effbench.selfcheck.coverage_trainings import CROSSED_CASES

    every = (*CASES, *CROSSED_CASES)
    return [case.measure(simulations, seed) for case in every if only is None or case.routine in only]


def markdown(rows: Sequence[CoverageRow]) -> str:
    """Return the rows as a table, with the limits of those that have one numbered below it."""
    limits = list(dict.fromkeys(row.limit for row in rows if row.limit))
    lines = ["| routine | setting | nominal | measured | asked for | |", "|---|---|---|---|---|---|"]
    for row in rows:
        note = f"({limits.index(row.limit) + 1})" if row.limit else ""
        measured = f"{row.covered:.1%}" + ("" if row.holds else " **missed**")
        asked = f"{row.low:.1%} to {row.high:.1%}"
        lines.append(f"| `{row.routine}` | {row.setting} | {row.nominal:.0%} | {measured} | {asked} | {note} |")
    lines += ["", *(f"({number}) {limit}" for number, limit in enumerate(limits, 1))]
    return "\n".join(lines).rstrip() + "\n"
