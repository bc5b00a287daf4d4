"""The points of a scatter of two methods' scores per sample: equal ones as one, and never more than a browser draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.counted import counted
from effbench.report.pairs import SamplePairs

MOST_POINTS = 3000
"""Drawn at once: a browser without a GPU still turns and hovers over as many without a wait."""


class ScatterPoint(NamedTuple):
    """One place of a scatter and the rows of the pairs that lie there, the first ones first."""

    first: float
    other: float
    rows: tuple[int, ...]


class Scatter(NamedTuple):
    """The points that are drawn, of ``places`` different ones over ``samples`` rows; ``span`` holds all values."""

    points: tuple[ScatterPoint, ...]
    places: int
    samples: int
    span: tuple[float, float]

    @property
    def shares_places(self) -> bool:
        """Return whether several samples lie on one place, as they do where a score is right or wrong."""
        return self.samples > self.places


def scatter_of(pairs: SamplePairs) -> Scatter:
    """Return the scatter of the rows that have a score on both sides (at least one).

    Of more than ``MOST_POINTS`` places those are drawn that lie evenly among all when sorted by their difference, so that
    the largest gains and losses are always seen.
    """
    rows = np.flatnonzero(pairs.known)
    values = np.column_stack([pairs.a[rows], pairs.b[rows]])
    places, inverse = np.unique(values, axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    members = np.split(rows[order], np.cumsum(np.bincount(inverse.ravel()))[:-1])
    chosen = np.arange(len(places))
    if len(places) > MOST_POINTS:
        by_difference = np.argsort(places[:, 1] - places[:, 0], kind="stable")
        chosen = by_difference[np.linspace(0, len(places) - 1, MOST_POINTS).round().astype(int)]
    points = tuple(
        ScatterPoint(float(places[at, 0]), float(places[at, 1]), tuple(map(int, members[at]))) for at in chosen
    )
    return Scatter(points, len(places), len(rows), (float(values.min()), float(values.max())))


def scatter_notes(scatter: Scatter, pairs: SamplePairs, other: str) -> list[str]:
    """Return what has to be known of a scatter, one sentence each."""
    seeds, samples = len(set(pairs.seeds)), len(set(pairs.ids))
    each = f"{counted(samples, 'sample')}, under each of {seeds} seeds a point of its own" if seeds > 1 else ""
    lines = [f"{each or f'One point per sample ({samples})'}; above the diagonal {other} has the higher score."]
    if scatter.shares_places:
        lines.append("A point's number says how many samples lie on its place.")
    if len(scatter.points) < scatter.places:
        lines.append(f"{len(scatter.points)} of {scatter.places} places are drawn, evenly by their difference.")
    if left_out := len(pairs.ids) - scatter.samples:
        lines.append(
            f"{counted(left_out, 'pair')} without a score on both sides {'is' if left_out == 1 else 'are'} left out."
        )
    return lines
