"""Puts paired differences of Kendall's tau, one method against others on every task of a store, into a page."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from effbench.errors import BadInput
from effbench.report.compare import ComparisonRow, compare
from effbench.report.rounding import rounded
from effbench.section import replace_section
from effbench.store import StoreView, read_store

DOCS = Path(__file__).parent
"""Where the page stands."""
TAU = "kendall_tau"
"""The number that is compared, as the task names it."""


def table_of(view: StoreView, method: str, others: Sequence[str]) -> str:
    """Return a Markdown table: a row per task, a column per other method, in bold what is decided."""
    tasks = sorted(
        {cell.task_id for cell in view.cells}, key=lambda task: (len(task), task)
    )  # by labels, at their ends
    lines = [f"| {method} less | {' | '.join(others)} |", "| :-- |" + " --: |" * len(others)]
    for task in tasks:
        texts = []
        for other in others:
            try:
                found = compare(view, method, other, task, (TAU,))
            except BadInput:  # one of the two did not run there
                texts.append("n/a")
            else:
                texts.append(text_of(found.rows[0], found.level))
        lines.append(f"| {task} | {' | '.join(texts)} |")
    return "\n".join(lines)


def text_of(row: ComparisonRow, level: float) -> str:
    """Return a difference with its interval, bold where it tells the two methods apart at that level."""
    if row.value is None:
        return f"n/a ({row.reason})" if row.reason else "n/a"
    value, interval = rounded(row.value, row.ci_low, row.ci_high)
    text = f"{'+' if row.value > 0 else ''}{value} {interval}".strip()
    return f"**{text}**" if row.outcome(level) in ("better", "worse") else text


def main() -> None:
    """Write the section; end with a sentence where the store does not hold the method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("method")
    parser.add_argument("others", nargs="+")
    parser.add_argument("--page", type=Path, default=DOCS / "nas.md")
    parser.add_argument("--section", required=True)
    given = parser.parse_args()
    view = read_store(given.store)
    if given.method not in {cell.method_id for cell in view.cells}:
        raise SystemExit(f"{given.store}: no cell of method {given.method!r}")
    replace_section(given.page, given.section, table_of(view, given.method, given.others))
    print(f"wrote {given.section} of {given.page}")


if __name__ == "__main__":
    main()
