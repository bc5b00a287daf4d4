"""How much slower one method is than another, from the medians of their items in rounds.

The rounds that both share decide; where those are too few, the reference that each was timed beside joins the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.counted import counted
from effbench.stats.bootstrap import Interval
from effbench.stats.items import LogMean, log_difference, log_mean
from effbench.stats.paired import POWER
from effbench.stats.ratio import LEAST_ROUNDS
from effbench.timings import Timings, joined, log_ratios

Rounds = Mapping[str, Timings]
"""Round -> the timings of that round."""

MOST_ROUNDS = 10_000
"""Rounds: at a minute each a week of measuring; what would take longer is not called reachable."""

UNVARIED = "all rounds gave the same ratio"
"""Why a ratio has no interval: the clock is too coarse to show how rounds vary."""


class TimeRatio(NamedTuple):
    """Time of a / time of b: geometric mean over rounds and items with a t interval, and p of the t test that it is 1.

    ``effect`` is the mean log ratio in standard deviations of rounds (``stats.items.LogMean.effect``). ``through_reference``
    says that the two were not timed in the same rounds. Where there is no value, or none of what comes with it, ``reason``
    says why.
    """

    value: float | None
    interval: Interval | None
    p: float | None
    effect: float | None
    rounds: int
    items: int
    through_reference: bool
    reason: str


class SharedLogs(NamedTuple):
    """log(above / below) [rounds, items], NaN where one of them did not time an item in a round, and what its axes name."""

    values: Array
    rounds: tuple[str, ...]
    items: tuple[int, ...]

    def of_items(self, items: Sequence[int]) -> Array:
        """Return the values [rounds, items] with a column for each of some items."""
        table = np.full((len(self.rounds), len(items)), np.nan)
        for column, item in enumerate(items):
            if item in self.items:
                table[:, column] = self.values[:, self.items.index(item)]
        return table


def time_ratio(
    a: Rounds,
    b: Rounds,
    reference_of_a: Rounds,
    reference_of_b: Rounds,
    level: float,
    *,
    share_rounds: bool = True,
) -> TimeRatio:
    """Return time of a / time of b from the rounds of each, and of the references that they were timed beside.

    Rounds that a and b share are used alone where there are three of them: the round's own speed cancels. Else the ratio
    is that of the two speed-ups, each over its rounds (Welch), where each has three. Without ``share_rounds``, rounds of one
    name are not the same: those of two stores.
    """
    shared = shared_logs(a, b if share_rounds else {})
    count = len(shared.rounds)
    if count >= LEAST_ROUNDS:
        return _ratio(log_mean(shared.values), level, False)
    beside = [shared_logs(a, reference_of_a), shared_logs(b, reference_of_b)]
    if min(len(logs.rounds) for logs in beside) >= LEAST_ROUNDS:
        items = sorted({item for logs in beside for item in logs.items})
        return _ratio(log_difference(*(log_mean(logs.of_items(items)) for logs in beside)), level, True)
    if count == 0:
        return TimeRatio(None, None, None, None, 0, 0, False, "no round holds both")
    few = f"{counted(count, 'shared round')}, {LEAST_ROUNDS} give an interval"
    return _ratio(log_mean(shared.values), level, False)._replace(reason=few)


def shared_logs(above: Rounds, below: Rounds) -> SharedLogs:
    """Return the log ratios of the rounds in which both timed an item alike."""
    names = [name for name in above if name in below]
    logs = log_ratios(joined(above, names), joined(below, names), names)
    items = sorted({item for name in names for side in (above, below) for item in side[name].medians(name)})
    known = np.isfinite(logs)
    return SharedLogs(
        logs[known.any(axis=1)],
        tuple(name for name, some in zip(names, known.any(axis=1)) if some),
        tuple(items),
    )


def rounds_needed(effect: float, level: float) -> int | None:
    """Return the rounds after which a t test at ``level`` finds log ratios of this effect four times in five.

    The least n with t_{(1 + level)/2, n-1} + t_{power, n-1} <= abs(effect) sqrt(n); it takes the effect observed as the
    true one. None for an effect of 0, and beyond ``MOST_ROUNDS``.
    """
    from scipy.stats import t

    def suffices(n: int) -> bool:
        return bool(t.ppf((1 + level) / 2, n - 1) + t.ppf(POWER, n - 1) <= abs(effect) * math.sqrt(n))

    if not suffices(MOST_ROUNDS):
        return None
    low, high = LEAST_ROUNDS, MOST_ROUNDS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return low


def _ratio(found: LogMean, level: float, through_reference: bool) -> TimeRatio:
    value, interval = math.exp(found.value), found.interval(level)
    if interval is None:
        return TimeRatio(value, None, None, None, found.rounds, found.items, through_reference, UNVARIED)
    low, high = (math.exp(end) for end in interval)
    return TimeRatio(
        value, Interval(low, high), found.p, found.effect, found.rounds, found.items, through_reference, ""
    )
