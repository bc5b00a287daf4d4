"""The simulated data behind the coverage table: one function per kind of data, one case per routine and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from effbench.arrays import Array
from effbench.selfcheck.case import LEVEL, Case, share_holding
from effbench.stats.bootstrap import bootstrap_mean, percentile_intervals, wilson_interval
from effbench.stats.hierarchical import hierarchical_ratio_interval
from effbench.stats.order import clustered_quantile_interval, quantile_interval
from effbench.stats.paired import paired_difference
from effbench.stats.permutation import sign_flip_p
from effbench.stats.ratio import geometric_mean_ratio
from effbench.stats.series import mean_with_error

RESAMPLES = 600
"""Of each simulated interval, 15 beyond each end at 95 %: fewer than a suite's, since thousands of simulations take them."""
Share = Callable[[np.random.Generator, int], float]


def _draw(generator: np.random.Generator, shape: tuple[int, ...], kind: str) -> Array:
    """Return values of mean 1: normal, or exponential (skewness 2, worse than most metrics)."""
    return generator.exponential(1.0, shape) if kind == "exponential" else generator.normal(1.0, 1.0, shape)


def _prompts(generator: np.random.Generator, simulations: int, prompts: int, seeds: int, kind: str) -> Array:
    """Return values [simulations, prompts, seeds] of mean 1; with several seeds half of the variance is the prompt's."""
    if seeds == 1:
        return _draw(generator, (simulations, prompts, 1), kind)
    own = _draw(generator, (simulations, prompts, 1), kind)
    return np.asarray(1 + (own - 1 + _draw(generator, (simulations, prompts, seeds), kind) - 1) / np.sqrt(2))


def _names(prompts: int, seeds: int) -> list[str]:
    return [f"{i:05d}" for i in range(prompts) for _ in range(seeds)]


def _wilson(n: int, share: float) -> Share:
    def run(generator: np.random.Generator, simulations: int) -> float:
        drawn = generator.binomial(n, share, simulations)
        return share_holding((wilson_interval(int(k), n, LEVEL) for k in drawn), share)

    return run


def _percentile_intervals(prompts: int, seeds: int, kind: str) -> Share:
    """Every simulation is one name of the same call: they share the resamples' weights, not the data."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        table = _prompts(generator, simulations, prompts, seeds, kind).reshape(simulations, -1)
        names = list(map(str, range(simulations)))
        found = percentile_intervals(
            lambda weights: dict(zip(names, (table @ weights / weights.sum()).tolist())),
            _names(prompts, seeds),
            RESAMPLES,
            LEVEL,
            {},
            seed=int(generator.integers(1 << 31)),
        )
        return share_holding(found.values(), 1.0)

    return run


def _bootstrap_mean(prompts: int, seeds: int, kind: str) -> Share:
    def run(generator: np.random.Generator, simulations: int) -> float:
        data = _prompts(generator, simulations, prompts, seeds, kind).reshape(simulations, -1)
        clusters = None if seeds == 1 else _names(prompts, seeds)
        found = (
            bootstrap_mean(values, clusters=clusters, level=LEVEL, resamples=RESAMPLES, seed=i)
            for i, values in enumerate(data)
        )
        return share_holding(found, 1.0)

    return run


def _paired(prompts: int, seeds: int) -> Share:
    """Scores of two methods that share a prompt's difficulty; b is 0.3 better, and noisier."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        shared = _prompts(generator, simulations, prompts, seeds, "exponential")
        a = shared + generator.normal(0, 0.3, shared.shape)
        b = shared * generator.normal(1, 0.3, (simulations, prompts, 1)) + 0.3 + generator.normal(0, 0.5, shared.shape)
        clusters = None if seeds == 1 else _names(prompts, seeds)
        found = (
            paired_difference(
                x.ravel(), y.ravel(), clusters=clusters, level=LEVEL, resamples=RESAMPLES, seed=i
            ).interval
            for i, (x, y) in enumerate(zip(a, b))
        )
        return share_holding(found, -0.3)

    return run


def _rejects(n: int) -> Share:
    """The share of tests at 1 - level that reject although the differences are symmetric about 0 (Laplace)."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        data = generator.laplace(0, 1, (simulations, n))
        p = [sign_flip_p(values, resamples=RESAMPLES - 1, seed=i) for i, values in enumerate(data)]
        return float(np.mean([value is not None and value <= 1 - LEVEL for value in p]))

    return run


def _quantile(n: int, percent: int) -> Share:
    def run(generator: np.random.Generator, simulations: int) -> float:
        data = generator.exponential(1.0, (simulations, n))
        found = (quantile_interval(values, percent, LEVEL) for values in data)
        return share_holding(found, -float(np.log(1 - percent / 100)))

    return run


def _timed(
    generator: np.random.Generator, simulations: int, calls: Sequence[int], between: float, within: float
) -> Iterator[list[Array]]:
    """Yield rounds of log-normal times of median 1, whose logarithms spread by ``between`` and ``within`` rounds."""
    for effects in generator.normal(0, between, (simulations, len(calls))):
        yield [np.exp(effect + generator.normal(0, within, m)) for effect, m in zip(effects, calls)]


def _clustered_quantile(calls: Sequence[int], between: float, within: float, percent: int = 50) -> Share:
    def run(generator: np.random.Generator, simulations: int) -> float:
        from scipy.stats import norm

        truth = np.exp(norm.ppf(percent / 100) * np.hypot(between, within))
        rounds = _timed(generator, simulations, calls, between, within)
        return share_holding((clustered_quantile_interval(r, percent, LEVEL) for r in rounds), truth)

    return run


def _geometric_mean(rounds: int) -> Share:
    def run(generator: np.random.Generator, simulations: int) -> float:
        times = np.exp(generator.normal(0, 0.05, (simulations, 2, rounds)))
        found = (geometric_mean_ratio(1.5 * ours, theirs, LEVEL).interval for ours, theirs in times)
        return share_holding(found, 1.5)

    return run


def _hierarchical(rounds: int, calls: int, between: float, within: float) -> Share:
    def run(generator: np.random.Generator, simulations: int) -> float:
        theirs = _timed(generator, simulations, [calls] * rounds, between, within)
        ours = _timed(generator, simulations, [calls] * rounds, between, within)
        found = (
            hierarchical_ratio_interval(a, b, LEVEL, RESAMPLES // 3, seed=i)
            for i, (a, b) in enumerate(zip(theirs, ours))
        )
        return share_holding(found, 1.0)

    return run


def _autoregressive(n: int, correlation: float) -> Share:
    """Series of x_t = correlation x_{t - 1} + noise, begun in equilibrium; tau = (1 + correlation) / (1 - correlation)."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        from scipy.signal import lfilter

        noise = generator.normal(0, 1, (simulations, n))
        noise[:, 0] /= np.sqrt(1 - correlation**2)
        series = lfilter([1.0], [1.0, -correlation], noise, axis=1)
        return share_holding((mean_with_error(values, LEVEL).interval for values in series), 0.0)

    return run


DISCRETE_SHARE = "A share of n samples takes n + 1 values: coverage swings around the level as the share and n change."
SKEWED = (
    "Percentiles of the replicates do not follow a skewed mean (skewness 2 here, more than most metrics have); for a mean, "
    "bootstrap_mean does better."
)
TEN_SKEWED = "Ten samples of a metric of skewness 2 do not show how skewed it is."
DISCRETE_RANKS = (
    "Order statistics are discrete: the interval takes the next rank outwards and covers at least the level."
)
ROUNDS = (
    "At least the level whatever rounds do, so more than the level where they do not differ: the interval is never narrower "
    "than that of independent calls."
)
FEW_ROUNDS = (
    "A p90 of rounds that differ as much as their calls do needs more rounds than these. With 8 rounds a third of the "
    "simulations give an interval (the share is of those), and it covers less."
)

AT_LEAST = {"low": 0.94, "high": 0.995}

CASES = (
    *(
        Case(
            "wilson_interval",
            f"share {share}, 40 samples",
            _wilson(40, share),
            low=0.92,
            high=0.98,
            limit=DISCRETE_SHARE,
        )
        for share in (0.5, 0.8, 0.95)
    ),
    *(
        Case("percentile_intervals", f"mean of {n}, normal", _percentile_intervals(n, 1, "normal"))
        for n in (10, 40, 100)
    ),
    *(
        Case(
            "percentile_intervals",
            f"mean of {n}, exponential",
            _percentile_intervals(n, 1, "exponential"),
            low=low,
            high=high,
            limit=SKEWED,
        )
        for n, low, high in ((10, 0.89, 0.93), (40, 0.92, 0.95), (100, 0.93, 0.96))
    ),
    Case("percentile_intervals", "mean of 40 prompts x 2 seeds, normal", _percentile_intervals(40, 2, "normal")),
    Case("bootstrap_mean", "10, normal", _bootstrap_mean(10, 1, "normal")),
    Case(
        "bootstrap_mean",
        "10, exponential",
        _bootstrap_mean(10, 1, "exponential"),
        low=0.91,
        high=0.95,
        limit=TEN_SKEWED,
    ),
    *(
        Case("bootstrap_mean", f"{n}, {kind}", _bootstrap_mean(n, 1, kind))
        for n in (40, 100)
        for kind in ("normal", "exponential")
    ),
    *(
        Case("bootstrap_mean", f"40 prompts x 4 seeds, {kind}", _bootstrap_mean(40, 4, kind))
        for kind in ("normal", "exponential")
    ),
    Case("paired_difference", "40 prompts", _paired(40, 1)),
    Case("paired_difference", "40 prompts x 4 seeds", _paired(40, 4)),
    Case("sign_flip_p", "false positives, 8 pairs (exact)", _rejects(8), 0.05, 0.04, 0.06),
    Case("sign_flip_p", "false positives, 40 pairs", _rejects(40), 0.05, 0.04, 0.06),
    *(
        Case("quantile_interval", f"p{p} of {n} calls", _quantile(n, p), limit=DISCRETE_RANKS, **AT_LEAST)
        for p, n in ((50, 20), (50, 100), (90, 60))
    ),
    *(
        Case(
            "clustered_quantile_interval",
            f"p50, {name}, rounds vary {between:.0%}, calls {within:.0%}",
            _clustered_quantile(calls, between, within),
            limit=ROUNDS,
            **AT_LEAST,
        )
        for name, calls, between, within in (
            ("3 rounds of 30 calls", [30] * 3, 0.0, 0.05),
            ("3 rounds of 30 calls", [30] * 3, 0.02, 0.05),
            ("3 rounds of 30 calls", [30] * 3, 0.1, 0.01),
            ("4 rounds of 10, 20, 50, 100 calls", [10, 20, 50, 100], 0.05, 0.05),
            ("8 rounds of 20 calls", [20] * 8, 0.0, 0.05),
            ("8 rounds of 20 calls", [20] * 8, 0.05, 0.05),
        )
    ),
    Case(
        "clustered_quantile_interval",
        "p90, 8 rounds of 20 calls, rounds vary 2%, calls 5%",
        _clustered_quantile([20] * 8, 0.02, 0.05, 90),
    ),
    *(
        Case(
            "clustered_quantile_interval",
            f"p90, {rounds} rounds of 20 calls, rounds vary 5%, calls 5%",
            _clustered_quantile([20] * rounds, 0.05, 0.05, 90),
            low=low,
            high=high,
            limit=FEW_ROUNDS,
        )
        for rounds, low, high in ((8, 0.83, 0.92), (20, 0.91, 0.96))
    ),
    *(Case("geometric_mean_ratio", f"{rounds} rounds", _geometric_mean(rounds)) for rounds in (3, 4, 8)),
    Case("hierarchical_ratio_interval", "20 rounds of 20 calls, both vary 5%", _hierarchical(20, 20, 0.05, 0.05)),
    Case(
        "hierarchical_ratio_interval",
        "20 rounds of 20 calls, rounds vary 1%, calls 10%",
        _hierarchical(20, 20, 0.01, 0.1),
    ),
    *(
        Case("mean_with_error", f"{n} steps, correlation {correlation} a step", _autoregressive(n, correlation))
        for n, correlation in ((1000, 0.0), (1000, 0.5), (2000, 0.9))
    ),
)
