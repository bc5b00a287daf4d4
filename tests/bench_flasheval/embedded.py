"""The embedded matrices: settings of small models on 300 prompts each, drawn by ``suites/subset-pool*.yaml``."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from bench_flasheval.judging import STUDIED, judge_all
from bench_flasheval.tables import table_of
from effbench.section import replace_section
from effbench.subset.judgement import Fold, families_left_out, random_halves
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.random_curve import RandomCurve
from effbench.subset.scores_file import read_scores_file
from effbench.subset.selectors import SELECTORS

SIZES = (10, 20, 50)
"""Prompts of a subset: those of FlashEval's table that are far below the 300 of a pool."""
HALVES = (0, 1, 2, 3, 4)
"""Seeds of the random halves."""
POOLS = ("emoji-pool", "moving-emoji-pool")


def embedded_scores(pool: str = POOLS[0]) -> list[ScoreMatrix]:
    """Return the matrices of a pool that ships."""
    with as_file(files("effbench_data_manifests") / "scores" / f"{pool}.npz") as path:
        return list(read_scores_file(path).matrices)


def write_embedded(page: Path) -> None:
    """Fill the sections ``POOL-halves``, and ``POOL-families`` where a pool has more than one family of settings."""
    for pool in POOLS:
        matrices = embedded_scores(pool)
        halves = random_halves(len(matrices[0].methods), HALVES)
        curves = {
            matrix.metric: RandomCurve.mean_of([RandomCurve.of(matrix.of_methods(fold.held_out)) for fold in halves])
            for matrix in matrices
        }
        replace_section(page, f"{pool}-halves", _table(matrices, "halves", halves, curves))
        if left_out := families_left_out(matrices[0]):
            replace_section(page, f"{pool}-families", _table(matrices, "family", left_out, {}))


def _table(matrices: list[ScoreMatrix], split: str, folds: list[Fold], curves: dict[str, RandomCurve]) -> str:
    selectors = [SELECTORS[name] for name in STUDIED]
    by_metric = {matrix.metric: folds for matrix in matrices}
    return table_of(judge_all(selectors, matrices, SIZES, split, by_metric), curves)
