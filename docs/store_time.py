"""A sentence on how long a run took, by the stamps of its store: ``store_time.py STORE --page PAGE --section NAME``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from effbench.record import CellRecord
from effbench.report.caption import machine_text
from effbench.section import replace_section
from effbench.store import StoreView, read_store


def seconds_of(cells: Sequence[CellRecord]) -> float:
    """Return the seconds from the start of the first job to the end of the last cell, pauses between them included."""
    started = min(datetime.fromisoformat(one.started_utc) for cell in cells for one in cell.attempts)
    return (max(datetime.fromisoformat(cell.finished_utc) for cell in cells) - started).total_seconds()


def sentence(view: StoreView) -> str:
    """Return how long the run took, of how many cells it was, and on which machine."""
    minutes, seconds = divmod(round(seconds_of(view.cells)), 60)
    machines = ", ".join(machine_text(name, machine) for name, machine in view.machines.items())
    return (
        f"The run below took {minutes} min {seconds} s from its first job to its last cell (stamps of its store; "
        f"{len(view.cells)} methods; {machines})."
    )


def main() -> None:
    """Write the sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--page", type=Path, help="a page with the section; printed where none is given")
    parser.add_argument("--section", default="suite-time")
    given = parser.parse_args()
    text = sentence(read_store(given.store))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, given.section, text)


if __name__ == "__main__":
    main()
