"""``make flasheval [DATA=<folder>]``: selectors x metrics x sizes, into ``docs/flasheval.md`` and the baseline's README."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench_flasheval.certified import write_certified, write_certified_published
from bench_flasheval.embedded import write_embedded
from bench_flasheval.published import write_published
from bench_flasheval.scores import published_split, read_scores
from effbench.errors import BadInput

SIZES = (10, 20, 50, 100)
"""Prompts of a subset on FlashEval's scores: the sizes between which docs/flasheval.md compares."""
PARTS = ("embedded", "certificates", "selectors")
"""Of the page: selectors on the embedded matrices, what certificates are worth, selectors on FlashEval's scores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables of the embedded matrices and, where FlashEval's scores are given, those of them and the picture."""
    parser = argparse.ArgumentParser(prog="make flasheval", description=main.__doc__)
    parser.add_argument("--data", type=Path, default=None, help="folder with diffusiondb_scores.npz")
    parser.add_argument("--page", type=Path, default=Path("docs/flasheval.md"))
    parser.add_argument("--readme", type=Path, default=Path("baselines/flasheval/README.md"))
    parser.add_argument("--searches", type=Path, default=Path("results/flasheval"), help="where long searches are kept")
    parser.add_argument(
        "--only", choices=PARTS, nargs="+", default=PARTS, help="parts to make anew (all take half an hour)"
    )
    args = parser.parse_args(arguments)
    try:
        if "embedded" in args.only:
            write_embedded(args.page)
        if "certificates" in args.only:
            write_certified(args.page)
        if args.data is None:
            print(
                "no DATA=<folder with FlashEval's scores>: only the embedded tables were made anew; the tables on those "
                f"scores in {args.page} stay as they are",
                file=sys.stderr,
            )
            return 0
        matrices, split = read_scores(args.data)
        if "certificates" in args.only:
            write_certified_published(args.page, matrices, published_split(split))
        if "selectors" in args.only:
            write_published(args.page, args.readme, matrices, published_split(split), SIZES, args.searches)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
