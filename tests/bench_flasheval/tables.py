"""The study as Markdown: a row per selector and size, a column per metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from effbench.subset.judgement import Judgement
from effbench.subset.random_curve import RandomCurve

RANDOM_SIZES = (10, 20, 50, 100, 500)
"""Rows of random subsets: the selectors' own sizes, and the 500 that FlashEval says 50 chosen prompts are worth."""


def table_of(found: Mapping[tuple[str, int], Sequence[Judgement]], random: Mapping[str, RandomCurve]) -> str:
    """Return the table; ``random`` adds the rows of random subsets, by metric."""
    metrics = [judgement.metric for judgement in next(iter(found.values()))]
    lines = [f"| selector | n | {' | '.join(metrics)} |", f"|---|--:|{'---|' * len(metrics)}"]
    if random:
        lines += [
            f"| random | {size} | {' | '.join(f'{random[metric].tau_at(size):.3f}' for metric in metrics)} |"
            for size in RANDOM_SIZES
            if size < min(curve.sizes[-1] for curve in random.values())
        ]
    for (name, size), judged in found.items():
        lines.append(f"| {name} | {size} | {' | '.join(map(_cell, judged))} |")
    return "\n".join(lines)


def _cell(judgement: Judgement) -> str:
    interval, worth = judgement.interval, judgement.random_size
    low_high = f"[{interval.low:.3f}, {interval.high:.3f}]"
    return (
        f"{judgement.tau:.3f} {low_high} ({'all' if worth is None else f'{worth:.0f}'}; {judgement.searched_tau:.3f})"
    )
