"""Which numbers of a workload become columns, in which order, and what their headings say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from effbench.errors import BadInput, nearest
from effbench.record import Number
from effbench.report.summarise import Workload

AXES = ("quality", "latency", "memory", "compute", "energy", "preparation")
HEADLINE = (
    ("primary", "quality", ""),
    ("speedup", "latency", "speed-up"),
    ("primary", "latency", "latency"),
    ("primary", "memory", "peak memory"),
    ("parameter_mb", "memory", "params"),
    ("primary", "compute", "compute"),
    ("primary", "preparation", "prep."),
)
"""What every reader needs, in this order: (name of a number or ``primary``, axis, short heading; ``""``: the number's own).

Everything else is asked for by name. A batch size after ``@`` makes another number, which is not of the headline.
"""

ALL_WORD, HEADLINE_WORD = "all", "headline"
"""What ``--columns`` takes besides names: every number, and the headline (which is also the default)."""

TIMED_AXES = frozenset({"latency", "energy", "preparation"})
RATIO_UNITS = frozenset({"x", "×", "1", ""})

ACRONYMS = "RSS FID KID CLIP LPIPS SSIM PSNR MSE mAP NDS mIoU BER EER"
SPELLING = {word.lower(): word for word in ACRONYMS.split()} | {"parameter": "parameters"}
"""How words of names are written in headings where not as they stand."""

NAMES = {"gbyte_per_sample": "bytes moved per sample", "flop_per_byte": "arithmetic intensity"}
"""Headings of numbers whose names are little more than a unit."""


@dataclass(frozen=True)
class Column:
    """One number of every cell; ``absent`` holds the reasons where no cell has it. ``title`` replaces its heading."""

    name: str
    axis: str
    unit: str
    higher_is_better: bool
    primary: bool
    absent: str = ""
    title: str = ""

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


def columns_of(workload: Workload, picked: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a workload: those picked in their order, or the headline where none is.

    ``picked`` holds names of numbers, ``headline``, an axis for all numbers of it, and ``all`` (by axis and primary first).
    What stands there twice is shown once, and a name that this workload did not record is left out (``check_columns`` says
    whether any workload did).
    Where the cells ran in several places, absolute times are left out and only ratios stay.
    """
    found: dict[str, Column] = {}
    for word in picked or (HEADLINE_WORD,):
        for column in _named(workload, word):
            found.setdefault(column.name, column)
    return tuple(found.values())


def check_columns(picked: Iterable[str], workloads: Sequence[Workload]) -> None:
    """Raise ``BadInput`` with the nearest valid name for a column that no workload recorded."""
    valid = {ALL_WORD, HEADLINE_WORD, *AXES, *(n.name for w in workloads for cell in w.cells for n in cell.numbers)}
    for name in picked:
        if name not in valid:
            raise BadInput(f"--columns: unknown number {name!r}{nearest(name, valid)}")


def is_headline(picked: Sequence[str]) -> bool:
    """Return whether a choice of columns is the headline alone."""
    return set(picked) <= {HEADLINE_WORD}


def _named(workload: Workload, word: str) -> list[Column]:
    columns = recorded(workload)
    if word == ALL_WORD:
        return list(columns)
    if word != HEADLINE_WORD:
        return [column for column in columns if word in (column.name, column.axis)]
    found: list[Column] = []
    for name, axis, title in HEADLINE:
        on_axis = [column for column in columns if column.axis == axis]
        column = next((c for c in on_axis if c.name == name), None)
        if name == "primary":
            column = primary_of(workload, axis) or (on_axis[0] if on_axis and axis == "quality" else None)
        if column is not None and column.name not in {other.name for other in found}:
            # A time of several places is replaced by a ratio, which is no latency: it keeps its own heading.
            found.append(replace(column, title=title if column.primary or column.name == name else ""))
    return found


def recorded(workload: Workload) -> tuple[Column, ...]:
    """Return a column for every number that can be compared across the workload, by axis and primary first."""
    numbers: dict[str, list[Number]] = {}
    for cell in workload.cells:
        for number in cell.numbers:
            numbers.setdefault(number.name, []).append(number)
    several = has_several_places(workload)
    columns = [_column(same) for same in numbers.values()]
    columns = [c for c in columns if not (several and c.axis in TIMED_AXES and c.unit not in RATIO_UNITS)]
    return tuple(sorted(columns, key=lambda c: (AXES.index(c.axis), not c.primary)))


def primary_of(workload: Workload, axis: str) -> Column | None:
    """Return the primary column of an axis; where its times cannot be compared, the first ratio of that axis."""
    on_axis = [column for column in recorded(workload) if column.axis == axis]
    ratios = [column for column in on_axis if column.unit in RATIO_UNITS] if has_several_places(workload) else []
    return next((column for column in on_axis if column.primary), next(iter(ratios), None))


def has_several_places(workload: Workload) -> bool:
    """Return whether the cells ran on more than one machine or device, so that times cannot be compared."""
    return len({place[:2] for place in workload.places}) > 1


def label_of(name: str, unit: str, axis: str) -> str:
    """Return a number's name as words without its unit; where that leaves no noun, the axis gives one.

    ``energy_j_per_sample`` in J is ``energy per sample``, ``gflop_per_sample`` in GFLOP is ``compute per sample``.
    """
    base, at, batch = name.partition("@")
    if base in NAMES:
        return " ".join([NAMES[base], *([at + batch] if at else [])])
    words, said = base.split("_"), [word for word in unit.lower().replace("/", " per ").split() if word != "1"]
    for start in range(len(words) - len(said), -1, -1) if said else ():
        if words[start : start + len(said)] == said:
            words[start : start + len(said)] = []
            break
    if not words or words[0] == "per":
        words.insert(0, axis)
    return " ".join([*(SPELLING.get(word.lower(), word) for word in words), *([at + batch] if at else [])])


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
        primary=any(number.primary for number in same),
        absent=why if nobody else "",
    )
