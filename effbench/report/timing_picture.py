"""The raw timings of a method as a picture: every call by round and turn, the warm-up apart, the reference beside it.

A round is a stretch of the horizontal axis. In it first stand the calls of the warm-ups, then the turns in the order in
which method and reference took them, each as wide as any other, with its calls in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from effbench.catalogue import MEDIAN
from effbench.parts import part_files
from effbench.raw import RawCell
from effbench.report.rounding import rounded
from effbench.report.summarise import number_of
from effbench.timings import RoundCalls, calls_of

ROUNDS_PER_PICTURE = 10
"""A round is then a tenth of the width or more, in which twenty turns of two methods are still told apart."""
MOST_DRAWN = 4000
"""Calls of one picture: what a browser draws as single marks without a wait. The fastest and slowest of a turn always are."""
LOG_FROM = 4.0
"""Ratio of the slowest to the fastest timed call from which on the axis is logarithmic: below it ratios read off a linear
one, above it the faster method would be a line at the bottom."""
WARM_UP_WIDTH = 2.0
"""Turns that a warm-up is as wide as: it has more calls than a turn, and is not what is looked at."""
GAP = 1.5
"""Turns between two rounds, so that they are seen as such."""
MARGIN = 0.06
"""Share of the height that stays free above and below the timed calls."""

OURS, THEIRS = "method", "reference"
"""Whose calls: those of the entry, and of the reference that it was timed beside."""


@dataclass(frozen=True)
class TimedCalls:
    """All calls of a cell and of its reference at one batch size: round -> calls. ``damaged`` names parts left out."""

    ours: Mapping[str, RoundCalls]
    theirs: Mapping[str, RoundCalls]
    damaged: tuple[str, ...] = ()

    @property
    def rounds(self) -> tuple[str, ...]:
        """Return the rounds of the cell, in their order."""
        return tuple(self.ours)


@dataclass(frozen=True)
class DrawnCalls:
    """The calls of one kind as marks: ``place`` along the axis, milliseconds, and what each was in words, all [calls].

    Those of a warm-up that took longer or less than the picture shows stand at its edge, with their true time in words.
    """

    who: str
    is_warm_up: bool
    place: tuple[float, ...]
    wall_ms: tuple[float, ...]
    said: tuple[str, ...]


class RoundBand(NamedTuple):
    """Where a round begins, where its warm-up ends and where it ends, along the axis."""

    name: str
    begin: float
    warm: float
    end: float


class MedianLine(NamedTuple):
    """The median of the timed calls of a round."""

    who: str
    round: str
    begin: float
    end: float
    wall_ms: float
    calls: int


@dataclass(frozen=True)
class TimingPicture:
    """What is drawn of some rounds. ``limits`` are of the milliseconds; ``drawn`` of all ``calls`` have a mark."""

    kinds: tuple[DrawnCalls, ...]
    medians: tuple[MedianLine, ...]
    bands: tuple[RoundBand, ...]
    limits: tuple[float, float]
    is_logarithmic: bool
    calls: int
    drawn: int
    beyond: int
    """Calls of warm-ups that stand at the edge, since they took longer or less than the picture shows."""


def timed_calls(raw: RawCell, batch_size: int) -> TimedCalls:
    """Return all calls of a cell and its reference; raise ``StoreError`` where a part cannot be read."""
    machine, beside = raw.record.provenance.machine, raw.reference_folder
    folders = [raw.folder] if beside is None or beside.path == raw.path else [raw.folder, beside]
    damaged = [file.name for folder in folders for file in part_files(folder.timings)[1]]
    ours, *theirs = (calls_of(folder, batch_size, machine) for folder in folders)
    return TimedCalls(ours, theirs[0] if theirs else {}, tuple(damaged))


def why_no_timings(raw: RawCell) -> str:
    """Return the reason, as records have it, why a cell has no timings; ``""`` where its record does not say."""
    number = number_of(raw.record, MEDIAN)
    return (number.reason or "") if number is not None and number.value is None else ""


def timing_picture(timed: TimedCalls, first: int = 0) -> TimingPicture | None:
    """Return the picture of ``ROUNDS_PER_PICTURE`` rounds from the place ``first`` on; None where they have no timed call."""
    names = timed.rounds[first : first + ROUNDS_PER_PICTURE]
    members = [(who, calls) for who, calls in ((OURS, timed.ours), (THEIRS, timed.theirs)) if calls]
    steady = [ms for _, calls in members for name in names for ms in _steady(calls.get(name))]
    if not steady:
        return None
    limits, is_logarithmic = _limits(steady)
    groups = sum(len(set(calls[name].turn)) for _, calls in members for name in names if name in calls)
    most = max(2, MOST_DRAWN // groups)
    marks: dict[tuple[str, bool], list[tuple[float, float, str]]] = {}
    bands, medians, begin, beyond = [], [], 0.0, 0
    for name in names:
        present = [(who, calls[name]) for who, calls in members if name in calls]
        band, slots = _slots(name, begin, present)
        for who, calls in present:
            has_items = len(set(calls.item)) > 1
            for turn in dict.fromkeys(calls.turn):
                rows = [row for row, other in enumerate(calls.turn) if other == turn and calls.wall_ms[row] > 0]
                at, width = slots[who, turn]
                for position in _chosen([calls.wall_ms[row] for row in rows], most):
                    row = rows[position]
                    ms, is_warm_up = calls.wall_ms[row], calls.phase[row] != "steady"
                    shown = min(max(ms, limits[0]), limits[1])
                    beyond += shown != ms
                    place = at + width * (position + 0.5) / len(rows)
                    said = _said(who, name, calls, row, position, has_items)
                    marks.setdefault((who, is_warm_up), []).append((place, shown, said))
            walls = _steady(calls)
            if walls:
                medians.append(MedianLine(who, name, band.warm, band.end, median(walls), len(walls)))
        bands.append(band)
        begin = band.end + GAP
    kinds = tuple(DrawnCalls(who, warm, *map(tuple, zip(*rows))) for (who, warm), rows in sorted(marks.items()))
    total = sum(len(calls[name].turn) for _, calls in members for name in names if name in calls)
    drawn = sum(len(kind.place) for kind in kinds)
    return TimingPicture(kinds, tuple(medians), tuple(bands), limits, is_logarithmic, total, drawn, beyond)


def _steady(calls: RoundCalls | None) -> list[float]:
    if calls is None:
        return []
    return [ms for ms, phase in zip(calls.wall_ms, calls.phase) if phase == "steady" and ms > 0]


def _limits(steady: Sequence[float]) -> tuple[tuple[float, float], bool]:
    """Return the milliseconds of the lower and the upper edge, and whether the axis between them is logarithmic."""
    low, high = min(steady), max(steady)
    if high / low >= LOG_FROM:
        room = (high / low) ** MARGIN
        return (low / room, high * room), True
    room = MARGIN * (high - low) or MARGIN * high
    return (max(0.0, low - room), high + room), False


def _slots(
    name: str, begin: float, present: Sequence[tuple[str, RoundCalls]]
) -> tuple[RoundBand, dict[tuple[str, int], tuple[float, float]]]:
    """Return where a round stands, and (who, turn) -> (begin, width); warm-ups side by side, then turns in their order."""
    slots, at = {}, begin
    for who, calls in present:
        if 0 in calls.turn:
            slots[who, 0] = at, WARM_UP_WIDTH
            at += WARM_UP_WIDTH
    warm = at
    for turn, who in sorted({(turn, who) for who, calls in present for turn in calls.turn if turn != 0}):
        slots[who, turn] = at, 1.0
        at += 1.0
    return RoundBand(name, begin, warm, at), slots


def _chosen(walls: Sequence[float], most: int) -> list[int]:
    """Return the rows of a turn that are drawn: all, or evenly spaced ones with the fastest and the slowest among them."""
    if len(walls) <= most:
        return list(range(len(walls)))
    even = np.linspace(0, len(walls) - 1, max(most - 2, 0)).round().astype(int).tolist()
    return sorted({*even, int(np.argmin(walls)), int(np.argmax(walls))})


def _said(who: str, name: str, calls: RoundCalls, row: int, position: int, has_items: bool) -> str:
    """Return what a call was, with its true time."""
    what = {"steady": f"turn {calls.turn[row]}", "first": "first call"}.get(calls.phase[row], "warm-up")
    item = f", item {calls.item[row]}" if has_items and calls.phase[row] == "steady" else ""
    return f"{who}, round {name}, {what}, call {position + 1}{item}: {rounded(calls.wall_ms[row], None, None)[0]} ms"
