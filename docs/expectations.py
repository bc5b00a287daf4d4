"""What a page expects of measurements, and whether stores bear it out: a table of both, so that no verdict is typed.

``docs/expectations.py --page PAGE --section NAME --checks CHECKS.yaml STORE...``. A check names a
task, a method ``a``, a number, and ``at_least`` or ``at_most``; with ``b`` it is about the paired difference a - b (of times
and sizes the ratio a / b). ``undecided: true`` expects that a test cannot tell the two apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from effbench.api import StrictParams
from effbench.errors import BadInput
from effbench.report.compare import compare
from effbench.report.rounding import rounded
from effbench.report.summarise import level_of, number_of
from effbench.section import replace_section
from effbench.store import StoreView, read_store


class Check(StrictParams):
    """One expectation; ``says`` is what stands in the table, ``store`` the folder that it is about where several have it."""

    says: str
    task: str
    store: str | None = None
    a: str
    b: str | None = None
    number: str
    at_least: float | None = None
    at_most: float | None = None
    undecided: bool = False

    def holds(self, found: Found) -> str:
        """Return yes, no, that a test leaves the difference undecided, or why nobody can say."""
        if found.value is None:
            return f"not measured: {found.reason}"
        if self.undecided:
            return "yes" if found.is_undecided else "no"
        if found.is_undecided and 0 in (self.at_least, self.at_most):  # that one is better at all
            return "not decided"
        low_enough = self.at_most is None or found.value <= self.at_most
        return "yes" if low_enough and (self.at_least is None or found.value >= self.at_least) else "no"

    def expected(self) -> str:
        """Return the bound in words."""
        named = (("at least", self.at_least), ("at most", self.at_most))
        bounds = [f"{word} {value:g}" for word, value in named if value is not None]
        return "not distinguishable" if self.undecided else " and ".join(bounds)


@dataclass(frozen=True)
class Found:
    """What was measured: the value with its interval, whether a test leaves it undecided, or why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    is_undecided: bool = False
    reason: str = ""

    def text(self) -> str:
        """Return the value and its interval, rounded to it."""
        if self.value is None:
            return "n/a"
        return " ".join(filter(None, rounded(self.value, self.low, self.high)))


class Row(NamedTuple):
    """A check with what was found."""

    check: Check
    found: Found


def measured(views: Sequence[StoreView], check: Check) -> Found:
    """Return what the first store that holds the methods of a check says of it."""
    reasons = []
    for view in views:
        if check.store not in (None, view.path.name):
            continue
        names = {cell.method_id for cell in view.cells if cell.task_id == check.task}
        if missing := {check.a, check.b or check.a} - names:
            reasons.append(f"no {', '.join(sorted(missing))} on {check.task} in {view.path.name}")
            continue
        return _difference(view, check) if check.b is not None else _value(view, check)
    return Found(None, reason="; ".join(reasons) or f"no {check.store}")


def _difference(view: StoreView, check: Check) -> Found:
    comparison = compare(view, check.a, str(check.b), check.task, [check.number])
    (row,) = comparison.rows
    outcome = row.outcome(comparison.level)
    return Found(row.value, row.ci_low, row.ci_high, outcome == "undecided", row.reason)


def _value(view: StoreView, check: Check) -> Found:
    (cell,) = (cell for cell in view.cells if (cell.task_id, cell.method_id) == (check.task, check.a))
    number = number_of(cell, check.number)
    if number is None or number.value is None:
        return Found(None, reason=(number.reason or "") if number else f"{check.number} was not recorded")
    return Found(number.value, number.ci_low, number.ci_high)


def table_of(rows: Sequence[Row], level: float) -> str:
    """Return the Markdown table."""
    lines = ["| expected | on | bound | measured | holds |", "| :-- | :-- | --: | --: | :-- |"]
    for check, found in rows:
        lines.append(f"| {check.says} | {check.task} | {check.expected()} | {found.text()} | {check.holds(found)} |")
    known = sum(found.value is not None for _, found in rows)
    held = sum(check.holds(found) == "yes" for check, found in rows)
    return "\n".join(
        [
            *lines,
            "",
            f"{held} of {known} that were measured hold, of {len(rows)} in all. \\[low, high\\]: {level:.0%} interval.",
        ]
    )


def main() -> None:
    """Put the table of a file of checks into a page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--checks", required=True, type=Path)
    parser.add_argument("--page", required=True, type=Path)
    parser.add_argument("--section", default="expectations")
    given = parser.parse_args()
    views = [read_store(path) for path in given.stores if path.exists()]
    if not views:
        raise BadInput(f"no store among {', '.join(map(str, given.stores))}")
    checks = [Check.model_validate(entry) for entry in yaml.safe_load(given.checks.read_text("utf-8"))]
    rows = [Row(check, measured(views, check)) for check in checks]
    replace_section(given.page, given.section, table_of(rows, level_of(views[0]) or 0.95))


if __name__ == "__main__":
    main()
