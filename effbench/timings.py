"""The raw timings of a cell, round by round: what latency numbers, comparisons and tables read from a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from effbench.parts import read_parts
from effbench.store import TIMING_KEY, CellFolder

MEASURED = ("machine", "wall_ns", "load_s", "flags")
"""What a row of timings holds besides its key."""
NOISE_COLUMNS = ("foreign_share", "steal_share", "clock_spread", "load", "throttled")
"""What a round says of the machine's quiet, constant over its rows; absent in stores of before schema 2."""


@dataclass(frozen=True)
class Timings:
    """Steady wall times of one batch size, by round, in nanoseconds; and the first calls and loads of the rounds.

    ``noise`` is round -> column of ``NOISE_COLUMNS`` -> value. ``items`` is round -> which item each steady call was on; a
    store of before schema 3 timed one.
    """

    steady: Mapping[str, Sequence[int]]
    first: Sequence[int] = ()
    load_s: Sequence[float] = ()
    flags: tuple[str, ...] = ()
    noise: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    items: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def medians(self, round_id: str) -> dict[int, float]:
        """Return item -> the median of its calls in a round, in nanoseconds."""
        walls = np.asarray(self.steady[round_id], np.float64)
        items = np.asarray(self.items.get(round_id, np.zeros(len(walls), int)))
        return {int(item): float(np.median(walls[items == item])) for item in np.unique(items)}


def rounds_of(
    folder: CellFolder, batch_size: int, machine: str, named: Mapping[str, str] | None = None
) -> dict[str, Timings]:
    """Return round -> the timings of that round alone, for one batch size on one machine; ``named``: as ``read_parts``."""
    table = read_parts(folder.timings, TIMING_KEY, MEASURED, named)
    if table is None:
        return {}
    found: dict[str, Any] = {}
    columns = [table[name].to_pylist() for name in ("round", "batch_size", "phase", *MEASURED)]
    items = table["item"].to_pylist() if "item" in table.column_names else [0] * table.num_rows
    known = [name for name in NOISE_COLUMNS if name in table.column_names]
    noise = list(zip(*(table[name].to_pylist() for name in known))) if known else [()] * table.num_rows
    for (round_id, size, phase, where, wall, load, flags), item, quiet in zip(zip(*columns), items, noise):
        if (size, where) != (batch_size, machine):
            continue
        entry = found.setdefault(
            round_id,
            {"steady": [], "first": [], "items": [], "load_s": load, "flags": flags, "noise": dict(zip(known, quiet))},
        )
        if phase in ("steady", "first"):
            entry[phase].append(wall)
        if phase == "steady":
            entry["items"].append(item or 0)
    return {
        round_id: Timings(
            {round_id: e["steady"]},
            e["first"],
            [e["load_s"]],
            tuple(f for f in e["flags"].split(",") if f),
            {round_id: e["noise"]},
            {round_id: e["items"]},
        )
        for round_id, e in found.items()
        if e["steady"]
    }


@dataclass(frozen=True)
class RoundCalls:
    """Every call of one round, in the order in which it was made.

    ``turn`` [calls] counts the turns of all methods of the round together, 0 is the warm-up before them; ``phase`` [calls] is
    ``first``, ``warmup`` or ``steady``, ``item`` [calls] which item was called, ``wall_ms`` [calls] how long it took.
    """

    turn: Sequence[int]
    phase: Sequence[str]
    item: Sequence[int]
    wall_ms: Sequence[float]


def calls_of(folder: CellFolder, batch_size: int, machine: str) -> dict[str, RoundCalls]:
    """Return round -> all of its calls, the warm-up's too, for one batch size on one machine, in the rounds' order."""
    table = read_parts(folder.timings, TIMING_KEY, MEASURED)
    if table is None:
        return {}
    columns = [table[name].to_pylist() for name in ("round", "batch_size", "machine", "turn", "iteration", "phase")]
    items = table["item"].to_pylist() if "item" in table.column_names else [0] * table.num_rows
    found: dict[str, list[tuple[int, int, str, int, float]]] = {}
    for round_id, size, where, turn, iteration, phase, item, wall in zip(*columns, items, table["wall_ns"].to_pylist()):
        if (size, where) == (batch_size, machine):
            found.setdefault(round_id, []).append((turn, iteration, phase, item or 0, wall / 1e6))
    rounds = {}
    for round_id in sorted(found, key=lambda name: (len(name), name)):  # r999 before r1000
        turns, _, phases, where_called, walls = zip(*sorted(found[round_id]))
        rounds[round_id] = RoundCalls(turns, phases, where_called, walls)
    return rounds


def joined(rounds: Mapping[str, Timings], only: Sequence[str]) -> Timings:
    """Return the timings of several rounds as one; a flag of any round is a flag of all."""
    chosen = [rounds[name] for name in only]
    return Timings(
        {name: rounds[name].steady[name] for name in only},
        [ns for t in chosen for ns in t.first],
        [s for t in chosen for s in t.load_s],
        tuple(sorted({flag for t in chosen for flag in t.flags})),
        {name: rounds[name].noise.get(name, {}) for name in only},
        {name: rounds[name].items.get(name, [0] * len(rounds[name].steady[name])) for name in only},
    )


def log_ratios(reference: Timings, method: Timings, rounds: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return log(reference / method) of the medians [rounds, items], NaN where one of them did not time an item.

    A time of zero, which a damaged or foreign store may hold, counts as none.
    """
    pairs = [(reference.medians(name), method.medians(name)) for name in rounds]
    items = sorted({item for theirs, ours in pairs for item in (*theirs, *ours)})
    table = np.full((len(rounds), len(items)), np.nan)
    for row, (theirs, ours) in enumerate(pairs):
        for column, item in enumerate(items):
            if theirs.get(item, 0) > 0 and ours.get(item, 0) > 0:
                table[row, column] = np.log(theirs[item] / ours[item])
    return table
