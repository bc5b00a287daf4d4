"""How well scores rank architectures, under weights: Kendall's tau-b, the share of the best that is found, and regret.

Weights are how often a bootstrap took each architecture, or any numbers proportional to that. An architecture taken twice
is tied with itself on both sides, so it counts in neither; what does not depend on the weights (both orders) is found once.

tau-b = (C - D) / sqrt(pairs that the scores keep apart x pairs that the truth keeps apart), each pair weighing the product
of its two weights (Kendall 1945, Biometrika 33, 239-251). C and D come from one pass over a Fenwick tree (Fenwick 1994,
Software: Practice and Experience 24, 327-336), O(n log n).
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit


class Ranking:
    """Scores [n] against truth [n], higher being better on both sides; measured under weights [n], any number of times.

    Raises ``ValueError`` where the two differ in length or a number is not finite.
    """

    def __init__(self, scores: Array, truth: Array) -> None:
        scores, truth = np.asarray(scores, np.float64), np.asarray(truth, np.float64)
        if scores.shape != truth.shape or scores.ndim != 1:
            raise ValueError(
                f"need as many scores as truths in one dimension, got shapes {scores.shape} and {truth.shape}"
            )
        if not (np.isfinite(scores).all() and np.isfinite(truth).all()):
            raise ValueError("scores and truths must be finite")
        self._order = np.argsort(-scores, kind="stable")  # best first
        self._truth = truth[self._order]
        self._ranks = np.unique(self._truth, return_inverse=True)[1].astype(np.int64)  # 0 is the worst
        self._ties = np.unique(-scores[self._order], return_inverse=True)[1].astype(np.int64)

    def tau(self, weights: Array) -> float | None:
        """Return tau-b; None where the weights leave nothing that one of the sides keeps apart."""
        found = _tau(self._ranks, self._ties, np.asarray(weights, np.float64)[self._order])
        return None if np.isnan(found) else float(found)

    def precision_at(self, share: float, weights: Array) -> float | None:
        """Return the share of the ``share`` best-scored that are among the ``share`` best; None where all weights are 0.

        The truth's ties at the limit all belong to the best; architectures that the scores tie there enter in equal parts, as
        they would on average if ties were broken by lot. A limit that falls within an architecture takes a part of it.
        """
        found = _precision(self._ranks, self._ties, np.asarray(weights, np.float64)[self._order], share)
        return None if np.isnan(found) else float(found)

    def regret_at(self, count: int, weights: Array) -> float | None:
        """Return how far the best of the ``count`` best-scored lies below the best of all; None where all weights are 0.

        Ties of the scores are taken in the order given.
        """
        found = _regret(self._truth, np.asarray(weights, np.float64)[self._order], count)
        return None if np.isnan(found) else float(found)


@njit(cache=True)
def _tau(ranks: Array, ties: Array, weights: Array) -> float:  # pragma: no cover - compiled
    """Return tau-b of truths' dense ranks [n] and of the groups of equal scores [n], both in the order of the scores.

    The best scores come first; the tree holds the weights of those before, by rank of the truth.
    """
    n = len(ranks)
    size = 0
    for i in range(n):
        size = max(size, ranks[i] + 1)
    tree, of_rank = np.zeros(size + 1), np.zeros(size)
    total, squares, agree = 0.0, 0.0, 0.0
    start = 0
    while start < n:
        end, group = start, 0.0
        while end < n and ties[end] == ties[start]:
            weight = weights[end]
            if weight != 0.0:
                below, at = 0.0, ranks[end]
                while at > 0:  # sum over the ranks below
                    below += tree[at]
                    at -= at & -at
                above = total - below - of_rank[ranks[end]]
                agree += weight * (above - below)
                group += weight
            end += 1
        for i in range(start, end):
            weight = weights[i]
            if weight != 0.0:
                of_rank[ranks[i]] += weight
                at = ranks[i] + 1
                while at <= size:
                    tree[at] += weight
                    at += at & -at
        total += group
        squares += group * group
        start = end
    of_truth = 0.0
    for rank in range(size):
        of_truth += of_rank[rank] * of_rank[rank]
    apart = (total * total - squares) / 2.0, (total * total - of_truth) / 2.0
    least = 1e-12 * total * total
    if not (apart[0] > least and apart[1] > least):
        return np.nan
    return float(min(1.0, max(-1.0, agree / np.sqrt(apart[0]) / np.sqrt(apart[1]))))


@njit(cache=True)
def _precision(ranks: Array, ties: Array, weights: Array, share: float) -> float:  # pragma: no cover - compiled
    """Return the weight of the best among the ``share`` best-scored over the latter's; arrays [n] as in ``_tau``."""
    n = len(ranks)
    size, total = 0, 0.0
    for i in range(n):
        size = max(size, ranks[i] + 1)
        total += weights[i]
    limit = share * total
    if not limit > 0.0:
        return np.nan
    above = np.zeros(size + 1)  # [ranks + 1], weight of strictly better ones
    for i in range(n):
        above[ranks[i]] += weights[i]
    better = 0.0
    for rank in range(size - 1, -1, -1):
        own = above[rank]
        above[rank] = better
        better += own
    least = limit * (1.0 - 1e-12)
    found, before, start = 0.0, 0.0, 0
    while start < n and before < limit:
        end, group, best = start, 0.0, 0.0
        while end < n and ties[end] == ties[start]:
            group += weights[end]
            if above[ranks[end]] < least:
                best += weights[end]
            end += 1
        if group > 0.0:
            found += best * min(1.0, (limit - before) / group)
        before += group
        start = end
    return found / limit


@njit(cache=True)
def _regret(truth: Array, weights: Array, count: int) -> float:  # pragma: no cover - compiled
    """Return the best truth that has weight less the best of the first ``count`` that have; arrays [n], best scored first."""
    best, picked, seen = -np.inf, -np.inf, 0
    for i in range(len(truth)):
        if weights[i] > 0.0:
            best = max(best, truth[i])
            if seen < count:
                picked = max(picked, truth[i])
            seen += 1
    return best - picked if seen > 0 else np.nan
