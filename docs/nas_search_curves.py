"""Draws regret over trained architectures from a store of ``nas-search`` tasks (``make nas-search``)."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.raw import RawCell
from effbench.report.curve_panels import PALETTE
from effbench.report.summarise import raw_cell
from effbench.stats.bootstrap import cluster_weights, interval_of
from effbench.store import read_store

DOCS = Path(__file__).parent
"""Where the picture stands."""
CURVE = "regret_by_trained"
"""The array of scores that is drawn, as the task names it."""
LEVEL, RESAMPLES = 0.95, 2000  # of the bands
STYLES = ("-", "--", ":")
"""Of lines, by eight: the palette has as many colours."""
MOST_BANDS = 8
"""More bands than colours are a grey from which no interval can be read; tables have the intervals at the end."""
LINEAR_BELOW = 0.2
"""Points of regret from which on the axis is logarithmic: searches part below one, where they all begin at five to ten."""


class MeanRegret(NamedTuple):
    """Mean regret over repeats after 1, 2, ... trainings [budget], with the ends of its intervals, NaN where none."""

    value: Array
    low: Array
    high: Array


def mean_regret(curves: Array, repeats: Sequence[str]) -> MeanRegret:
    """Return the mean of curves [n, budget]; whole repeats (all seeds of one) are resampled."""
    weights = np.array(list(cluster_weights(repeats, RESAMPLES, 0)))  # [resamples, n]
    drawn = weights @ curves / weights.sum(1, keepdims=True)
    ends = [interval_of(column, LEVEL, len(set(repeats))) or (np.nan, np.nan) for column in drawn.T]
    return MeanRegret(curves.mean(0), np.array([low for low, _ in ends]), np.array([high for _, high in ends]))


def regrets_of(cells: Sequence[RawCell]) -> dict[str, dict[str, MeanRegret]]:
    """Return task -> method -> mean regret; a cell that keeps no such curves has none."""
    found: dict[str, dict[str, MeanRegret]] = {}
    for cell in cells:
        rows = cell.rows()
        if rows is not None and CURVE in rows.scores.arrays:
            curves = np.array([np.asarray(curve, np.float64).ravel() for curve in rows.scores.arrays[CURVE]])
            found.setdefault(cell.record.task_id, {})[cell.record.method_id] = mean_regret(curves, rows.ids)
    return found


def draw(regrets: dict[str, dict[str, MeanRegret]], out: Path) -> None:
    """Write the picture: a panel per task, a line per method, and where they are few the bands of their intervals."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(regrets), figsize=(7.5 * len(regrets), 5), layout="constrained", squeeze=False)
    for axes, (task, methods) in zip(panels[0], regrets.items()):
        for place, (method, regret) in enumerate(methods.items()):
            colour, trained = PALETTE[place % len(PALETTE)], np.arange(1, len(regret.value) + 1)
            style = STYLES[place // len(PALETTE) % len(STYLES)]
            axes.plot(trained, regret.value, color=colour, lw=1.5, ls=style, label=method)
            if len(methods) <= MOST_BANDS:
                axes.fill_between(trained, regret.low, regret.high, color=colour, alpha=0.08, lw=0)
        axes.set_ylim(bottom=0)
        axes.set_yscale("symlog", linthresh=LINEAR_BELOW)
        axes.set_xlabel("trained architectures")
        axes.set_ylabel("regret of the answer (points of accuracy)")
        axes.set_title(task, loc="left")
        axes.grid(alpha=0.3)
    panels[0][-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(out, dpi=120)


def main() -> None:
    """Write the picture; end with a sentence where the store has nothing to draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--out", type=Path, default=DOCS / "img" / "nas-search.png")
    given = parser.parse_args()
    view = read_store(given.store)
    regrets = regrets_of([raw_cell(view, cell) for cell in view.cells])
    if not regrets:
        raise SystemExit(f"{given.store}: holds no finished cell of the task nas-search")
    draw(regrets, given.out)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
