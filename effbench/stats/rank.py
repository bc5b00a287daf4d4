"""Ranks that admit ties: by intervals, by agreement of two orders, and by how often a resample keeps them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval
from effbench.stats.inputs import finite


def tie_ranks(bounds: Sequence[Interval | None], higher_is_better: bool) -> list[int | None]:
    """Return each method's rank: 1 + the number of methods whose interval lies wholly on the better side of its own.

    None where a method has no interval; it counts for nobody else's rank. A value known exactly is ``Interval(v, v)``;
    intervals that touch overlap. Raises ``ValueError`` for an interval that is not finite or is upside down.
    """
    for bound in bounds:
        if bound is not None and not (np.isfinite(bound).all() and bound.low <= bound.high):
            raise ValueError(f"an interval needs finite low <= high, got {tuple(bound)}")
    known = [bound for bound in bounds if bound is not None]
    if higher_is_better:
        lows = sorted(bound.low for bound in known)
        return [None if bound is None else 1 + len(lows) - bisect_right(lows, bound.high) for bound in bounds]
    highs = sorted(bound.high for bound in known)
    return [None if bound is None else 1 + bisect_left(highs, bound.low) for bound in bounds]


def kendall_tau(x: Sequence[float] | Array, y: Sequence[float] | Array) -> float | None:
    """Return Kendall's tau-b of x [n] and y [n]: (concordant - discordant) / sqrt(pairs untied in x * pairs untied in y).

    None below two pairs of values, and where x or y has no two values. O(n log n): discordant pairs are the inversions
    of y in the order of x (Knight 1966, JASA 61, 436-439), counted bit by bit of y's rank.
    Raises ``ValueError`` where the lengths differ or a value is not finite.
    """
    first, second = finite(x, "x"), finite(y, "y")
    if len(first) != len(second):
        raise ValueError(f"need as many values in x as in y, got {len(first)} and {len(second)}")
    n = len(first)
    a, b = (np.unique(values, return_inverse=True)[1].astype(np.int64) for values in (first, second))  # dense ranks [n]
    pairs = n * (n - 1) // 2
    untied_a, untied_b, tied_both = pairs - _tied(a), pairs - _tied(b), _tied(a * n + b)
    if untied_a == 0 or untied_b == 0:
        return None
    discordant = _inversions(b[np.lexsort((b, a))])
    concordant = untied_a + untied_b - pairs + tied_both - discordant
    tau = (concordant - discordant) / np.sqrt(untied_a) / np.sqrt(untied_b)
    return float(min(1.0, max(-1.0, tau)))


def _tied(keys: Array) -> int:
    counts = np.unique(keys, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _inversions(ranks: Array) -> int:
    """Return the number of pairs i < j with ranks[i] > ranks[j], by the highest bit in which the two differ."""
    found, order = 0, ranks
    for bit in range(int(ranks.max()).bit_length() - 1, -1, -1):
        prefix, ones = order >> (bit + 1), (order >> bit) & 1
        seen = np.cumsum(ones) - ones  # ones before each position
        start = np.flatnonzero(np.diff(prefix, prepend=-1))  # where each run of one prefix begins
        before_run = np.repeat(seen[start], np.diff(np.append(start, len(order))))
        found += int(((seen - before_run) * (1 - ones)).sum())
        order = order[np.argsort(order >> bit, kind="stable")]
    return found


def rank_stability(replicates: Array, higher_is_better: bool) -> Array:
    """Return the share of resamples in which each method keeps its rank [methods], from replicates [methods, resamples].

    A rank is 1 + the number of methods that are strictly better; the rank to keep is the one of the mean over all replicates.
    Rows must be joint replicates (the same resample of the same samples). Raises ``ValueError`` where there are none or one
    is not finite: leave such a method or resample out.
    """
    table = finite(replicates, "the replicates", dimensions=2)
    if table.size == 0:
        raise ValueError(f"need at least one method and one resample, got shape {table.shape}")
    signed = table if higher_is_better else -table
    kept = _ranks(signed.mean(1, keepdims=True))  # [methods, 1]
    return np.asarray((_ranks(signed) == kept).mean(1))


def _ranks(values: Array) -> Array:
    return np.stack([1 + (values > one).sum(0) for one in values])  # [methods, resamples]
