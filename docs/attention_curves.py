"""Draws quality against latency and operations, a curve per method, from a store of suites/attention.yaml.

Settings of one method (a matrix of the suite) are joined in the order of their cost; the grey steps are the Pareto front.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from effbench.catalogue import MEDIAN
from effbench.record import CellRecord, Number
from effbench.report.curve_panels import PALETTE
from effbench.report.pareto import front
from effbench.report.summarise import number_of
from effbench.store import read_store

TASK = "emoji-pixart"
QUALITIES = (("psnr_db", "PSNR against full sampling, dB"), ("alignment", "alignment of picture and prompt"))
"""Number of a record -> what stands beside its axis."""
COSTS = ((MEDIAN, "latency, ms a picture"), ("gflop_per_sample", "operations, GFLOP a picture"))
"""Number of a record -> what stands under its axis."""
SAME_DB = 99.0
"""A PSNR above which nothing was left out: such a setting is the reference, and would stretch the axis."""
MARKERS = "osD^vP"


@dataclass(frozen=True)
class Point:
    """One setting: cost and quality with their intervals."""

    cost: Number
    quality: Number

    @property
    def at(self) -> tuple[float, float]:
        """Return (cost, quality)."""
        assert self.cost.value is not None
        assert self.quality.value is not None
        return self.cost.value, self.quality.value


def families(cells: Sequence[CellRecord], cost: str, quality: str) -> dict[str, list[Point]]:
    """Return method -> its settings, the cheapest first; what has no quality or cost, or left nothing out, is left out."""
    found: dict[str, list[Point]] = {}
    for cell in cells:
        on_x, on_y = number_of(cell, cost), number_of(cell, quality)
        if on_x is None or on_y is None or on_x.value is None or on_y.value is None:
            continue
        if quality == "psnr_db" and on_y.value >= SAME_DB:
            continue
        found.setdefault(cell.method_id.partition("(")[0], []).append(Point(on_x, on_y))
    return {name: sorted(points, key=lambda point: point.at) for name, points in found.items()}


def staircase(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Return the corners of the Pareto front, from the cheapest: less cost and more quality are better."""
    places = [point.at for point in points]
    ahead = sorted(at for at, is_ahead in zip(places, front(places, False, True)) if is_ahead)
    corners = ahead[:1]
    for (_, y), (next_x, next_y) in pairwise(ahead):
        corners += [(next_x, y), (next_x, next_y)]
    return corners


def draw(cells: Sequence[CellRecord], file: Path) -> None:
    """Draw a panel for each quality over each cost, with one legend."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9.6), dpi=120, layout="constrained")
    panels = figure.subplots(len(QUALITIES), len(COSTS), sharex="col", sharey="row")
    looks: dict[str, tuple[str, str]] = {}
    for (row, column), axes in np.ndenumerate(panels):
        (quality, beside), (cost, under) = QUALITIES[row], COSTS[column]
        curves = families(cells, cost, quality)
        axes.plot(*zip(*staircase([p for points in curves.values() for p in points])), color="0.75", lw=4, zorder=0)
        for name, points in curves.items():
            number = len(looks)
            colour, marker = looks.setdefault(name, (PALETTE[number % len(PALETTE)], MARKERS[number // len(PALETTE)]))
            _curve(axes, points, colour, marker, name)
        axes.grid(alpha=0.3)
        if not column:
            axes.set_ylabel(beside)
        if row == len(QUALITIES) - 1:
            axes.set_xlabel(under)
    handles, names = panels[-1, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=9)
    figure.savefig(file)


def _curve(axes: Any, points: Sequence[Point], colour: str, marker: str, name: str) -> None:
    x, y = zip(*(point.at for point in points))
    for point in points:
        (x0, y0), cost, quality = point.at, point.cost, point.quality
        if cost.ci_low is not None and cost.ci_high is not None:
            axes.plot([cost.ci_low, cost.ci_high], [y0, y0], color=colour, lw=0.7, alpha=0.4)
        if quality.ci_low is not None and quality.ci_high is not None:
            axes.plot([x0, x0], [quality.ci_low, quality.ci_high], color=colour, lw=0.7, alpha=0.4)
    axes.plot(x, y, color=colour, marker=marker, ms=6, lw=1.3, label=name)


def main() -> None:
    """Draw the picture of a store."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    cells = [c for c in read_store(given.store).cells if c.task_id == TASK and c.status != "failed"]
    draw(cells, given.out)


if __name__ == "__main__":
    main()
