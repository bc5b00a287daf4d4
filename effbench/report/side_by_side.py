"""Several methods of a workload against the first: which to begin with, and what ``effbench compare`` says of each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from effbench.catalogue import SPEEDUP
from effbench.errors import StoreError
from effbench.raw import RawCell
from effbench.report.columns import Column, recorded
from effbench.report.compare import DEFAULT_LEVEL, Comparison, compare_cells
from effbench.report.summarise import WorkloadCells, names_of, number_of
from effbench.report.verdict import verdict

MOST_METHODS = 4
"""Side by side: more pictures in a row are too small to be told apart on a laptop's screen."""

MOST_TRIED = 12
"""Of the fastest methods that are tested for a choice to begin with: each takes some tens of milliseconds."""


class Beginning(NamedTuple):
    """The methods that a comparison begins with, by ``names_of``, and the rule that chose them in one sentence."""

    names: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class AgainstFirst:
    """One method against the first one: all differences are it - first, all ratios it / first.

    ``sentence`` is what ``effbench compare`` prints below its table, ``command`` the call that prints it, ``""`` where they
    stand in different stores. Numbers whose raw parts are damaged say so in their rows.
    """

    name: str
    comparison: Comparison
    sentence: str
    command: str


def beginning(workload: WorkloadCells) -> Beginning:
    """Return the reference, and of those not worse than it in quality the method with the best speed-up.

    Not worse: of those whose quality lies within the reference's interval or above, the first that ``compare`` does not call
    worse, of at most ``MOST_TRIED``. Without speed-ups, or where none of them passes, the next best choice, which the rule
    says.
    """
    names = names_of(workload)
    finished = [at for at, cell in enumerate(workload.cells) if any(n.value is not None for n in cell.numbers)]
    if len(finished) < 2:
        return Beginning(names[:2], "the first two methods")
    base = next((at for at in finished if workload.cells[at].role == "reference"), finished[0])
    first = "the reference" if workload.cells[base].role == "reference" else "the first method"
    others = [at for at in finished if at != base]
    speedups = {at: value for at in others if (value := _value(workload, at, SPEEDUP)) is not None}
    if not speedups:
        return Beginning((names[base], names[others[0]]), f"{first} and the next one; no other has a speed-up")
    fastest = sorted(speedups, key=lambda at: -speedups[at])
    quality = _quality(workload, base)
    if quality is None:
        said = f"{first} and the method with the best speed-up; it has no quality that others could be worse in"
        return Beginning((names[base], names[fastest[0]]), said)
    near = [at for at in fastest if _is_near(workload, at, base, quality.name, quality.higher_is_better)]
    for at in near[:MOST_TRIED]:
        if _outcome(workload, at, base, quality.name) != "worse":
            said = f"{first} and the method with the best speed-up that is not worse than it in {quality.label}"
            return Beginning((names[base], names[at]), said)
    said = f"{first} and the method with the best speed-up; none was found that is not worse in {quality.label}"
    return Beginning((names[base], names[fastest[0]]), said)


def against_first(workload: WorkloadCells, chosen: Sequence[str]) -> tuple[AgainstFirst, ...]:
    """Return the comparison of each chosen method but the first with the first; they are named as ``names_of`` says."""
    place = {name: raw for name, raw in zip(names_of(workload), workload.raw)}
    first = place[chosen[0]]
    found = []
    for name in chosen[1:]:
        comparison = compare_cells(place[name], first, _level(workload, first), spares_damage=True)
        found.append(AgainstFirst(name, comparison, verdict(comparison), command_of(place[name], first)))
    return tuple(found)


def command_of(a: RawCell, b: RawCell) -> str:
    """Return the command that compares two cells of one store, ``""`` where they stand in two.

    A store below the working directory is named from there, as one would type it.
    """
    if not a.is_beside(b):
        return ""
    store, here = a.path.parents[1], Path.cwd()
    shown = store.relative_to(here) if store.is_relative_to(here) else store
    named = [str(shown), a.record.method_id, b.record.method_id]
    ends = ["--"] if any(name.startswith("-") for name in named) else []  # a name is no option
    return shlex.join(["effbench", "compare", "--task", a.record.task_id, *ends, *named])


def _level(workload: WorkloadCells, raw: RawCell) -> float:
    """Return the level of the store that a cell stands in, where the workload's stores have several."""
    if len(workload.levels) > 1:
        with suppress(StoreError):
            return raw.setting.asked.ci if raw.setting is not None else DEFAULT_LEVEL
    return max(workload.levels, default=DEFAULT_LEVEL)


def _quality(workload: WorkloadCells, base: int) -> Column | None:
    """Return the first quality on all samples that a cell has, the primary first: a reference has no fidelity to itself."""
    columns = [column for column in recorded(workload) if column.axis == "quality" and column.is_plain]
    return next((column for column in columns if _value(workload, base, column.name) is not None), None)


def _value(workload: WorkloadCells, at: int, name: str) -> float | None:
    number = number_of(workload.cells[at], name)
    return None if number is None else number.value


def _is_near(workload: WorkloadCells, at: int, base: int, name: str, higher_is_better: bool) -> bool:
    """Return whether a method's quality lies within the interval of the base's, or on its better side."""
    value, number = _value(workload, at, name), number_of(workload.cells[base], name)
    if value is None or number is None or number.value is None:
        return False
    end = number.ci_low if higher_is_better else number.ci_high
    end = number.value if end is None else end
    return value >= end if higher_is_better else value <= end


def _outcome(workload: WorkloadCells, at: int, base: int, name: str) -> str:
    level = _level(workload, workload.raw[base])
    (row,) = compare_cells(workload.raw[at], workload.raw[base], level, [name], spares_damage=True).rows
    return row.outcome(level)
