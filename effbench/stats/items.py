"""The mean of log ratios over rounds x items: what a speed-up is worth where calls differ by the sample that they run on.

Rounds (fresh processes) and items (calls on different samples) are both samples of what could have been timed. Their parts of
the error come from ``stats.crossed``, where rounds are the source that must not be missed: items that differ by no more than
noise leave Student's t over rounds, and one item is exactly that.

A round counts as much as any other, and so does an item, as far as the rounds that timed it allow: the weights of the
timed pairs are scaled by rows and columns in turn (iterative proportional fitting, Deming & Stephan 1940, Annals of
Mathematical Statistics 11, 427-444). Where every round timed every item this is the plain mean, and the error is that of
the two-way analysis of variance; with gaps it is that of the weighted one, an approximation. Where the gaps leave nothing
to tell rounds and items apart by (each round timed one item), the error is that of rounds or of items alone, whichever is
larger: either holds the other's part then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval
from effbench.stats.crossed import Error, error_of
from effbench.stats.inputs import check_level
from effbench.stats.ratio import LEAST_ROUNDS, Ratio, t_interval

FITTING_STEPS = 200
"""Most steps of either fit; both double their digits in a few where the gaps are few, and need one where there are none."""


@dataclass(frozen=True)
class LogMean:
    """Mean of log ratios over so many ``rounds``, with what rounds and items deviate from it by, in the order of the table.

    ``of_rounds`` [rounds] and ``of_items`` [items] are NaN where a row or column has no value; ``rest`` is the squared error
    of what neither explains, and ``kept`` that of rounds (the rest in it) with its degrees of freedom, None where there is
    nothing to tell it by.
    """

    value: float
    rounds: int
    of_rounds: Array
    of_items: Array
    rest: float
    kept: tuple[float, float] | None

    @property
    def items(self) -> int:
        """Return the number of items that have a value."""
        return int(np.isfinite(self.of_items).sum())

    @property
    def error(self) -> Error | None:
        """Return the error of the value; None below three rounds and where no round differs from another."""
        return None if self.kept is None else error_of(self.kept, self._between_items, self.rest)

    @property
    def _between_items(self) -> tuple[float, float]:
        if self.items < 2:
            return 0.0, 1.0
        return float(np.nanvar(self.of_items, ddof=1)) / self.items, self.items - 1.0

    @property
    def effect(self) -> float | None:
        """Return the mean over the standard deviation that rounds would have if the whole error came from them."""
        error = self.error
        return None if error is None else float(self.value / np.sqrt(error.variance * self.rounds))

    @property
    def p(self) -> float | None:
        """Return the two-sided p of the t test that the ratio is 1."""
        error = self.error
        return None if error is None else error.p(self.value)

    def interval(self, level: float) -> Interval | None:
        """Return Student's t interval of the mean."""
        error = self.error
        if error is None:
            return None
        half = error.reach(level)
        return Interval(self.value - half, self.value + half)

    def shares(self) -> tuple[Array, Array]:
        """Return what each round [rounds] and each item [items] adds to the error, 0 where it has no value.

        With independent standard normal z and z', ``rounds @ z + items @ z'`` has the error's variance; methods that share
        rounds and items share their z. Times sqrt(freedom / chi2(freedom)) it follows the interval's t.
        """
        between, _ = self._between_items
        share = max(between - self.rest, 0.0) / between if between > 0 else 0.0
        rounds, items = self.rounds, self.items
        across = np.nan_to_num(self.of_items - np.nanmean(self.of_items)) * np.sqrt(share / (items * max(items - 1, 1)))
        down = np.nan_to_num(self.of_rounds - np.nanmean(self.of_rounds)) / np.sqrt(rounds * max(rounds - 1, 1))
        return down, across


def log_mean(logs: Array | Sequence[Sequence[float]]) -> LogMean:
    """Return the mean of log ratios [rounds, items], NaN where a round did not time an item, with its error.

    Rounds and items without any value are left out. Raises ``ValueError`` for another shape, an infinity, or no value at all.
    """
    table = np.asarray(logs, np.float64)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError(f"need finite log ratios [rounds, items], NaN where there is none, got shape {table.shape}")
    timed = np.asarray(~np.isnan(table))
    rows, columns = timed.any(1), timed.any(0)
    if not rows.any():
        raise ValueError("no round timed any item on both sides")
    found = _log_mean(table[np.ix_(rows, columns)])
    of_rounds, of_items = (np.full(length, np.nan) for length in timed.shape)
    of_rounds[rows], of_items[columns] = found.of_rounds, found.of_items
    return replace(found, of_rounds=of_rounds, of_items=of_items)


def _log_mean(table: Array) -> LogMean:
    """Return the mean of a table in which every row and every column has a value."""
    rounds, items = table.shape
    timed = ~np.isnan(table)
    weights = _balanced(timed)
    value = float(table.mean()) if timed.all() else float((weights * np.where(timed, table, 0)).sum())
    rest = np.where(timed, table - value, 0.0)
    of_rounds, of_items, squared = np.zeros(rounds), np.zeros(items), 0.0
    free = int(timed.sum()) - _rank(timed)
    if free == 0:  # one item, or rounds and items that cannot be told apart
        of_rounds = (weights * rest).sum(1) * rounds
    for _ in range(0 if free == 0 else 1 if timed.all() else FITTING_STEPS):
        for axis, effect in ((1, of_rounds), (0, of_items)):
            step = (weights * rest).sum(axis) / weights.sum(axis)
            effect += step
            rest = np.where(timed, rest - np.expand_dims(step, axis), 0.0)
    kept = (float(of_rounds.var(ddof=1)) / rounds, rounds - 1.0) if rounds >= LEAST_ROUNDS else None
    if free:
        squared = float((rest**2).sum()) / free * float((weights**2).sum())
    elif kept and items > 1:
        by_item = (weights * rest).sum(0) * items
        kept = max(kept, (float(by_item.var(ddof=1)) / items, items - 1.0))
    rounding = 4 * np.finfo(float).eps * max(1.0, np.abs(table[timed]).max())
    alike = np.ptp(table[timed]) if free == 0 else float(np.max(np.nanmax(table, 0) - np.nanmin(table, 0)))
    return LogMean(value, rounds, of_rounds, of_items, squared, kept if alike > rounding else None)


def _balanced(timed: Array) -> Array:
    """Return weights [rounds, items] that sum to 1: rounds count alike, and items as nearly so as the gaps allow."""
    rounds, items = timed.shape
    weights = timed / timed.sum()
    for _ in range(1 if timed.all() else FITTING_STEPS):
        weights = weights / (weights.sum(0) * items)
        weights = weights / (weights.sum(1, keepdims=True) * rounds)
    return np.asarray(weights)


def _rank(timed: Array) -> int:
    """Return how many numbers an effect of each round and of each item can fit: all but one for each connected part."""
    rows, columns = np.nonzero(timed)
    design = np.zeros((len(rows), sum(timed.shape)))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), timed.shape[0] + columns] = 1
    return int(np.linalg.matrix_rank(design))


def item_ratio(logs: Array | Sequence[Sequence[float]], level: float) -> Ratio:
    """Return the geometric mean of ratios from their logarithms [rounds, items], NaN where a round did not time an item.

    Its interval knows what rounds and what items vary by. Of one item it is ``geometric_mean_ratio``'s, to the last bit;
    the same limits hold: none below three rounds, and none where no round differs from another. Raises as ``log_mean`` does.
    """
    check_level(level)
    found, table = log_mean(logs), np.asarray(logs, np.float64)
    bounds = found.interval(level)
    if bounds is not None and found.items == 1:
        bounds = t_interval(table[~np.isnan(table)], level)
    interval = None if bounds is None else Interval(*np.exp(bounds).tolist())
    return Ratio(float(np.exp(found.value)), interval, found.rounds)


def log_difference(a: LogMean, b: LogMean) -> LogMean:
    """Return a - b of two means whose rounds are not the same and whose items are (by their place in the table).

    So two methods compare that were each timed beside the reference: what is peculiar to an item cancels as far as it does
    for both; rounds add up, with the degrees of freedom of Welch and Satterthwaite. ``rounds`` is the lesser number, and
    ``of_rounds`` is empty.
    Raises ``ValueError`` where the numbers of items differ.
    """
    if len(a.of_items) != len(b.of_items):
        raise ValueError(f"need the same items on both sides, got {len(a.of_items)} and {len(b.of_items)}")
    both = [found.kept for found in (a, b) if found.kept is not None and found.kept[0] > 0]
    kept = None
    if min(a.rounds, b.rounds) >= LEAST_ROUNDS and both:
        variance = sum(part for part, _ in both)
        kept = variance, variance**2 / sum(part**2 / freedom for part, freedom in both)
    rounds, of_items = min(a.rounds, b.rounds), a.of_items - b.of_items
    return LogMean(a.value - b.value, rounds, np.empty(0), of_items, a.rest + b.rest, kept)
