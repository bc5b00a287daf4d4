"""What certificates are worth: on simulated pools, on settings held out of FlashEval's scores, and with more settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench_flasheval.embedded import POOLS, embedded_scores
from bench_flasheval.simulated import coverage_table
from effbench.section import replace_section
from effbench.subset.certificate import FEW, certify, folds_of, search_all
from effbench.subset.judgement import Fold
from effbench.subset.learning import Outlook, outlook, points_of
from effbench.subset.left_out import Pairs, share_interval
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selector
from effbench.subset.soft import SoftTau

SIZE, EMBEDDED_SIZE = 50, 20
"""Prompts of the subsets of the curves: the 50 of FlashEval's claim, and fewer for the small pools that ship."""
SEARCHES, LARGE_SEARCHES = 100, 30
"""Of a certificate, and of the curve through all of FlashEval's settings, where a search takes a second."""
SIMULATED = 120
"""Pools per row."""
SPLITS = 4
"""Halvings of FlashEval's settings: the published one and random ones."""


def write_certified(page: Path) -> None:
    """Fill the sections that need no data: coverage on simulated pools, curves of the embedded matrices."""
    for pool in POOLS:
        found = [curve_of(SoftTau(), matrix, EMBEDDED_SIZE, SEARCHES) for matrix in embedded_scores(pool)]
        replace_section(page, f"{pool}-curve", curve_table(found))
    replace_section(page, "coverage", coverage_table(SIMULATED, SEARCHES))


def write_certified_published(page: Path, matrices: Sequence[ScoreMatrix], split: Fold) -> None:
    """Fill the sections on FlashEval's scores: the curve, and certificates beside settings that they never saw."""
    found = [curve_of(SoftTau(), matrix, SIZE, LARGE_SEARCHES) for matrix in matrices]
    replace_section(page, "published-curve", curve_table(found))
    replace_section(page, "certified", held_out_table(matrices, split))


def curve_of(selector: Selector, matrix: ScoreMatrix, size: int, searches: int) -> Outlook:
    """Return held-out tau against the number of searched settings."""
    few = folds_of(matrix, searches)[FEW]
    points = [*points_of(few, searches), few]
    return outlook(matrix, [(folds, search_all(selector, [matrix], size, folds, 0)) for folds in points])


def curve_table(found: Sequence[Outlook]) -> str:
    """Return a row per number of searched settings, a column per metric."""
    lines = [f"| searched | {' | '.join(each.metric for each in found)} |", f"|--:|{'---|' * len(found)}"]
    for points in zip(*(each.points for each in found), strict=True):
        cells = [f"{point.tau:.3f} [{point.interval.low:.3f}, {point.interval.high:.3f}]" for point in points]
        lines.append(f"| {points[0].methods} | {' | '.join(cells)} |")
    cells = [
        "cannot tell"
        if each.gain is None or each.interval is None
        else f"+{each.gain:.3f} [{each.interval.low:.3f}, {each.interval.high:.3f}]"
        for each in found
    ]
    return "\n".join([*lines, f"| {found[0].methods} would add | {' | '.join(cells)} |"])


def halvings(split: Fold, methods: int) -> list[Fold]:
    """Return the published split and random ones."""
    folds = [split]
    for seed in range(1, SPLITS):
        order = np.random.default_rng(seed).permutation(methods)
        folds.append(Fold(np.sort(order[: methods // 2]), np.sort(order[methods // 2 :]), f"random {seed}"))
    return folds


def held_out_table(matrices: Sequence[ScoreMatrix], split: Fold) -> str:
    """Return certificates made inside one half of the settings beside what the subset chosen there does on the other half.

    The other half is few settings, too: its tau has an interval of its own, and the two agree where the difference is
    within both.
    """
    lines = [
        "| split | metric | certified inside | on the other half | difference | interval holds it |",
        "|---|---|---|---|--:|---|",
    ]
    differences, held, agree = [], [], []
    for fold in halvings(split, len(matrices[0].methods)):
        for matrix in matrices:
            inside, selector = matrix.of_methods(fold.search), SoftTau()
            folds = folds_of(inside, SEARCHES)[FEW]
            found = certify(inside, FEW, folds, search_all(selector, [inside], SIZE, folds, 0))
            outside = Pairs.of(matrix, [fold], [selector.select([inside], SIZE, 0)])
            tau = outside.tau()
            interval = share_interval(tau, outside.variance(), len(fold.held_out))
            differences.append(found.tau - tau)
            held.append(found.interval.low <= tau <= found.interval.high)
            reach = np.hypot(found.tau - found.interval.low, interval.high - tau)
            if tau > found.tau:
                reach = np.hypot(found.interval.high - found.tau, tau - interval.low)
            agree.append(abs(found.tau - tau) <= reach)
            lines.append(
                f"| {fold.name} | {matrix.metric} | {found.tau:.3f} [{found.interval.low:.3f}, {found.interval.high:.3f}] "
                f"| {tau:.3f} [{interval.low:.3f}, {interval.high:.3f}] | {found.tau - tau:+.3f} "
                f"| {'yes' if held[-1] else 'no'} |"
            )
    cases, mean = len(differences), float(np.mean(differences))
    error = float(np.std(np.reshape(differences, (SPLITS, -1)).mean(1), ddof=1) / np.sqrt(SPLITS))
    return "\n".join(
        [
            *lines,
            "",
            f"Certified minus held-out tau: {mean:+.3f} on average (standard error over the splits {error:.3f}). The "
            f"certificate's interval holds the held-out figure in {sum(held)} of {cases} cases; with that figure's own "
            f"error beside it the two agree in {sum(agree)} of {cases}.",
        ]
    )
