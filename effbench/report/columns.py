"""Which numbers of a workload become columns, in which order, and what their headings say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from effbench.catalogue import CATALOGUE, HEADLINE, RATIO_UNITS, entry_of, is_timed
from effbench.errors import BadInput, nearest
from effbench.record import AxisName, Number
from effbench.report.summarise import WorkloadCells

AXES = tuple(axis for axis in get_args(AxisName) if axis != "facts")
"""What is measured, in the order of a table."""

FACTS = "facts"
"""The axis of what methods compute about themselves; its numbers are never among the measured ones."""

ALL_WORD, HEADLINE_WORD, SLICES_WORD = "all", "headline", "slices"
"""What ``--columns`` takes besides names, axes and slices: everything measured on all samples, the headline (which is the
default too), and every number of a slice."""

ACRONYMS = "RSS FID KID CLIP LPIPS SSIM PSNR MSE mAP NDS mIoU BER EER"
"""Of names of metrics in the fields that tasks come from, as their papers write them."""

SPELLING = {word.lower(): word for word in ACRONYMS.split()}
"""How words of names are written in headings where not as they stand."""


@dataclass(frozen=True)
class Column:
    """One number of every cell; ``absent`` holds the reasons where no cell has it. ``title`` replaces its heading.

    ``slice`` is ``attribute=value`` where it is of those samples alone.
    """

    name: str
    axis: str
    unit: str
    higher_is_better: bool
    primary: bool
    absent: str = ""
    title: str = ""
    slice: str = ""

    @property
    def is_plain(self) -> bool:
        """Return whether it was measured, and on all samples: what a table shows where nothing else is asked for."""
        return not self.slice and self.axis != FACTS

    @property
    def label(self) -> str:
        """Return the name as words without the unit in it: ``latency_p50_ms`` is ``latency p50``."""
        return self.title or label_of(self.name, self.unit, self.axis)

    @property
    def arrow(self) -> str:
        """Return the direction of better: ``↑`` or ``↓``."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def heading(self) -> str:
        """Return label, unit and direction in one line: ``latency p50 (ms) ↓``."""
        return f"{self.label} ({self.unit}) {self.arrow}" if self.unit else f"{self.label} {self.arrow}"


def columns_of(workload: WorkloadCells, picked: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a workload: those picked in their order, or the headline where none is.

    ``picked`` holds names of numbers, ``headline``, an axis for all numbers of it, ``attribute=value`` for all of a slice,
    ``slices`` for those of every slice, ``facts`` for what methods computed about themselves, and ``all`` for everything else
    (by axis and primary first). What stands there twice is shown once, and a name that this workload did not record is left
    out (``check_columns`` says whether any workload did).
    Where the cells ran in several places, absolute times are left out and only ratios stay.
    """
    found: dict[str, Column] = {}
    for word in picked or (HEADLINE_WORD,):
        for column in _named(workload, word):
            found.setdefault(column.name, column)
    return tuple(found.values())


def check_columns(picked: Iterable[str], workloads: Sequence[WorkloadCells]) -> None:
    """Raise ``BadInput`` with the nearest valid name for a column that no workload recorded."""
    numbers = [n for w in workloads for cell in w.cells for n in cell.numbers]
    valid = {ALL_WORD, HEADLINE_WORD, SLICES_WORD, FACTS, *AXES, *(n.name for n in numbers)}
    valid |= {n.slice for n in numbers if n.slice}
    for name in picked:
        if name not in valid:
            raise BadInput(f"--columns: unknown number {name!r}{nearest(name, valid)}")


def is_headline(picked: Sequence[str]) -> bool:
    """Return whether a choice of columns is the headline alone."""
    return set(picked) <= {HEADLINE_WORD}


def _named(workload: WorkloadCells, word: str) -> list[Column]:
    columns = recorded(workload)
    if word == ALL_WORD:
        return [column for column in columns if column.is_plain]
    if word == SLICES_WORD:
        return [column for column in columns if column.slice]
    if word in (*AXES, FACTS):
        return [column for column in columns if column.axis == word and not column.slice]
    if word != HEADLINE_WORD:
        return [column for column in columns if word in (column.name, column.slice)]
    quality = [column for column in columns if column.axis == "quality" and not column.slice]
    found = quality[:1]  # the primary one where there is one
    for names in HEADLINE:
        recorded_ones = [column for column in columns if column.name in names]
        column = next((c for c in recorded_ones if c.primary), next(iter(recorded_ones), None))
        if column is not None:
            found.append(replace(column, title=CATALOGUE[column.name].short))
    return found


def recorded(workload: WorkloadCells) -> tuple[Column, ...]:
    """Return a column for every number that can be compared across the workload, by axis and primary first."""
    return workload.once("columns", lambda: _recorded(workload))


def _recorded(workload: WorkloadCells) -> tuple[Column, ...]:
    numbers: dict[str, list[Number]] = {}
    for cell in workload.cells:
        for number in cell.numbers:
            numbers.setdefault(number.name, []).append(number)
    several = has_several_places(workload)
    columns = [_column(same) for same in numbers.values()]
    columns = [column for column in columns if not (several and is_timed(column.name))]
    order = (*AXES, FACTS)
    return tuple(sorted(columns, key=lambda column: (order.index(column.axis), column.slice, not column.primary)))


def slices_of(workload: WorkloadCells) -> tuple[str, ...]:
    """Return the slices, each ``attribute=value``, that some number of the workload is of, in order of appearance."""
    found = (n.slice for cell in workload.cells for n in cell.numbers if n.slice)
    return workload.once("slices", lambda: tuple(dict.fromkeys(found)))


def of_slice(workload: WorkloadCells, chosen: str, picked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of columns as picked, their quality replaced by that of one slice (``attribute=value``)."""
    return (chosen, *(column.name for column in columns_of(workload, picked) if column.axis != "quality"))


def primary_of(workload: WorkloadCells, axis: str) -> Column | None:
    """Return the primary column of an axis; where its times cannot be compared, the first ratio of that axis."""
    on_axis = [column for column in recorded(workload) if column.axis == axis and not column.slice]
    ratios = [column for column in on_axis if column.unit in RATIO_UNITS] if has_several_places(workload) else []
    return next((column for column in on_axis if column.primary), next(iter(ratios), None))


def has_several_places(workload: WorkloadCells) -> bool:
    """Return whether the cells ran on more than one machine or device, so that times cannot be compared."""
    return len({place[:2] for place in workload.places}) > 1


def label_of(name: str, unit: str, axis: str) -> str:
    """Return a number's name as words without its unit; where that leaves no noun, the axis gives one.

    ``energy_j_per_sample`` in J is ``energy per sample``, ``gflop_per_sample`` in GFLOP is ``compute per sample``; a batch
    size and a slice stand behind it as they are.
    """
    base, bracket, part = name.partition("[")
    base, at, batch = base.partition("@")
    behind = [*([at + batch] if at else []), *([bracket + part] if bracket else [])]
    entry = entry_of(base)
    if entry is not None and entry.label:
        return " ".join([entry.label, *behind])
    words, said = base.split("_"), [word for word in unit.lower().replace("/", " per ").split() if word != "1"]
    for start in range(len(words) - len(said), -1, -1) if said else ():
        if words[start : start + len(said)] == said:
            words[start : start + len(said)] = []
            break
    if not words or words[0] == "per":
        words.insert(0, axis)
    return " ".join([*(SPELLING.get(word.lower(), word) for word in words), *behind])


def _column(same: list[Number]) -> Column:
    first = same[0]
    reasons = {number.reason or "error" for number in same if number.value is None}
    nobody = all(number.value is None for number in same)
    # What a task says of a quality that it does not have stands under the table with its name.
    words = dict.fromkeys(flag for number in same if number.axis == "quality" for flag in number.flags)
    why = ", ".join(sorted(reasons)) + "".join(f"; {flag}" for flag in words)
    return Column(
        name=first.name,
        axis=first.axis,
        unit=first.unit,
        higher_is_better=first.higher_is_better,
        primary=any(number.primary for number in same) and not first.slice,
        absent=why if nobody else "",
        slice=first.slice,
    )
