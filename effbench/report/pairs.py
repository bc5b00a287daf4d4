"""The scores that two methods have on the same samples: what comparisons test and what pages draw sample by sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.raw import RawCell, metric_of
from effbench.record import Number
from effbench.report.summarise import number_of


class SamplePairs(NamedTuple):
    """Scores a [n] and b [n] of two methods on the n (seed, sample) rows that both have; ``of_a`` is how many a has."""

    a: Array
    b: Array
    ids: list[str]
    groups: list[str]
    seeds: list[int]
    of_a: int

    @property
    def units(self) -> str:
        """Return what of them is independent of each other: ``samples``, or ``groups`` of samples."""
        return "samples" if len(set(self.groups)) == len(set(self.ids)) else "groups"

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Return (sample id, seed) of each row."""
        return list(zip(self.ids, self.seeds))

    @property
    def known(self) -> Array:
        """Return which of the n rows have a score on both sides."""
        return np.isfinite(self.a) & np.isfinite(self.b)

    def losses(self, *, higher_is_better: bool) -> Array:
        """Return by how much b is worse than a on each row [n]: negative where it is better, NaN where one has no score."""
        with np.errstate(invalid="ignore"):
            lost = self.a - self.b if higher_is_better else self.b - self.a
        return np.where(self.known, lost, np.nan)


def pairs_of(a: RawCell, b: RawCell, number: Number) -> SamplePairs | None:
    """Return the paired scores of a metric, over its slice; None where it has none per sample.

    Raises ``StoreError`` where the samples of one of them are damaged.
    """
    ours, theirs = a.scalars, b.scalars
    name = metric_of(number).name
    if ours is None or theirs is None or not all(name in rows.scores.scalars for rows in (ours, theirs)):
        return None
    place = {key: row for row, key in enumerate(zip(theirs.seeds, theirs.ids))}
    within = ours.scores.within(metric_of(number))
    rows = [(row, place[key]) for row, key in enumerate(zip(ours.seeds, ours.ids)) if within[row] and key in place]
    left, right = [row for row, _ in rows], [row for _, row in rows]
    return SamplePairs(
        ours.scores.scalars[name][left],
        theirs.scores.scalars[name][right],
        [ours.ids[row] for row in left],
        [ours.groups[row] for row in left],
        [ours.seeds[row] for row in left],
        int(within.sum()),
    )


def paired_numbers(a: RawCell, b: RawCell) -> tuple[Number, ...]:
    """Return the qualities on all samples of which both have a score per sample, the primary one first."""
    known = [_scored(raw) for raw in (a, b)]
    found = [
        number
        for number in a.record.numbers
        if number.axis == "quality"
        and not number.slice
        and not a.is_of_set(number)
        and all(number.name in names for names in known)
        and number_of(b.record, number.name) is not None
    ]
    return tuple(sorted(found, key=lambda number: not number.primary))


def _scored(raw: RawCell) -> set[str]:
    """Return the scores that some sample of a cell has."""
    rows = raw.scalars
    return (
        set() if rows is None else {name for name, values in rows.scores.scalars.items() if np.isfinite(values).any()}
    )


def largest(losses: Array, count: int) -> list[int]:
    """Return the rows of the ``count`` largest losses above zero, the largest first and equal ones in their order."""
    order = np.argsort(-np.nan_to_num(losses, nan=-np.inf), kind="stable")
    return [int(row) for row in order[:count] if losses[row] > 0]
