"""How much slower one method is than another, from per-round times.

The rounds that both share decide; where those are too few, the reference that each was timed beside joins the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from effbench.report.rounds import log_ratios
from effbench.stats.bootstrap import Interval
from effbench.stats.paired import POWER
from effbench.stats.ratio import LEAST_ROUNDS

Array = np.ndarray[Any, Any]

MOST_ROUNDS = 10_000
UNVARIED = "all rounds gave the same ratio"


class TimeRatio(NamedTuple):
    """Time of a / time of b: geometric mean over rounds with a t interval, and p of the t test that it is 1.

    ``effect`` is the mean log ratio over its standard deviation from round to round. ``through_reference`` says that the
    two were not timed in the same rounds. Where there is no value, or none of what comes with it, ``reason`` says why.
    """

    value: float | None
    interval: Interval | None
    p: float | None
    effect: float | None
    rounds: int
    through_reference: bool
    reason: str


def time_ratio(
    a: Mapping[str, float],
    b: Mapping[str, float],
    reference_of_a: Mapping[str, float],
    reference_of_b: Mapping[str, float],
    level: float,
) -> TimeRatio:
    """Return time of a / time of b from round -> time of each, and of the references that they were timed beside.

    Rounds that a and b share are used alone where there are three of them: the round's own speed cancels. Else the ratio
    is that of the two speed-ups, each over its own rounds (Welch), where each has three.
    """
    shared = np.array(list(log_ratios(a, b).values()))
    if len(shared) >= LEAST_ROUNDS:
        return _t_ratio(shared, level)
    with_reference = [
        np.array(list(log_ratios(own, reference).values()))
        for own, reference in ((a, reference_of_a), (b, reference_of_b))
    ]
    if min(map(len, with_reference)) >= LEAST_ROUNDS:
        return _welch_ratio(with_reference[0], with_reference[1], level)
    if len(shared) == 0:
        return TimeRatio(None, None, None, None, 0, False, "no round holds both")
    few = f"{len(shared)} shared round{'s' if len(shared) > 1 else ''}, {LEAST_ROUNDS} give an interval"
    return TimeRatio(math.exp(shared.mean()), None, None, None, len(shared), False, few)


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


def _t_ratio(logs: Array, level: float) -> TimeRatio:
    mean, count = float(logs.mean()), len(logs)
    if not _varies(logs):
        return TimeRatio(math.exp(mean), None, None, None, count, False, UNVARIED)
    spread = float(logs.std(ddof=1))
    interval, p = _interval_and_p(mean, spread / math.sqrt(count), count - 1, level)
    return TimeRatio(math.exp(mean), interval, p, mean / spread, count, False, "")


def _welch_ratio(a: Array, b: Array, level: float) -> TimeRatio:
    """Return the ratio from two independent sets of log ratios, with the degrees of freedom of Welch and Satterthwaite."""
    mean, rounds = float(a.mean() - b.mean()), min(len(a), len(b))
    if not (_varies(a) or _varies(b)):
        return TimeRatio(math.exp(mean), None, None, None, rounds, True, UNVARIED)
    errors = [float(logs.var(ddof=1)) / len(logs) for logs in (a, b)]
    freedom = sum(errors) ** 2 / sum(e * e / (len(logs) - 1) for e, logs in zip(errors, (a, b)))
    error = math.sqrt(sum(errors))
    interval, p = _interval_and_p(mean, error, freedom, level)
    return TimeRatio(math.exp(mean), interval, p, mean / (error * math.sqrt(rounds)), rounds, True, "")


def _varies(logs: Array) -> bool:
    """Return whether log ratios differ by more than rounding; a clock too coarse to show how rounds vary gives equal ones."""
    return bool(np.ptp(logs) > 4 * np.finfo(float).eps * np.abs(logs).max())


def _interval_and_p(mean: float, error: float, freedom: float, level: float) -> tuple[Interval, float]:
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, freedom)) * error
    return Interval(math.exp(mean - half), math.exp(mean + half)), float(2 * t.sf(abs(mean) / error, freedom))
