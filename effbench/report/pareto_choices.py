"""Which numbers the two axes of a Pareto picture may be, as words to choose from, and which two are drawn unasked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from effbench.catalogue import is_timed
from effbench.report.columns import FACTS, Column, has_several_places, primary_of, recorded
from effbench.report.summarise import WorkloadCells


class AxisChoices(NamedTuple):
    """What either axis may be, by the words to choose it by, and which two are drawn unasked."""

    numbers: Mapping[str, Column]
    first: tuple[str, str]


def has_choices(workload: WorkloadCells) -> bool:
    """Return whether there are two numbers to choose; looks no further than to the second."""
    several, names = has_several_places(workload), set[str]()
    for cell in workload.cells:
        names |= {n.name for n in cell.numbers if n.value is not None and not (several and is_timed(n.name))}
        if len(names) > 1:
            return True
    return False


def axis_choices(workload: WorkloadCells) -> AxisChoices:
    """Return the choices of a workload that has some."""
    numbers = choices_of(workload)
    return AxisChoices(numbers, default_choice(workload, numbers))


def choices_of(workload: WorkloadCells) -> Mapping[str, Column]:
    """Return text -> number for every number that some method has and that can be compared: what an axis may be.

    What was measured on all samples comes first, then what methods computed about themselves, then slices.
    """
    columns = [column for column in recorded(workload) if not column.absent]
    columns.sort(key=lambda column: (bool(column.slice), column.axis == FACTS))
    return in_words(columns)


def in_words(columns: Sequence[Column]) -> dict[str, Column]:
    """Return text -> number: label and unit, with the name behind it where two numbers share both."""
    texts = [f"{column.label} ({column.unit})" if column.unit else column.label for column in columns]
    counts = Counter(texts)
    return {text if counts[text] == 1 else f"{text}, {column.name}": column for text, column in zip(texts, columns)}


def default_choice(workload: WorkloadCells, choices: Mapping[str, Column]) -> tuple[str, str]:
    """Return which two of at least two choices are drawn unasked: the primary latency (or its ratio) and quality.

    Where one of them is missing, the first number of another axis stands in, or the first at all.
    """
    texts = {column.name: text for text, column in choices.items()}
    latency, quality = (primary_of(workload, axis) for axis in ("latency", "quality"))
    x = texts.get(latency.name) if latency is not None else None
    y = texts.get(quality.name) if quality is not None else None
    y = y or next(text for text in choices if text != x)
    others = [text for text in choices if text != y]
    return x or next((text for text in others if choices[text].axis != choices[y].axis), others[0]), y
