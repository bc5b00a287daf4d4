"""What was asked for beside what was reached: how many times its own size a subset is worth in random samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench_flasheval.judging import Found
from effbench.subset.judgement import Judgement


@dataclass(frozen=True)
class Target:
    """Subsets of ``size`` should rank held-out settings as well as random ones of ``times`` that size."""

    split: str
    found: Found
    size: int
    times: float


def verdict_of(targets: Sequence[Target], chosen: Mapping[int, str]) -> str:
    """Return a row per target: the selector that cross-validation chose for the size, and its worth on every metric."""
    metrics = [judgement.metric for judgement in next(iter(targets[0].found.values()))]
    lines = [
        f"| judged on | n | chosen | asked | {' | '.join(metrics)} |",
        f"|---|--:|---|--:|{'---|' * len(metrics)}",
    ]
    for target in targets:
        name = chosen[target.size]
        cells = [_cell(judgement, target) for judgement in target.found[name, target.size]]
        lines.append(f"| {target.split} | {target.size} | {name} | {target.times:g}x | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(judgement: Judgement, target: Target) -> str:
    if judgement.random_size is None:
        return "all: reached"
    times = judgement.random_size / target.size
    return f"{times:.1f}x: {'reached' if times >= target.times else 'missed'}"
