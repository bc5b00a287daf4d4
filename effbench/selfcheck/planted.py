"""What repeated runs of ``suites/self.yaml`` say of EffBench: null differences, planted differences, memory, overhead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from effbench.record import CellRecord, Number
from effbench.report.caption import machine_text
from effbench.store import CellFolder, read_store

TWIN, HOLDER = "planted-twin", "planted-memory"
LEVEL = 0.95
"""Of the planted suites' intervals: a suite's default, which the bounds on misses are made for."""


class Recovery(NamedTuple):
    """One run's answer to one planted ratio: the truth (reference / method), what was measured, and its interval."""

    truth: float
    value: float
    low: float
    high: float

    @property
    def covers(self) -> bool:
        """Return whether the interval holds the truth."""
        return self.low <= self.truth <= self.high

    @property
    def sees_difference(self) -> bool:
        """Return whether the interval excludes a ratio of 1."""
        return not self.low <= 1 <= self.high


@dataclass(frozen=True)
class PlantedRow:
    """All runs' answers to one planted difference of one task."""

    task: str
    method: str
    is_null: bool
    answers: tuple[Recovery, ...]

    @property
    def misses(self) -> int:
        """Return how many intervals do not hold the truth; for the twin that is a false difference."""
        return sum(not answer.covers for answer in self.answers)

    @property
    def allowed(self) -> int:
        """Return how many misses a true 95 % interval exceeds in fewer than one of twenty such series."""
        return binomial_bound(len(self.answers), 1 - LEVEL)


@dataclass(frozen=True)
class MemoryRow:
    """Megabytes that the holder's process grew beyond the reference's, run by run, beside what it was given to hold."""

    planted_mb: float
    measured_mb: tuple[float, ...]


@dataclass(frozen=True)
class PlantedFindings:
    """Everything that the runs say, with the machines, their noise grades and the harness's milliseconds per sample."""

    rows: tuple[PlantedRow, ...]
    memory: tuple[MemoryRow, ...]
    overhead_ms: tuple[float, ...]
    grades: tuple[str, ...]
    machines: tuple[str, ...] = ()

    @property
    def broken(self) -> list[str]:
        """Return one sentence for every bound that does not hold."""
        rows = [
            f"{row.task}/{row.method}: {row.misses} of {len(row.answers)} intervals miss the truth, "
            f"at most {row.allowed} may"
            for row in self.rows
            if row.misses > row.allowed
        ]
        n, misses = self.twins
        bound = binomial_bound(n, 1 - LEVEL) if n else 0
        return rows + ([f"twins: {misses} of {n} differ, at most {bound} may"] if misses > bound else [])

    @property
    def twins(self) -> tuple[int, int]:
        """Return (comparisons of the twins with the reference over all tasks, how many of them found a difference)."""
        twins = [row for row in self.rows if row.is_null and row.method == "twin"]
        return sum(len(row.answers) for row in twins), sum(row.misses for row in twins)


def binomial_bound(n: int, p: float, level: float = LEVEL) -> int:
    """Return the smallest k with P(X <= k) >= level for X binomial (n, p): 4 for 40 runs at 5 %."""
    from scipy.stats import binom

    return int(binom.ppf(level, n, p))


def findings_of(stores: Sequence[Path]) -> PlantedFindings:
    """Return what finished stores of the self suite say; cells that failed are left to the run to report."""
    answers: dict[tuple[str, str, bool], list[Recovery]] = {}
    memory: dict[float, list[float]] = {}
    overhead, grades = [], []
    machines: dict[str, None] = {}
    for path in stores:
        view = read_store(path)
        machines |= dict.fromkeys(machine_text(name, facts) for name, facts in view.machines.items())
        references = {cell.task_id: cell for cell in view.cells if cell.role == "reference"}
        for cell in view.cells:
            if cell.status != "complete":
                continue
            grades += [cell.noise.grade] if cell.noise else []
            overhead += _overhead_ms(CellFolder(path / "cells" / cell.id), cell)
            if cell.role == "reference":
                continue
            reference, link = references[cell.task_id], cell.identity.chain[0]
            if link.use == HOLDER:
                grown = _value(cell, "peak_rss_growth_mb") - _value(reference, "peak_rss_growth_mb")
                memory.setdefault(float({**link.defaulted, **link.passed}["mb"]), []).append(grown)
            speedup = _number(cell, "speedup")
            if speedup.value is None or speedup.ci_low is None or speedup.ci_high is None:
                continue
            truth = _value(reference, "planted_cost") / _value(cell, "planted_cost")
            is_null = link.use in (TWIN, HOLDER)
            found = Recovery(truth, speedup.value, speedup.ci_low, speedup.ci_high)
            answers.setdefault((cell.task_id, cell.method_id, is_null), []).append(found)
    rows = tuple(PlantedRow(*key, tuple(found)) for key, found in answers.items())
    kept = tuple(MemoryRow(mb, tuple(found)) for mb, found in memory.items())
    return PlantedFindings(rows, kept, tuple(overhead), tuple(grades), tuple(machines))


def _number(cell: CellRecord, name: str) -> Number:
    return next(number for number in cell.numbers if number.name == name)


def _value(cell: CellRecord, name: str) -> float:
    value = _number(cell, name).value
    return float("nan") if value is None else value


def _overhead_ms(folder: CellFolder, cell: CellRecord) -> list[float]:
    """Return what the quality loop took per sample beyond the task's own run and score."""
    job = folder.job("quality")
    if job is None or job.data.loop_s is None:
        return []
    samples = cell.n_samples * len(cell.seeds)
    spent = (job.data.model_s or 0.0) + (job.data.score_s or 0.0)
    return [(job.data.loop_s - spent) / samples * 1e3]


def null_table(findings: PlantedFindings) -> str:
    """Return the null differences as Markdown: the same method under another name, which must tie."""
    lines = [
        "| task | method | runs | false differences | allowed | half-width of the interval, median |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in findings.rows:
        if row.is_null:
            lines.append(
                f"| {row.task} | {row.method} | {len(row.answers)} | {row.misses} | {row.allowed} | {_half_width(row)} |"
            )
    n, misses = findings.twins
    if n:
        lines.append(f"| both | twin | {n} | {misses} | {binomial_bound(n, 1 - LEVEL)} | |")
    return "\n".join(lines) + "\n"


def planted_table(findings: PlantedFindings) -> str:
    """Return the planted differences as Markdown."""
    lines = [
        "| task | planted | runs | measured, geometric mean | intervals that hold the truth | allowed misses "
        "| seen as a difference | half-width, median |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in findings.rows:
        if not row.is_null:
            n = len(row.answers)
            cost = 1 / row.answers[0].truth
            measured = float(np.exp(np.mean([-np.log(answer.value) for answer in row.answers])))
            seen = sum(answer.sees_difference for answer in row.answers)
            lines.append(
                f"| {row.task} | {_percent(cost - 1)} | {n} | {_percent(measured - 1)} | {n - row.misses} of {n} "
                f"| {row.allowed} | {seen} of {n} | {_half_width(row)} |"
            )
    return "\n".join(lines) + "\n"


def memory_table(findings: PlantedFindings) -> str:
    """Return the planted memory as Markdown."""
    lines = [
        "| planted (MB) | runs | measured, mean (MB) | standard deviation (MB) | worst error (MB) |",
        "|--:|--:|--:|--:|--:|",
    ]
    for row in findings.memory:
        grown = np.array(row.measured_mb)
        spread = f"{grown.std(ddof=1):.2f}" if len(grown) > 1 else "n/a"
        worst = np.abs(grown - row.planted_mb).max()
        lines.append(f"| {row.planted_mb:g} | {len(grown)} | {grown.mean():.2f} | {spread} | {worst:.2f} |")
    return "\n".join(lines) + "\n"


def _half_width(row: PlantedRow) -> str:
    return _percent(float(np.median([(answer.high - answer.low) / 2 / answer.value for answer in row.answers])))


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
