"""Which method of a store to take when: a list for each task, derived from its numbers and tests alone.

``docs/advice.py STORE --page PAGE --section NAME``. A method keeps the quality where no test tells its primary quality
worse than the reference's; of those the fastest, the smallest and the one of fewest bits are named.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from effbench.catalogue import PARAMETERS, SPEEDUP
from effbench.record import CellRecord, Number
from effbench.report.compare import compare
from effbench.report.rounding import rounded
from effbench.report.summarise import number_of
from effbench.section import replace_section
from effbench.store import StoreView, read_store

BITS = "mean_weight_bits"
"""The fact by which quantization methods say how many bits their weights have."""


@dataclass(frozen=True)
class Judged:
    """A cell with whether a test tells its primary quality worse than the reference's."""

    cell: CellRecord
    loses: bool

    def number(self, name: str) -> Number | None:
        """Return a number that has a value, or None."""
        found = number_of(self.cell, name)
        return found if found is not None and found.value is not None else None

    def value(self, name: str) -> float | None:
        """Return a number's value, or None."""
        found = self.number(name)
        return None if found is None else found.value

    def is_slower(self) -> bool:
        """Return whether the whole interval of the speed-up lies below 1."""
        found = self.number(SPEEDUP)
        return found is not None and found.ci_high is not None and found.ci_high < 1

    def text(self, name: str) -> str:
        """Return a number with its interval and unit."""
        found = self.number(name)
        assert found is not None and found.value is not None
        return " ".join(filter(None, (*rounded(found.value, found.ci_low, found.ci_high), found.unit)))


def judged(view: StoreView, task: str) -> list[Judged]:
    """Return the finished methods of a task, the reference left out."""
    cells = [cell for cell in view.cells if cell.task_id == task and cell.status != "failed"]
    reference = next(cell for cell in cells if cell.role == "reference")
    found = []
    for cell in cells:
        primary = next((number for number in cell.numbers if number.primary and number.value is not None), None)
        if cell.role == "reference" or primary is None:
            continue
        comparison = compare(view, cell.method_id, reference.method_id, task, [primary.name])
        found.append(Judged(cell, comparison.rows[0].outcome(comparison.level) == "worse"))
    return found


def best(methods: Sequence[Judged], name: str, order: Callable[[float], float]) -> Judged | None:
    """Return the method of the least ``order`` of a number, among those that have it."""
    having = [m for m in methods if m.value(name) is not None]
    return min(having, key=lambda m: order(m.value(name) or 0.0), default=None)


def advice(view: StoreView) -> str:
    """Return a Markdown list for each task of a store."""
    parts = []
    for task in dict.fromkeys(cell.task_id for cell in view.cells):
        methods = judged(view, task)
        keeping = [m for m in methods if not m.loses]
        real = [m for m in keeping if m.cell.execution == "real"]
        lines = [f"**{task}**", ""]
        fastest = best(real, SPEEDUP, lambda value: -value)
        if fastest is None or (fastest.value(SPEEDUP) or 0) <= 1:
            lines.append("- speed at the reference's quality: none of these is faster")
        else:
            found = fastest.number(SPEEDUP)
            low = None if found is None else found.ci_low
            sure = "" if low is not None and low > 1 else " (not certainly faster)"
            lines.append(
                f"- speed at the reference's quality: `{fastest.cell.method_id}`, {fastest.text(SPEEDUP)}{sure}"
            )
        held = next(cell for cell in view.cells if cell.task_id == task and cell.role == "reference")
        whole = Judged(held, False).value(PARAMETERS)
        smallest = best(real, PARAMETERS, lambda value: value)
        if smallest is not None and whole is not None and (smallest.value(PARAMETERS) or whole) < whole:
            lines.append(f"- memory of weights, run for real: `{smallest.cell.method_id}`, {smallest.text(PARAMETERS)}")
        if (fewest := best(keeping, BITS, lambda value: value)) is not None:
            lines.append(f"- fewest bits, simulated or not: `{fewest.cell.method_id}`, {fewest.text(BITS)}")
        if slower := [m for m in methods if m.is_slower()]:
            named = ", ".join(f"`{m.cell.method_id}` {m.text(SPEEDUP)}" for m in slower)
            lines.append(f"- slower than the reference: {named}")
        if losing := [m for m in methods if m.loses]:
            lines.append(f"- worse than the reference: {', '.join(f'`{m.cell.method_id}`' for m in losing)}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def main() -> None:
    """Put the advice of a store into a page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--page", required=True, type=Path)
    parser.add_argument("--section", default="advice")
    given = parser.parse_args()
    replace_section(given.page, given.section, advice(read_store(given.store)))


if __name__ == "__main__":
    main()
