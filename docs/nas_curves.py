"""Draws Kendall's tau over the number of labels from a store whose tasks are named TABLE-LABELS (``make nas``)."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from effbench.record import CellRecord
from effbench.report.curve_panels import PALETTE
from effbench.store import read_store

DOCS = Path(__file__).parent
"""Where the picture stands."""
TAU = "kendall_tau"
"""The number that is drawn, as the task names it."""


@dataclass(frozen=True)
class TauPoint:
    """Tau of a method under one budget, with its interval where it has one."""

    value: float
    low: float | None
    high: float | None


def taus_of(cells: Sequence[CellRecord]) -> dict[str, dict[str, dict[int, TauPoint]]]:
    """Return table -> method -> labels -> tau; a cell without one, or of a task named otherwise, has none."""
    found: dict[str, dict[str, dict[int, TauPoint]]] = {}
    for cell in cells:
        table, _, labels = cell.task_id.rpartition("-")
        tau = next((number for number in cell.numbers if number.name == TAU), None)
        if tau is None or tau.value is None or not labels.isdigit():
            continue
        found.setdefault(table, {}).setdefault(cell.method_id, {})[int(labels)] = TauPoint(
            tau.value, tau.ci_low, tau.ci_high
        )
    return found


def draw(taus: dict[str, dict[str, dict[int, TauPoint]]], out: Path) -> None:
    """Write the picture: a panel per table, a line per method, dashed past eight, bars its intervals, shifted apart."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(taus), figsize=(8 * len(taus), 4.5), layout="constrained", squeeze=False)
    for axes, (table, methods) in zip(panels[0], taus.items()):
        for place, (method, points) in enumerate(methods.items()):
            budgets = sorted(points)
            shown = [points[labels] for labels in budgets]
            at = [labels * 1.02 ** (place - len(methods) / 2) for labels in budgets]
            below = [p.value - (p.value if p.low is None else p.low) for p in shown]
            above = [(p.value if p.high is None else p.high) - p.value for p in shown]
            colour = PALETTE[place % len(PALETTE)]
            style = "--" if place >= len(PALETTE) else "-"
            values = [p.value for p in shown]
            axes.errorbar(at, values, [below, above], color=colour, ls=style, marker="o", ms=3.5, lw=1.3, label=method)
        axes.set_xscale("log")
        axes.set_xlabel("trained architectures")
        axes.set_ylabel("Kendall's tau on the judged ones")
        axes.set_title(table, loc="left")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(out, dpi=120)


def main() -> None:
    """Write the picture; end with a sentence where the store has nothing to draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--out", type=Path, default=DOCS / "img" / "nas-curves.png")
    given = parser.parse_args()
    taus = taus_of(read_store(given.store).cells)
    if not taus:
        raise SystemExit(f"{given.store}: no task of it is named TABLE-LABELS and has a tau")
    draw(taus, given.out)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
