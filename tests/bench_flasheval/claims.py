"""What FlashEval claims beside what was measured here, and the re-implementation that ours must not fall below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from effbench.api import Claim
from effbench.subset.judgement import Fold, Judgement
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selector
from effbench.subset.tau import tau_b

CLAIMS = (
    Claim(
        metric="random prompts that 50 searched ones are worth",
        value=500,
        unit="prompts",
        setting="COCO captions, models that took no part in the search",
        source="arXiv 2403.16379, abstract",
        not_comparable="the scores on COCO are not among our data; ours are of the release's DiffusionDB prompts",
    ),
)

PLAIN_50: Mapping[str, float] = {"ImageReward": 0.873, "HPS": 0.773, "CLIP": 0.843, "Aesthetic": 0.830}
"""Held-out tau at n = 50 of a plain re-implementation, one seed, the same scores and split (measured by this project)."""


def claims_table(judged: Sequence[Judgement]) -> str:
    """Return a row per claim and metric: the claim, what the published search reached here, and why they differ."""
    lines = [
        "| claim | setting | source | claimed | measured here (DiffusionDB, n = 50, 5 seeds) | status |",
        "|---|---|---|--:|---|---|",
    ]
    for claim in CLAIMS:
        for judgement in judged:
            worth = "all" if judgement.random_size is None else f"{judgement.random_size:.0f}"
            low, high = judgement.interval
            measured = f"{judgement.metric}: {worth} {claim.unit} (tau {judgement.tau:.3f} [{low:.3f}, {high:.3f}])"
            lines.append(
                f"| {claim.metric} | {claim.setting} | {claim.source} | {claim.value:g} {claim.unit} | {measured} "
                f"| not comparable ({claim.not_comparable}) |"
            )
    return "\n".join(lines)


def reproduction_table(selectors: Sequence[Selector], matrices: Sequence[ScoreMatrix], split: Fold, seeds: int) -> str:
    """Return held-out tau at n = 50 beside the plain re-implementation, which it may miss by two standard errors."""
    lines = [
        f"| metric | re-implementation | {' | '.join(selector.name for selector in selectors)} |",
        f"|---|--:|{'---|' * len(selectors)}",
    ]
    for matrix in matrices:
        goal, cells = PLAIN_50[matrix.metric], []
        for selector in selectors:
            taus = held_out_taus(selector, matrix, split, 50, seeds)
            mean, error = float(np.mean(taus)), float(np.std(taus, ddof=1) / np.sqrt(seeds))
            cells.append(f"{mean:.3f} ± {error:.3f}: {'holds' if mean >= goal - 2 * error else 'missed'}")
        lines.append(f"| {matrix.metric} | {goal:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def held_out_taus(selector: Selector, matrix: ScoreMatrix, split: Fold, size: int, seeds: int) -> list[float]:
    """Return the held-out tau of every search seed, 0 up to ``seeds``."""
    search, held = matrix.of_methods(split.search), matrix.of_methods(split.held_out)
    chosen = [selector.select([search], size, seed) for seed in range(seeds)]
    return [float(tau_b(selection.estimate(held), held.truth, held.margin)) for selection in chosen]
