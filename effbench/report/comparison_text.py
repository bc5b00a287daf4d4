"""A comparison as a table for a terminal with its verdict below, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import NamedTuple

from effbench.record import CellRecord
from effbench.report.caption import level_text
from effbench.report.compare import Comparison, ComparisonRow
from effbench.report.rounding import rounded
from effbench.report.strict_json import strict_json
from effbench.report.terminal import PLAIN_WIDTH
from effbench.report.verdict import verdict

SCHEMA = "effbench/compare/1"
"""Of ``--json``."""

OUTCOME_STYLE = {"better": "green", "worse": "red"}
"""Colours of a terminal for the side that a decided number takes."""

LEAST_WIDTH, BETWEEN = 12, 1
"""Characters of a column whose text may wrap, and the space after each column."""

HEADINGS = ("difference or ratio", "p (Holm)", "effect", "n", "needed", "compared by")
"""Of the columns behind the two methods."""


def render_comparison(comparison: Comparison, width: int = PLAIN_WIDTH, colour: bool = False) -> str:
    """Return table, notes and verdict as text, with ANSI colours where asked; numbers are never cut or wrapped."""
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    a, b = comparison.a.method_id, comparison.b.method_id
    rows = [row_texts(row) for row in comparison.rows]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *(texts[2:] for texts in rows))]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, BETWEEN, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("number", overflow="fold", min_width=LEAST_WIDTH)
    for name in (a, b):
        table.add_column(name, justify="right", overflow="fold", min_width=LEAST_WIDTH)
    for heading, wide in zip(HEADINGS, widths):
        table.add_column(heading, justify="left" if heading == HEADINGS[-1] else "right", width=wide)
    for row, texts in zip(comparison.rows, rows):
        style = OUTCOME_STYLE.get(row.outcome(comparison.level), "")
        table.add_row(_heading(row), *texts[:2], Text(texts[2], style), *texts[3:])
    least = sum(widths) + 3 * LEAST_WIDTH + (len(widths) + 3) * (BETWEEN + 1)
    buffer = io.StringIO()
    console = Console(
        file=buffer, width=max(width, least), force_terminal=colour, no_color=not colour, highlight=False,
        markup=False, emoji=False,
    )  # fmt: skip
    console.print(Text(f"{comparison.task}: {a} against {b}", "bold"))
    console.print(table)
    for line in notes_of(comparison):
        console.print(Text(line, "dim"))
    console.print()
    console.print(Text(verdict(comparison), "bold"))
    return "\n".join(line.rstrip() for line in buffer.getvalue().split("\n"))


def comparison_json(comparison: Comparison) -> str:
    """Return the comparison as JSON of schema ``effbench/compare/1``, ending with a newline."""
    content = {
        "schema": SCHEMA,
        "suite": comparison.suite,
        "task": comparison.task,
        "a": _identity(comparison.a),
        "b": _identity(comparison.b),
        "level": comparison.level,
        "numbers": [{**asdict(row), "outcome": row.outcome(comparison.level)} for row in comparison.rows],
        "verdict": verdict(comparison),
    }
    return strict_json(content)


def _identity(cell: CellRecord) -> dict[str, str]:
    return {"cell": cell.id, "method": cell.method_id, "execution": cell.execution, "status": cell.status}


def _heading(row: ComparisonRow) -> str:
    return f"{row.label} ({row.unit})" if row.unit else row.label


class RowTexts(NamedTuple):
    """A row as text: both values, what they differ by with its interval, and what stands behind that."""

    a: str
    b: str
    size: str
    p: str
    effect: str
    n: str
    needed: str
    how: str


def row_texts(row: ComparisonRow) -> RowTexts:
    """Return a row's texts; what is not known is ``n/a`` of a value, and ``""`` of what stands behind it."""
    a, b = ["n/a" if side is None else _side(side, row) for side in (row.a, row.b)]
    size = "n/a"
    if row.value is not None:
        value, interval = rounded(row.value, row.ci_low, row.ci_high)
        size = f"{value}{'x' if row.kind == 'ratio' else ''} {interval}".rstrip()
    p = "" if row.p_holm is None else "<0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    effect = "" if row.effect is None else f"{row.effect:.2f}"
    needed = "" if row.n_needed is None else str(row.n_needed)
    return RowTexts(a, b, size, p, effect, row.n_text, needed, row.how)


def _side(side: float, row: ComparisonRow) -> str:
    """Return one of both values with as many digits as what they differ by resolves: more would look like a difference."""
    if row.value is None or row.ci_low is None or row.ci_high is None:
        return rounded(side, None, None)[0]
    if row.kind == "difference":
        return rounded(side, side + row.ci_low - row.value, side + row.ci_high - row.value)[0]
    return rounded(side, side * row.ci_low / row.value, side * row.ci_high / row.value)[0] if row.value else "0"


def _with_trainings(comparison: Comparison) -> str:
    """Return that trainings were left out in turn too, where an interval is over several."""
    is_over_several = any(row.trainings for row in comparison.rows)
    return (
        "; of several trainings: with the error from training to training, and p of its t test"
        if is_over_several
        else ""
    )


def notes_of(comparison: Comparison) -> list[str]:
    """Return what stands below the table: what its columns are, how they were made, and what is missing."""
    a, b = comparison.a.method_id, comparison.b.method_id
    lines = [
        f"Differences: {a} - {b}; ratios: {a} / {b}. [low, high]: {level_text([comparison.level])} interval "
        "(paired samples: BCa bootstrap; paired resamples: percentile bootstrap; rounds: t on log ratios"
        f"{_with_trainings(comparison)}).",
        "p: sign-flip test of the pairs, inverted bootstrap interval of the resamples, t test of the rounds; after Holm's "
        f"correction over the {sum(row.p is not None for row in comparison.rows)} tests of this table.",
        "effect: difference in standard deviations; needed: samples, groups or rounds that find an effect like this one four "
        "times in five, in spite of the correction. A bare ratio has no interval.",
    ]
    return [*lines, *(f"{row.label}: {row.reason}" for row in comparison.rows if row.reason)]
