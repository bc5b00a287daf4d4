"""Which numbers of a workload become columns, in which order, and what their headings say."""

from __future__ import annotations

from dataclasses import dataclass

from effbench.record import Number
from effbench.report.summarise import Workload

AXES = ("quality", "latency", "memory", "compute", "energy", "preparation")
COMPANIONS = frozenset({"latency_p50_ms", "speedup", "parameter_mb", "roofline_share"})
"""Numbers shown besides the primary ones; a batch size after ``@`` does not count as part of the name."""

TIMED_AXES = frozenset({"latency", "energy", "preparation"})
RATIO_UNITS = frozenset({"x", "×", "1", ""})
SURROUNDINGS = frozenset({"no_device", "not_requested"})
"""Reasons that say something about the run and nothing about a method."""

ACRONYMS = "RSS FID KID CLIP LPIPS SSIM PSNR MSE mAP NDS mIoU BER EER"
SPELLING = {word.lower(): word for word in ACRONYMS.split()} | {"parameter": "parameters"}
"""How words of names are written in headings where not as they stand."""

NAMES = {"gbyte_per_sample": "bytes moved per sample", "flop_per_byte": "arithmetic intensity"}
"""Headings of numbers whose names are little more than a unit."""


@dataclass(frozen=True)
class Column:
    """One number of every cell; ``absent`` holds the reasons where no cell has it and that is no method's doing."""

    name: str
    axis: str
    unit: str
    higher_is_better: bool
    primary: bool
    absent: str = ""

    @property
    def label(self) -> str:
        """Return the name as words without the unit in it: ``latency_p50_ms`` is ``latency p50``."""
        return label_of(self.name, self.unit, self.axis)

    @property
    def arrow(self) -> str:
        """Return the direction of better: ``↑`` or ``↓``."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def heading(self) -> str:
        """Return label, unit and direction in one line: ``latency p50 (ms) ↓``."""
        return f"{self.label} ({self.unit}) {self.arrow}" if self.unit else f"{self.label} {self.arrow}"


def columns_of(workload: Workload, every: bool = False) -> tuple[Column, ...]:
    """Return the columns of a workload, by axis and primary first; ``every`` takes all numbers.

    Otherwise they are all quality numbers, the primary number of every other axis, and a few well-known companions.
    Where the cells ran in several places, absolute times are left out and only ratios stay.
    """
    return tuple(c for c in recorded(workload) if every or c.axis == "quality" or c.primary or _base(c) in COMPANIONS)


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


def _base(column: Column) -> str:
    return column.name.partition("@")[0]


def _column(same: list[Number]) -> Column:
    first = same[0]
    reasons = {number.reason or "error" for number in same if number.value is None}
    nobody = all(number.value is None for number in same)
    return Column(
        name=first.name,
        axis=first.axis,
        unit=first.unit,
        higher_is_better=first.higher_is_better,
        primary=any(number.primary for number in same),
        absent=", ".join(sorted(reasons)) if nobody and reasons & SURROUNDINGS else "",
    )
