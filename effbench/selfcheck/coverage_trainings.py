"""Coverage where two sources of error cross: trainings x groups of samples, rounds x items.

A setting names what each source contributes to the variance of the mean, in hundredths: ``40/50/10`` is trainings, groups and
the rest. Which sources there are, and how much of each, nobody knows in advance, so the cases span from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from effbench.arrays import Array
from effbench.selfcheck.case import LEVEL, Case, share_holding
from effbench.stats.bootstrap import bootstrap_mean
from effbench.stats.items import item_ratio
from effbench.stats.paired import paired_difference
from effbench.stats.resampled import resample, resampled_interval
from effbench.stats.shares import share_interval

RESAMPLES, SET_RESAMPLES = 300, 200
"""Fewer than a suite draws, for speed; a set metric takes three and more evaluations for each."""

Share = Callable[[np.random.Generator, int], float]
Mix = tuple[int, int, int]


def _table(generator: np.random.Generator, shape: tuple[int, int, int], mix: Mix, kind: str = "normal") -> Array:
    """Return values [simulations, trainings, groups] of mean 0, whose mean has variance 1 / groups, shared as in ``mix``."""
    simulations, m, n = shape
    is_skewed = kind == "skewed"
    groups = (
        generator.exponential(1, (simulations, 1, n)) - 1 if is_skewed else generator.normal(0, 1, (simulations, 1, n))
    )
    training, rest = generator.normal(0, 1, (simulations, m, 1)), generator.normal(0, 1, shape)
    first, second, third = np.sqrt(np.array(mix) / 100)
    return np.asarray(first * training * np.sqrt(m / n) + second * groups + third * rest * np.sqrt(m))


def _names(m: int, n: int) -> tuple[list[str], list[int]]:
    """Return the group and the training of each row of a table [trainings, groups] that is read row by row."""
    return [f"{j:04d}" for _ in range(m) for j in range(n)], [i for i in range(m) for _ in range(n)]


def _mean(m: int, n: int, mix: Mix, kind: str) -> Share:
    def run(generator: np.random.Generator, simulations: int) -> float:
        clusters, trainings = _names(m, n)
        data = _table(generator, (simulations, m, n), mix, kind).reshape(simulations, -1)
        found = (
            bootstrap_mean(row, clusters=clusters, trainings=trainings, level=LEVEL, resamples=RESAMPLES, seed=i)
            for i, row in enumerate(data)
        )
        return share_holding(found, 0.0)

    return run


def _rejects(m: int, n: int, mix: Mix) -> Share:
    """The share of paired tests at 1 - level that reject although the two methods do not differ."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        clusters, trainings = _names(m, n)
        data = _table(generator, (simulations, m, n), mix).reshape(simulations, -1)
        p = [
            paired_difference(
                row, np.zeros(m * n), clusters=clusters, trainings=trainings, level=LEVEL, resamples=RESAMPLES, seed=i
            ).p
            for i, row in enumerate(data)
        ]
        return float(np.mean([value is not None and value <= 1 - LEVEL for value in p]))

    return run


def frechet(data: Array, weights: Array) -> Array:
    """Return the squared Frechet distance to a standard normal of each row of data [simulations, n] under weights [n]."""
    share = weights / weights.sum()
    mean = data @ share
    return np.asarray(mean**2 + (np.sqrt(np.maximum((data**2) @ share - mean**2, 0)) - 1) ** 2)


def _frechet(m: int, n: int, mix: Mix) -> Share:
    """Every simulation is one name of the same call; the truth is what sets of that size give on average."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        clusters, trainings = _names(m, n)
        data = 0.5 + _table(generator, (simulations, m, n), mix).reshape(simulations, -1)
        names = list(map(str, range(simulations)))
        found = resample(
            lambda weights: dict(zip(names, frechet(data, weights).tolist())),
            clusters,
            SET_RESAMPLES,
            trainings=trainings,
            seed=int(generator.integers(1 << 31)),
        )
        truth = float(np.mean([one.value for one in found.values()]))
        ends = (resampled_interval(one, LEVEL, clusters=n, is_set=True, bounds=(0.0, np.inf)) for one in found.values())
        return share_holding(ends, truth)

    return run


def _share(m: int, n: int, share: float, mix: Mix) -> Share:
    """Answers are yes where a normal score of training, group and rest lies below the share's quantile."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        from scipy.stats import norm

        clusters, trainings = _names(m, n)
        scores = _table(generator, (simulations, m, n), mix)
        spread = np.sqrt((mix[0] * m / n + mix[1] + mix[2] * m) / 100)
        data = (scores <= norm.ppf(share) * spread).astype(np.float64).reshape(simulations, -1)
        found = (share_interval(row, LEVEL, clusters=clusters, trainings=trainings) for row in data)
        return share_holding(found, share)

    return run


def _items(rounds: int, items: int, mix: Mix) -> Share:
    """``mix`` is rounds, items and the rest."""

    def run(generator: np.random.Generator, simulations: int) -> float:
        data = _table(generator, (simulations, rounds, items), mix) * 0.05
        return share_holding((item_ratio(np.log(1.5) + row, LEVEL).interval for row in data), 1.5)

    return run


def _crossed(m: int, n: int, mix: Mix, more: str = "") -> str:
    return f"{m} trainings x {n} groups, {'/'.join(map(str, mix))}{more}"


def _timed(rounds: int, items: int, mix: Mix) -> str:
    return f"{rounds} rounds x {items} item{'s' if items > 1 else ''}, {'/'.join(map(str, mix))}"


FEW_TRAININGS = (
    "`40/50/10`: hundredths of the variance that trainings, groups and the rest contribute (for times: rounds, items, the "
    "rest). Which source matters has to be told from the data; where few trainings or rounds can be all of it or nothing, "
    "intervals cover from 93 to 98 %."
)
CURVED = (
    "A distance near 0 bends under what trainings add: its average over trainings lies above that of the middle one, "
    "on which the interval is centred. No number of groups helps; trainings do."
)
FEW_ANSWERS = (
    "Shares are discrete, and near 1 few answers differ: the interval is never narrower than that of independent answers, so "
    "it covers more where the rest is most of the variance, and less where trainings are nearly all of it."
)
FEW_ITEMS = (
    "Two items that differ far more than rounds do can look alike by luck, and then nothing tells them from items that are "
    "alike, for which the interval over rounds is right. What is right in the one case is wrong in the other; more items "
    "end it."
)

CROSSED_CASES = (
    *(
        Case(
            "bootstrap_mean",
            _crossed(m, n, mix, more),
            _mean(m, n, mix, more.strip(", ")),
            low=0.93,
            high=0.97,
            limit=FEW_TRAININGS,
        )
        for m, n, mix, more in (
            (3, 40, (0, 50, 50), ""),
            (3, 40, (10, 80, 10), ""),
            (3, 40, (40, 50, 10), ""),
            (3, 40, (40, 50, 10), ", skewed"),
            (3, 200, (80, 10, 10), ""),
            (5, 20, (30, 30, 40), ""),
            (5, 40, (40, 50, 10), ""),
        )
    ),
    *(Case("bootstrap_mean", _crossed(10, 40, mix), _mean(10, 40, mix, "")) for mix in ((40, 50, 10), (90, 10, 0))),
    *(
        Case(
            "paired_difference",
            f"false positives, {_crossed(m, 40, mix)}",
            _rejects(m, 40, mix),
            0.05,
            0.03,
            0.07,
            limit,
        )
        for m, mix, limit in ((3, (40, 50, 10), FEW_TRAININGS), (5, (0, 50, 50), FEW_TRAININGS))
    ),
    *(
        Case(
            "resampled_interval",
            f"Frechet, {_crossed(m, 40, mix)}",
            _frechet(m, 40, mix),
            low=low,
            high=0.97,
            limit=CURVED,
        )
        for m, mix, low in ((3, (10, 80, 10), 0.93), (3, (80, 10, 10), 0.9), (5, (30, 30, 40), 0.93))
    ),
    *(
        Case(
            "share_interval",
            f"{q:.0%}, {_crossed(m, 40, mix)}",
            _share(m, 40, q, mix),
            low=low,
            high=0.99,
            limit=FEW_ANSWERS,
        )
        for m, q, mix, low in (
            (3, 0.5, (40, 50, 10), 0.94),
            (3, 0.9, (10, 80, 10), 0.93),
            (5, 0.97, (0, 50, 50), 0.94),
            (10, 0.9, (90, 10, 0), 0.86),
        )
    ),
    *(
        Case("item_ratio", _timed(r, i, mix), _items(r, i, mix), low=low, high=high, limit=limit)
        for r, i, mix, low, high, limit in (
            (3, 1, (100, 0, 0), 0.94, 0.96, ""),
            (5, 2, (50, 0, 50), 0.93, 0.97, FEW_TRAININGS),
            (5, 2, (10, 80, 10), 0.89, 0.97, FEW_ITEMS),
            (10, 2, (2, 96, 2), 0.86, 0.97, FEW_ITEMS),
            (3, 4, (50, 50, 0), 0.94, 0.985, FEW_TRAININGS),
            (5, 4, (10, 80, 10), 0.93, 0.98, FEW_TRAININGS),
            (10, 8, (30, 30, 40), 0.93, 0.97, FEW_TRAININGS),
        )
    ),
)
