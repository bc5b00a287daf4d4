"""The interval of a share whose yes/no answers depend on each other: rows of one group, of one training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval, cluster_totals, has_spread, least_clusters, wilson_ends, wilson_interval
from effbench.stats.crossed import error_of, quantile, training_of_mean
from effbench.stats.inputs import check_level, finite


def share_interval(
    values: Sequence[float] | Array,
    level: float,
    *,
    clusters: Sequence[str] | None = None,
    trainings: Sequence[Any] | None = None,
) -> Interval | None:
    """Return the interval of the share of ones among ``values`` [n], each 0 or 1.

    Rows that are all alone (``clusters`` None, or a name each): ``wilson_interval``. Else Wilson's at the number of
    independent answers, at most n, that would have the error seen between clusters and trainings (``stats.crossed``),
    widened as Student's t is over the normal (after Korn & Graubard 1998, Survey Methodology 24, 193-201, who do so with the
    Clopper-Pearson interval): unlike percentiles of resamples it leans inwards near 0 and 1. Where all answers are the same
    nothing shows how they depend on each other; each cluster then counts as one answer, and trainings as one training. None
    below ``least_clusters(level)`` clusters where these hold several rows. Raises ``ValueError`` for no value, or another
    than 0 and 1.
    """
    check_level(level)
    given = finite(values, "the values")
    if len(given) == 0 or not np.isin(given, (0, 1)).all():
        raise ValueError("a share needs values that are 0 or 1, at least one")
    if clusters is None or len(set(clusters)) == len(given):
        return wilson_interval(float(given.sum()), len(given), level)
    parts, training = cluster_totals(given, clusters), training_of_mean(given, clusters, trainings)
    k, share = len(parts.totals), parts.mean
    if k < least_clusters(level):
        return None
    if share in (0.0, 1.0):
        return wilson_interval(share * k, k, level)
    squared = float((parts.influence**2).sum()) / (k * (k - 1)) if has_spread(parts) else 0.0
    if training.varies:
        error = error_of((training.between, training.trainings - 1), (squared, k - 1), training.rest)
    else:
        error = error_of((squared, k - 1), (0.0, 1.0), 0.0)
    normal = NormalDist().inv_cdf((1 + level) / 2)
    widened = error.variance * (quantile(level, error.freedom) / normal) ** 2
    answers = min(share * (1 - share) / widened, len(given)) if widened > 0 else float(len(given))
    return Interval(*wilson_ends(share, answers, normal))
