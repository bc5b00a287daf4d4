"""Every selector on every metric and size: one judgement each, each metric searched for itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

from effbench.subset.judgement import Fold, Judgement, judge
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selector

STUDIED = ("soft", "frequency", "greedy", "weighted", "irt", "stratified", "k-medoids")

Found = dict[tuple[str, int], list[Judgement]]
"""(selector, size) -> its judgement per metric."""


def judge_all(
    selectors: Sequence[Selector],
    matrices: Sequence[ScoreMatrix],
    sizes: Sequence[int],
    split: str,
    folds: Mapping[str, Sequence[Fold]],
) -> Found:
    """Return the judgements, by the folds of each metric; says on stderr how long each row took."""
    found: Found = {}
    for selector in selectors:
        for size in sizes:
            started = time.perf_counter()
            found[selector.name, size] = [judge(selector, [m], size, folds[m.metric], split)[0] for m in matrices]
            print(f"{split} {selector.name} {size}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return found
