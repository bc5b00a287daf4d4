"""FlashEval's released scores: selectors x metrics x sizes on the published split and with every model left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench_flasheval.claims import claims_table, reproduction_table
from bench_flasheval.judging import STUDIED, judge_all
from bench_flasheval.picture import write_picture
from bench_flasheval.speed import PUBLISHED, speed_of
from bench_flasheval.tables import table_of
from bench_flasheval.tuning import chosen_by_size, tune, tuning_table
from bench_flasheval.verdict import Target, verdict_of
from effbench.section import replace_section
from effbench.subset.frequency import FrequencySearch
from effbench.subset.judgement import Fold, families_left_out
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.random_curve import RandomCurve
from effbench.subset.selectors import SELECTORS

SEEDS = 5
"""Of the search on the published split, 0 to 4, fixed before looking."""
BUDGET = "frequency, published budget"
BUDGET_SIZES = (10, 50)
"""Those of ``TARGETS`` alone: a search at the published budget takes 26 s (docs/flasheval.md) per size, metric and seed."""
TARGETS = ((10, 10.0), (50, 10.0))
"""Sizes that should rank held-out settings as well as that many times as many random prompts."""
FAMILY_TIMES = 5.0
"""As ``TARGETS`` for a model that was left out whole, at every size: a choice, half, since nothing like it was searched."""


def write_published(
    page: Path, readme: Path, matrices: Sequence[ScoreMatrix], split: Fold, sizes: Sequence[int], searches: Path
) -> None:
    """Fill the sections about FlashEval's scores, each as soon as it is known, and draw the picture.

    ``searches`` is the folder where the searches at the published budget are kept: an interrupted study goes on from there.
    """
    figures = tune(matrices, split, sizes)
    chosen = chosen_by_size(figures)
    replace_section(page, "tuning", tuning_table(figures))

    curves = {matrix.metric: RandomCurve.of(matrix.of_methods(split.held_out)) for matrix in matrices}
    folds = _by_metric(matrices, lambda matrix: [split] * SEEDS)
    selectors = [SELECTORS[name] for name in STUDIED]
    found = judge_all(selectors, matrices, sizes, "published", folds)
    budget = replace(PUBLISHED, checkpoint=searches, name=BUDGET)
    found |= judge_all([budget], matrices, [size for size in BUDGET_SIZES if size in sizes], "published", folds)
    replace_section(page, "published", table_of(found, curves))
    write_picture(page.parent / "img" / "flasheval-tau.svg", found, curves)
    plain = [FrequencySearch(), budget]
    replace_section(page, "reproduction", reproduction_table(plain, matrices, split, SEEDS))
    replace_section(readme, "claims", claims_table(found[BUDGET, 50]))
    replace_section(readme, "reproduction", reproduction_table(plain, matrices, split, SEEDS))

    left_out = judge_all(selectors, matrices, sizes, "family", _by_metric(matrices, families_left_out))
    replace_section(page, "families", table_of(left_out, {}))
    asked = [Target("published split", found, size, times) for size, times in TARGETS if size in sizes]
    asked += [Target("a model left out", left_out, size, FAMILY_TIMES) for size in sizes]
    replace_section(page, "verdict", verdict_of(asked, chosen))
    replace_section(page, "speed", speed_of(matrices[0].of_methods(split.search), 50))


def _by_metric(matrices: Sequence[ScoreMatrix], folds: Callable[[ScoreMatrix], list[Fold]]) -> dict[str, list[Fold]]:
    return {matrix.metric: folds(matrix) for matrix in matrices}
