"""The speed-up by a bootstrap over rounds, then over the calls within them: a cross-check from twenty rounds up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval, interval_of, least_clusters
from effbench.stats.inputs import check_resamples, positive_rounds


def hierarchical_ratio_interval(
    reference_rounds: Sequence[Sequence[float] | Array],
    method_rounds: Sequence[Sequence[float] | Array],
    level: float,
    resamples: int,
    seed: int,
) -> Interval | None:
    """Return the interval of the geometric mean over rounds of median(reference) / median(method).

    Both arguments hold, per round, the times of its calls; round i of both is one pair. A resample draws rounds with
    replacement and, in each drawn round, calls with replacement on either side. The spread observed between rounds already
    contains the calls', so that drawing at both levels counts it twice (Davison & Hinkley 1997, Bootstrap Methods and their
    Application, section 3.8). Therefore the rounds' log ratios are first shrunk towards their mean by sqrt(1 - within /
    observed variance), and where the calls alone would vary more than the rounds do, they too: replicates vary as the rounds
    do. Then ``interval_of`` with the rounds as clusters. Calls on several items are one pool here: the interval is about
    these items, so it checks ``stats.items`` only where there is one.

    None below ``least_clusters(level)`` rounds (six at 95 %), and where the ratios of all rounds are the same.
    Raises ``ValueError`` where the numbers of rounds differ, a round is empty, or a time is not positive and finite.
    """
    check_resamples(resamples)
    theirs = positive_rounds(reference_rounds, "the reference's times")
    ours = positive_rounds(method_rounds, "the method's times")
    if len(theirs) != len(ours):
        raise ValueError(f"need the same number of rounds on both sides, got {len(theirs)} and {len(ours)}")
    rounds = len(ours)
    if rounds < least_clusters(level):
        return None
    generator = np.random.default_rng(seed)
    logs = np.log([np.median(a) / np.median(b) for a, b in zip(theirs, ours)])  # [rounds]
    if np.ptp(logs) <= 4 * np.finfo(float).eps * max(1.0, np.abs(logs).max()):
        return None
    drawn = generator.integers(0, rounds, (resamples, rounds))
    calls = _median_logs(theirs, drawn, generator) - _median_logs(ours, drawn, generator) - logs[drawn]
    calls -= calls.mean()
    between, within = logs.var(), (calls**2).mean()  # as resampled; interval_of makes up for rounds / (rounds - 1)
    of_rounds, of_calls = np.sqrt(max(0.0, 1 - within / between)), np.sqrt(min(1.0, between / max(within, between)))
    replicates = logs.mean() + (of_rounds * (logs[drawn] - logs.mean()) + of_calls * calls).mean(1)  # [resamples]
    found = interval_of(replicates, level, rounds)
    return None if found is None else Interval(float(np.exp(found.low)), float(np.exp(found.high)))


def _median_logs(rounds: Sequence[Array], drawn: Array, generator: np.random.Generator) -> Array:
    """Return the logarithm of the median of a resample of each drawn round [resamples, rounds].

    The k-th smallest of m values drawn from a sorted round sits at rank floor(m U_(k)), where U_(k), the k-th smallest of
    m uniform numbers, is Beta(k, m - k + 1); drawing that number equals drawing all m values. For even m the next one is
    U_(k) + (1 - U_(k)) Beta(1, m - k).
    """
    sizes = np.array([len(times) for times in rounds])
    ordered = np.concatenate([np.sort(times) for times in rounds])
    begin, m = (np.cumsum(sizes) - sizes)[drawn], sizes[drawn]
    k = (m + 1) // 2
    place = generator.beta(k, m - k + 1)
    following = place + (1 - place) * np.where(m % 2 == 0, generator.beta(1, np.maximum(m - k, 1)), 0)
    middle = [ordered[begin + np.minimum((m * u).astype(np.intp), m - 1)] for u in (place, following)]
    return np.asarray(np.log((middle[0] + middle[1]) / 2))
