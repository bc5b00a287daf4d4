"""``make flasheval DATA=<folder>``: selectors x metrics x sizes on FlashEval's scores, into ``docs/flasheval.md``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from effbench.errors import BadInput
from effbench.section import replace_section
from effbench.subset.certificate import Fold, Judgement, families_left_out, judge
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.random_curve import RandomCurve
from effbench.subset.selectors import SELECTORS
from effbench.subset.study.picture import write_picture
from effbench.subset.study.scores import published_split, read_scores
from effbench.subset.study.speed import speed_of
from effbench.subset.study.tables import table_of

STUDIED = ("soft", "frequency", "greedy", "stratified", "k-medoids")
SIZES = (10, 50)
SEEDS = 5
"""Of the search on the published split, 0 to 4, fixed before looking."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables and the picture; say so and write nothing where there are no scores."""
    parser = argparse.ArgumentParser(prog="make flasheval", description=main.__doc__)
    parser.add_argument("--data", type=Path, default=None, help="folder with diffusiondb_scores.npz")
    parser.add_argument("--page", type=Path, default=Path("docs/flasheval.md"))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    args = parser.parse_args(arguments)
    if args.data is None:
        print(
            "no DATA=<folder with FlashEval's scores>: docs/flasheval.md keeps the tables that it has", file=sys.stderr
        )
        return 0
    try:
        matrices, split = read_scores(args.data)
        published = published_split(split)
        write(args.page, matrices, published, args.sizes)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def write(page: Path, matrices: Sequence[ScoreMatrix], published: Fold, sizes: Sequence[int]) -> None:
    """Fill the page's sections ``published``, ``families`` and ``speed``, and draw the picture beside it."""
    curves = {matrix.metric: RandomCurve.of(matrix.of_methods(published.held_out)) for matrix in matrices}
    found = study(matrices, sizes, "published", {m.metric: [published] * SEEDS for m in matrices})
    replace_section(page, "published", table_of(found, curves))
    left_out = {matrix.metric: families_left_out(matrix) for matrix in matrices}
    replace_section(page, "families", table_of(study(matrices, sizes, "family", left_out), {}))
    replace_section(page, "speed", speed_of(matrices[0].of_methods(published.search), 50))
    write_picture(page.parent / "img" / "flasheval-tau.svg", found, curves)


def study(
    matrices: Sequence[ScoreMatrix], sizes: Sequence[int], split: str, folds: dict[str, list[Fold]]
) -> dict[tuple[str, int], list[Judgement]]:
    """Return (selector, size) -> its judgement per metric, every metric searched for itself."""
    found = {}
    for name in STUDIED:
        for size in sizes:
            started = time.perf_counter()
            found[name, size] = [judge(SELECTORS[name], [m], size, folds[m.metric], split)[0] for m in matrices]
            print(f"{split} {name} {size}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
