"""The embedded matrix: 46 settings of two small models on 300 emoji prompts, drawn by ``suites/subset-pool.yaml``."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from effbench.section import replace_section
from effbench.subset.building import FOLD_SEEDS
from effbench.subset.certificate import families_left_out, random_halves
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.random_curve import RandomCurve
from effbench.subset.scores_file import read_scores_file
from effbench.subset.selectors import SELECTORS
from effbench.subset.study.judging import STUDIED, judge_all
from effbench.subset.study.tables import table_of

SIZES = (10, 20, 50)


def embedded_scores() -> list[ScoreMatrix]:
    """Return the matrices that ship."""
    with as_file(files("effbench_data_manifests") / "scores" / "emoji-pool.npz") as path:
        return list(read_scores_file(path).matrices)


def write_embedded(page: Path) -> None:
    """Fill the sections ``embedded-halves`` and ``embedded-families``."""
    matrices = embedded_scores()
    selectors = [SELECTORS[name] for name in STUDIED]
    halves = random_halves(len(matrices[0].methods), FOLD_SEEDS)
    curves = {
        matrix.metric: RandomCurve.mean_of([RandomCurve.of(matrix.of_methods(fold.held_out)) for fold in halves])
        for matrix in matrices
    }
    folds = {matrix.metric: halves for matrix in matrices}
    replace_section(page, "embedded-halves", table_of(judge_all(selectors, matrices, SIZES, "halves", folds), curves))
    folds = {matrix.metric: families_left_out(matrix) for matrix in matrices}
    replace_section(page, "embedded-families", table_of(judge_all(selectors, matrices, SIZES, "family", folds), {}))
