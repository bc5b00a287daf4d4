"""Which numbers the two axes of a Pareto picture may be, as words to choose from, and which two are drawn unasked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from effbench.report.columns import FACTS, Column, primary_of, recorded
from effbench.report.summarise import WorkloadCells


def choices_of(workload: WorkloadCells) -> Mapping[str, Column]:
    """Return text -> number for every number that some method has and that can be compared: what an axis may be.

    The text is label and unit, with the name behind it where two numbers share both. What was measured on all samples comes
    first, then what methods computed about themselves, then slices.
    """
    columns = [column for column in recorded(workload) if not column.absent]
    columns.sort(key=lambda column: (bool(column.slice), column.axis == FACTS))
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
