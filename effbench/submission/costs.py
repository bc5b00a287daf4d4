"""What a method costs, as it was sent in and as it was measured again: times, weights, operations, the peak of memory."""

from __future__ import annotations

from collections.abc import Iterator

from effbench.catalogue import SPEEDUP, entry_of
from effbench.record import CellRecord, Number

SLOWER = 1.25
"""Factor by which a speed-up may be smaller on another machine. Instruction sets alone differ by more (docs/quantization.md):
what is not reproduced on one machine may be on another, and the history says which it was."""
COUNTED = 0.01
"""Share by which facts, and what is counted (weights, operations), may differ. A choice: they come out the same each time
on one machine, and kernels of another instruction set may pack their weights otherwise."""
LEAST_MB = 32.0
"""Peaks of memory that differ by less are not compared: a process that does nothing varies by some of it."""


def costs_of(sent: CellRecord, here: CellRecord) -> Iterator[tuple[Number, Number, bool]]:
    """Yield (number sent in, the same here, whether the method was made to look better) of what a method costs."""
    measured = {number.name: number for number in here.numbers}
    for number in sent.numbers:
        entry, found = entry_of(number.name), measured.get(number.name)
        if entry is None or found is None:
            continue
        if entry.name == SPEEDUP:
            yield number, found, number.value is not None and _is_slower(number, found)
        elif entry.is_exact and not entry.higher_is_better:
            yield number, found, _is_more(number.value, found.value, COUNTED)
        elif number.axis == "memory" and number.primary:
            yield number, found, _is_more(number.value, found.value, SLOWER - 1, LEAST_MB)


def _is_more(sent: float | None, here: float | None, share: float, least: float = 0.0) -> bool:
    """Return whether a cost here is above what was sent in by more than a share of it, and by more than ``least``."""
    if sent is None:
        return False
    return here is None or here - sent > max(share * abs(sent), least)


def _is_slower(sent: Number, here: Number) -> bool:
    """Return whether even the best that was measured here is below the least that was sent in, by more than ``SLOWER``."""
    least = sent.value if sent.ci_low is None else sent.ci_low
    most = here.value if here.ci_high is None else here.ci_high
    return most is None or least is None or most < least / SLOWER


def number_text(number: Number) -> str:
    """Return a number with its interval and unit, or why it is missing."""
    if number.value is None:
        return f"no value ({number.reason})"
    interval = (
        "" if number.ci_low is None or number.ci_high is None else f" [{number.ci_low:.3g}, {number.ci_high:.3g}]"
    )
    return f"{number.value:.4g}{interval} {number.unit}".rstrip()
