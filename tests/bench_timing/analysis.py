"""What a run says: do the medians agree, how often do our intervals hold theirs, what do the harnesses themselves cost."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bench_timing.callables import SPIN_S
from bench_timing.measure import LAUNCHER, OPTIMUM, OURS, PEERS, THREADS
from effbench.stats.bootstrap import Interval
from effbench.stats.order import clustered_quantile_interval, percentile, quantile_interval
from effbench.stats.ratio import Ratio, geometric_mean_ratio

LEVEL = 0.95
LEAST_SHARE = 0.90
LARGEST_DIFFERENCE = 0.05
"""A noisy machine must not make agreement easy: a larger difference of the medians is none, whatever the noise."""
DEALS = 50

Rows = Sequence[dict[str, Any]]


def percent(noise: float | None) -> str:
    """Return a noise as text."""
    return "no interval" if noise is None else f"±{noise:.2%}"


class Agreement(NamedTuple):
    """Our medians beside a peer's at one number of threads; ``ratio`` is ours over theirs, over repeats.

    ``noise`` is the relative half-width of the interval of one of our measurements, in the middle of the repeats;
    ``expected`` is the share of repeats in which the median of a peer that times exactly as we do would lie inside.
    """

    peer: str
    threads: int
    ours_ms: float
    interval_ms: Interval | None
    theirs_ms: float
    ratio: Ratio
    noise: float | None
    inside: int
    repeats: int
    expected: float
    most_calls_per_time: int

    @property
    def agrees(self) -> bool:
        """Return whether the medians differ by less than one of our measurements can tell, and by less than 5 %."""
        return self.noise is not None and abs(self.ratio.value - 1) < min(self.noise, LARGEST_DIFFERENCE)


class Overhead(NamedTuple):
    """What a harness's timed loop takes per call beyond the call itself, in microseconds, in the middle of the repeats.

    ``per_call_us`` is the mean of a loop, with an interval over repeats, ``median_us`` the median of its gaps;
    ``added_us`` is what the reported median holds beyond the call's own time; ``turn_start_ms`` is ours alone.
    """

    harness: str
    workload: str
    per_call_us: float
    interval_us: Interval | None
    median_us: float
    added_us: float
    calls_per_time: int
    turn_start_ms: float | None


class BusyParent(NamedTuple):
    """optimum-benchmark's own launcher against the same scenario under a parent that blocks, and against us."""

    threads: int
    blocked_ms: float
    busy_ms: float
    to_blocked: Ratio
    to_ours: Ratio
    blocked_share: float
    busy_share: float


@dataclass(frozen=True)
class Findings:
    """Everything that the section shows."""

    agreements: tuple[Agreement, ...]
    overheads: tuple[Overhead, ...]
    busy: tuple[BusyParent, ...]

    @property
    def broken(self) -> list[str]:
        """Return one sentence for every requirement that does not hold."""
        found = []
        for peer in PEERS:
            rows = [row for row in self.agreements if row.peer == peer]
            inside, n = sum(row.inside for row in rows), sum(row.repeats for row in rows)
            if inside < LEAST_SHARE * n:
                found.append(f"the median of {peer} lies in our interval in {inside} of {n} repeats, below 90 %")
            found += [
                f"our median differs from that of {peer} with {row.threads} threads by {row.ratio.value - 1:+.2%}, "
                f"which is not within noise ({percent(row.noise)})"
                for row in rows
                if not row.agrees
            ]
        return found + [
            f"beside a call of {row.workload}, we spend {mine.per_call_us:.2f} µs and {row.harness} {row.per_call_us:.2f} µs"
            for mine, row in self.compared_overheads
            if mine.per_call_us > row.per_call_us
        ]

    def chance_to_fall_short(self, peer: str) -> float:
        """Return how often a peer that times exactly as we do would miss the required share by chance."""
        from scipy.stats import binom

        rows = [row for row in self.agreements if row.peer == peer]
        n = sum(row.repeats for row in rows)
        expected = sum(row.expected * row.repeats for row in rows) / n
        return float(binom.cdf(math.ceil(LEAST_SHARE * n) - 1, n, expected))

    @property
    def compared_overheads(self) -> list[tuple[Overhead, Overhead]]:
        """Return (ours, a peer's) wherever the peer also takes one time per call."""
        mine = {row.workload: row for row in self.overheads if row.harness == OURS}
        return [(mine[row.workload], row) for row in self.overheads if row.harness != OURS and row.calls_per_time == 1]


def findings_of(repeats: Sequence[Rows]) -> Findings:
    """Return what the repeats of a run say."""
    return Findings(
        tuple(agreement(repeats, peer, threads) for threads in THREADS for peer in PEERS),
        tuple(overhead(repeats, harness, workload) for workload in SPIN_S for harness in (OURS, *PEERS)),
        tuple(busy_parent(repeats, threads) for threads in THREADS),
    )


def times_of(rows: Rows, harness: str, threads: int) -> list[list[float]]:
    """Return the block's times of one repeat, process by process, in milliseconds."""
    chosen = [row for row in rows if row["workload"] == "block"]
    return [row["times_ms"] for row in chosen if (row["harness"], row["threads"]) == (harness, threads)]


def pooled_median(processes: Sequence[Sequence[float]]) -> float:
    """Return the median of all calls, which is what each of the harnesses reports for several processes."""
    return percentile([time for times in processes for time in times], 50)


def agreement(repeats: Sequence[Rows], peer: str, threads: int) -> Agreement:
    """Return how our medians and intervals stand to a peer's medians."""
    ours, theirs, bounds, chances = [], [], [], []
    dealer = random.Random(0)
    for rows in repeats:
        mine, other = times_of(rows, OURS, threads), times_of(rows, peer, threads)
        ours.append(pooled_median(mine))
        theirs.append(pooled_median(other))
        bounds.append(clustered_quantile_interval(mine, 50, LEVEL))
        chances.append(chance_inside(mine, other, dealer))
    inside = sum(_holds(interval, median) for interval, median in zip(bounds, theirs))
    given = [(interval, median) for interval, median in zip(bounds, ours) if interval]
    middle = np.median([interval for interval, _ in given], axis=0) if given else None
    return Agreement(
        peer,
        threads,
        float(np.median(ours)),
        Interval(float(middle[0]), float(middle[1])) if middle is not None else None,
        float(np.median(theirs)),
        geometric_mean_ratio(ours, theirs, LEVEL),
        float(np.median([(i.high - i.low) / 2 / median for i, median in given])) if given else None,
        inside,
        len(repeats),
        float(np.mean(chances)),
        max(r["calls_per_time"] for rows in repeats for r in rows if _is_block(r, peer, threads)),
    )


def chance_inside(mine: list[list[float]], other: list[list[float]], dealer: random.Random) -> float:
    """Return how often the interval holds the other median when one repeat's processes are dealt anew at random.

    That is the share to expect where two harnesses time alike, and it is below the interval's confidence because the
    other median scatters too.
    """
    hits = 0
    for _ in range(DEALS):
        dealt = dealer.sample([*mine, *other], len(mine) + len(other))
        interval = clustered_quantile_interval(dealt[: len(mine)], 50, LEVEL)
        hits += _holds(interval, pooled_median(dealt[len(mine) :]))
    return hits / DEALS


def _holds(interval: Interval | None, value: float) -> bool:
    """Return whether an interval holds a value; none, for want of calls on a slow machine, holds nothing."""
    return interval is not None and interval.low <= value <= interval.high


def overhead(repeats: Sequence[Rows], harness: str, workload: str) -> Overhead:
    """Return what a harness does beside the calls of a workload."""
    rows = [r for repeat in repeats for r in repeat if (r["harness"], r["workload"]) == (harness, workload)]
    means = [row["gaps"]["mean_us"] for row in rows]
    starts = [row["turn_start_ms"] for row in rows if "turn_start_ms" in row]
    return Overhead(
        harness,
        workload,
        float(np.median(means)),
        quantile_interval(means, 50, LEVEL),
        float(np.median([row["gaps"]["median_us"] for row in rows])),
        float(np.median([row["times_ms"][0] * 1e3 - row["gaps"]["own_us"] for row in rows])),
        int(np.median([row["calls_per_time"] for row in rows])),
        float(np.median(starts)) if starts else None,
    )


def busy_parent(repeats: Sequence[Rows], threads: int) -> BusyParent:
    """Return what the busy parent costs, paired repeat by repeat."""
    blocked, busy, ours = (
        [pooled_median(times_of(rows, harness, threads)) for rows in repeats] for harness in (OPTIMUM, LAUNCHER, OURS)
    )
    shares = [
        float(np.median([r["parent_share"] for rows in repeats for r in rows if _is_block(r, harness, threads)]))
        for harness in (OPTIMUM, LAUNCHER)
    ]
    return BusyParent(
        threads,
        float(np.median(blocked)),
        float(np.median(busy)),
        geometric_mean_ratio(busy, blocked, LEVEL),
        geometric_mean_ratio(busy, ours, LEVEL),
        *shares,
    )


def _is_block(row: dict[str, Any], harness: str, threads: int) -> bool:
    return (row["workload"], row["harness"], row["threads"]) == ("block", harness, threads)
