"""Monte Carlo series: how far they are correlated, what their mean is worth, and whether chains agree.

The autocorrelation time is tau = 1 + 2 sum_t rho(t), so that n correlated samples are worth n / tau independent ones (a
literature that calls 1/2 + sum rho the integrated time has half of it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval
from effbench.stats.inputs import check_level, finite

WINDOW, LEAST_TIMES = 5, 50
"""Window in units of tau / 2 (Sokal's c), and the length below which a series says nothing, in units of tau."""


class SeriesMean(NamedTuple):
    """Mean of a series with its standard error; what cannot be told is None, for ``reason``."""

    value: float | None
    error: float | None
    interval: Interval | None
    autocorrelation_time: float | None
    effective_size: float | None
    n: int
    reason: str | None


class _Correlation(NamedTuple):
    tau: float
    window: int
    variance: float  # of one sample


def autocorrelation_time(series: Sequence[float] | Array) -> float | None:
    """Return tau = 1 + 2 sum rho(t) of a series [n], or of chains [m, n] together, at least 1.

    Sokal's automatic window (Sokal 1997, Monte Carlo Methods in Statistical Mechanics, section 3): the sum stops at the
    first W >= 5 tau(W) / 2; times 1 + (2 W + 1) / n for the bias of the subtracted mean (Wolff 2004, Comput. Phys. Commun.
    156, 143-153, eq. 49). None where the series is shorter than 50 tau, constant, or has no window (chains that disagree).
    """
    found = _correlation(_chains(series))
    return None if found is None else found.tau


def effective_size(series: Sequence[float] | Array) -> float | None:
    """Return the number of independent samples that the series is worth, n / tau; None where tau is."""
    chains = _chains(series)
    found = _correlation(chains)
    return None if found is None else chains.size / found.tau


def mean_with_error(series: Sequence[float] | Array, level: float = 0.95) -> SeriesMean:
    """Return the mean of a series [n] or of chains [m, n], its standard error sqrt(variance tau / n) and its interval.

    The error is itself uncertain: tau varies by sqrt(4 (W - (tau - 1) / 2) / n) of itself (Wolff 2004, eq. 42), which
    counts as n / (2 W - tau + 1) degrees of freedom of Student's t. No error where ``autocorrelation_time`` is None.
    """
    check_level(level)
    chains = _chains(series)
    n = chains.size
    if n == 0:
        return SeriesMean(None, None, None, None, None, 0, "too_few_samples")
    value, found = float(chains.mean()), _correlation(chains)
    if found is None:
        return SeriesMean(value, None, None, None, None, n, "too_few_samples")
    from scipy.stats import t

    error = float(np.sqrt(found.variance * found.tau / n))
    freedom = min(n - 1, n / max(1.0, 2 * found.window + 1 - found.tau))
    half = float(t.ppf((1 + level) / 2, freedom)) * error
    return SeriesMean(value, error, Interval(value - half, value + half), found.tau, n / found.tau, n, None)


def r_hat(chains: Sequence[Sequence[float]] | Array, *, rank_normalised: bool = False) -> float | None:
    """Return the split R-hat of chains [m, n]: 1 where all halves of all chains sample the same, larger where not.

    sqrt(((h - 1) / h W + B / h) / W) over the 2 m halves of length h, with W the mean variance within halves and B / h the
    variance of their means (Gelman et al. 2013, Bayesian Data Analysis, section 11.4). ``rank_normalised``: the larger of
    the value on normal scores of the ranks and on those of the distance to the median, which also sees heavy tails and
    chains that differ in spread only (Vehtari et al. 2021, Bayesian Analysis 16, 667-718). None below four samples a
    chain and where no half varies.
    """
    table = finite(chains, "the chains", dimensions=2)  # type: ignore[arg-type]
    half = table.shape[1] // 2
    if table.shape[0] == 0 or half < 2:
        return None
    halves = np.concatenate([table[:, :half], table[:, -half:]])  # [2 m, half]
    if not rank_normalised:
        return _r_hat(halves)
    both = [_r_hat(_normal_scores(values)) for values in (halves, np.abs(halves - np.median(halves)))]
    known = [value for value in both if value is not None]
    return max(known) if known else None


def _r_hat(halves: Array) -> float | None:
    if (halves.max(1) == halves.min(1)).all():
        return None
    n = halves.shape[1]
    within, between = halves.var(1, ddof=1).mean(), halves.mean(1).var(ddof=1)
    return float(np.sqrt((n - 1) / n + between / within))


def _normal_scores(values: Array) -> Array:
    from scipy.stats import norm, rankdata

    return np.asarray(norm.ppf((rankdata(values) - 3 / 8) / (values.size + 1 / 4)).reshape(values.shape))


def _chains(series: Sequence[float] | Array) -> Array:
    dimensions = max(1, np.ndim(series))
    if dimensions > 2:
        raise ValueError(f"need a series [n] or chains [m, n], got {dimensions} dimensions")
    return np.atleast_2d(finite(series, "the series", dimensions))


def _correlation(chains: Array) -> _Correlation | None:
    """Return tau, its window and the variance of one sample, or None; ``autocorrelation_time`` says when."""
    length, n = chains.shape[1], chains.size
    if n < LEAST_TIMES or length < 4 or chains.max() == chains.min():
        return None
    centred = chains - chains.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * length)) ** 2
    sums = np.fft.irfft(spectrum, 2 * length)[:, :length].sum(0)  # lag -> sum of products over all chains
    covariance = sums / (len(chains) * (length - np.arange(length)))
    times = 2 * np.cumsum(covariance / covariance[0]) - 1  # window -> tau
    windows = np.flatnonzero(np.arange(length) >= WINDOW * np.maximum(times, 1) / 2)
    if len(windows) == 0:
        return None
    window = int(windows[0])
    tau = max(1.0, float(times[window]) * (1 + (2 * window + 1) / n))
    if n < LEAST_TIMES * tau or 2 * window >= length:
        return None
    return _Correlation(tau, window, float(covariance[0]) * n / (n - tau))
