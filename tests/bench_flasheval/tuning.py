"""What was chosen by cross-validation: soft tau's sharpness, and the selector for every size. The held-out half is not read.

The settings that search are split into five parts, eight times over; each part in turn is left out, the subset is chosen
on the others and ranks the part. The figure is the mean of those taus over parts and metrics: it serves to choose, not to
report, since a part holds eight settings only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from effbench.subset.judgement import Fold
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selector
from effbench.subset.selectors import SELECTORS
from effbench.subset.soft import SoftTau
from effbench.subset.tau import tau_b

SHARPNESS = (0.05, 0.1, 0.2, 0.3, 0.6, 1.0, 1.5)
"""Candidates: SoftTau's default and what lies to both sides of it, each 1.5 to 2 times the one before."""
CANDIDATES = ("soft", "frequency", "greedy", "weighted", "irt", "stratified")
PARTS, REPEATS = 5, 8
"""Of the cross-validation: a choice, four fifths of the methods search each time, and each is left out eight times."""

Figures = dict[tuple[str, int], float]
"""(candidate, size) -> mean tau on the settings left out."""


def crossed(methods: int) -> Iterator[Fold]:
    """Yield the folds: every part of the methods left out once in each repeat."""
    for repeat in range(REPEATS):
        for part in np.array_split(np.random.default_rng(repeat).permutation(methods), PARTS):
            yield Fold(np.setdiff1d(np.arange(methods), part), np.sort(part), f"repeat {repeat}")


def crossed_tau(selector: Selector, matrix: ScoreMatrix, size: int) -> float:
    """Return the mean tau on the methods left out."""
    taus = []
    for place, fold in enumerate(crossed(len(matrix.methods))):
        chosen = selector.select([matrix.of_methods(fold.search)], size, place)
        held = matrix.of_methods(fold.held_out)
        taus.append(np.nan_to_num(tau_b(chosen.estimate(held), held.truth, held.margin), nan=0.0))
    return float(np.mean(taus))


def tune(matrices: Sequence[ScoreMatrix], split: Fold, sizes: Sequence[int]) -> Figures:
    """Return the figures of all candidates on the methods that search; nothing else of the matrices is looked at."""
    searching = [matrix.of_methods(split.search) for matrix in matrices]
    candidates: dict[str, Selector] = {f"soft {value:g}": SoftTau(value) for value in SHARPNESS}
    candidates |= {name: SELECTORS[name] for name in CANDIDATES if name != "soft"}
    found: Figures = {}
    for name, selector in candidates.items():
        started = time.perf_counter()
        for size in sizes:
            found[name, size] = float(np.mean([crossed_tau(selector, matrix, size) for matrix in searching]))
        print(f"cross-validation {name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    default = f"soft {SoftTau().sharpness:g}"
    return found | {("soft", size): found[default, size] for size in sizes}


def best_sharpness(found: Figures) -> float:
    """Return the sharpness of the best mean over the sizes."""
    sizes = {size for _, size in found}
    return max(SHARPNESS, key=lambda value: sum(found[f"soft {value:g}", size] for size in sizes))


def chosen_by_size(found: Figures) -> Mapping[int, str]:
    """Return size -> the candidate of the best figure, soft tau with its default sharpness."""
    return {size: max(CANDIDATES, key=lambda name: found[name, size]) for size in sorted({size for _, size in found})}


def tuning_table(found: Figures) -> str:
    """Return the figures as Markdown, the chosen candidate of every size in bold, and what became of the sharpness."""
    chosen, default = chosen_by_size(found), SoftTau().sharpness
    lines = [f"| candidate | {' | '.join(f'n = {size}' for size in chosen)} |", f"|---|{'--:|' * len(chosen)}"]
    for name in dict.fromkeys(name for name, _ in found if name != "soft"):
        is_default = name == f"soft {default:g}"
        cells = [
            f"**{found[name, size]:.3f}**"
            if chosen[size] == name or (is_default and chosen[size] == "soft")
            else f"{found[name, size]:.3f}"
            for size in chosen
        ]
        lines.append(f"| {name}{' (default)' if is_default else ''} | {' | '.join(cells)} |")
    means = {
        value: np.mean([found[f"soft {value:g}", size] for size in chosen])
        for value in (best_sharpness(found), default)
    }
    best = best_sharpness(found)
    lines += [
        "",
        f"Best sharpness over the sizes: {best:g} (mean {means[best]:.3f}); default {default:g} ({means[default]:.3f}).",
    ]
    return "\n".join(lines)
