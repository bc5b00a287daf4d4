"""Confidence sequences: intervals of a mean that hold at every n at once, so that one may stop when one has seen enough.

A fixed-sample interval that is looked at again and again excludes the truth sooner or later; these do not, however often one
looks and for whatever reason one stops: P(some n has the mean outside its interval) <= 1 - level. Two kinds:

- scores within known bounds: hedged betting (arXiv 2010.09686, section 4.1 and theorem 3). Gamblers bet for and against a
  candidate mean m; where one of them would have multiplied the stake by 1 / (1 - level), m is out. Valid at every n.
- other scores: the asymptotic sequence of arXiv 2103.06476 (theorem 2.2), mean +- s sqrt(2 (n r^2 + 1) / (n^2 r^2)
  log(sqrt(n r^2 + 1) / a)), valid from a first look that is not too early (``EARLIEST``), as a t test is from some n on.

The values must be independent: of samples that come in groups, each group is one value, the mean over its samples (and
seeds). The interval is then of the mean over groups, in which every group counts alike. Where groups are of one size that is
also the mean over samples; where they are not, it is another number, and an interval of the one says nothing of the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval, cluster_totals
from effbench.stats.inputs import check_level, finite

EARLIEST = 25
"""Fewest samples of an asymptotic sequence."""
GRID = 1001
"""Candidate means between the bounds; the interval is rounded outward to them."""
_MOST = 0.5
"""Largest share of its stake that a gambler can lose in one bet."""


def confidence_sequence(
    values: Sequence[float] | Array,
    level: float,
    *,
    bounds: Interval | None,
    tightest_at: int,
    clusters: Sequence[str] | None = None,
) -> Interval | None:
    """Return the interval of the mean at n = len(values), of independent values in the order in which they came.

    ``clusters`` [n] name rows that depend on each other: n counts clusters then, in the order in which each came first, and
    the mean is that of the clusters' means (the module's docstring says when that is the mean of the values).

    ``bounds`` hold every value, or are None where none are known; the asymptotic sequence is then tightest at n =
    ``tightest_at``. None where nothing can be said yet: no value, or (without bounds) fewer than ``EARLIEST`` or all alike.
    Raises ``ValueError`` for a level outside (0, 1), a value that is not finite or not within the bounds.
    """
    check_level(level)
    given = _cluster_means(finite(values, "the values"), clusters)
    if bounds is not None:
        return _betting(given, 1 - level, bounds) if len(given) else None
    if len(given) < EARLIEST or np.ptp(given) == 0:
        return None
    return _asymptotic(given, 1 - level, tightest_at)


def _cluster_means(values: Array, clusters: Sequence[str] | None) -> Array:
    """Return the means of the clusters in the order in which they came, so that what was seen before stays as it was."""
    if clusters is None:
        return values
    parts = cluster_totals(values, clusters)
    _, first = np.unique(np.asarray(clusters), return_index=True)
    return np.asarray((parts.totals / parts.sizes)[np.argsort(first)])


def _asymptotic(values: Array, alpha: float, tightest_at: int) -> Interval:
    n, mean = len(values), float(values.mean())
    reach = -2 * np.log(alpha)
    squared = (reach + np.log(reach + 1)) / tightest_at  # eq. 10 there: r^2 that is best at that n
    margin = np.sqrt(2 * (n * squared + 1) / (n**2 * squared) * np.log(np.sqrt(n * squared + 1) / alpha))
    radius = float(values.std() * margin)
    return Interval(mean - radius, mean + radius)


def _betting(values: Array, alpha: float, bounds: Interval) -> Interval:
    width = bounds.high - bounds.low
    unit = (values - bounds.low) / width
    if not (width > 0 and (unit >= 0).all() and (unit <= 1).all()):
        raise ValueError(f"values must lie within [{bounds.low:g}, {bounds.high:g}]")
    n = len(unit)
    # Predictable: the bet on a value knows only those before it.
    counts = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(unit)) / (counts + 1)
    variances = (0.25 + np.cumsum((unit - means) ** 2)) / (counts + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    bets = np.sqrt(2 * np.log(2 / alpha) / (before * counts * np.log(counts + 1)))[:, None]
    candidates = np.linspace(0, 1, GRID)
    with np.errstate(divide="ignore"):
        up, down = np.minimum(bets, _MOST / candidates), np.minimum(bets, _MOST / (1 - candidates))
    gains = unit[:, None] - candidates
    wealth = np.maximum(np.log1p(up * gains).cumsum(0), np.log1p(-down * gains).cumsum(0)) - np.log(2)
    inside = np.flatnonzero((wealth < -np.log(alpha)).all(0))  # at this n and at all before it
    if len(inside) == 0:  # between two candidates: the finest that the grid can say
        nearest = int(wealth.max(0).argmin())
        inside = np.array([nearest])
    low, high = candidates[max(0, inside[0] - 1)], candidates[min(GRID - 1, inside[-1] + 1)]
    return Interval(float(bounds.low + width * low), float(bounds.low + width * high))
