"""One plain sentence about two methods that a reader can act on.

The primary quality, the median latency and the memory each say better, worse, undecided or unknown, and so do the other
qualities where they are decided; what the first method wins and what it pays make the advice, and what is undecided comes
with the samples or rounds that would decide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from effbench.catalogue import MEDIAN, is_exact
from effbench.record import CellRecord
from effbench.report.compare import Comparison, ComparisonRow, Outcome
from effbench.report.rounding import rounded
from effbench.report.summarise import failure_of

EXACT_TOLERANCE, ONCE_TOLERANCE = 0.01, 0.25
"""How far from 1 a ratio must lie to count: of parameters, which are counted, 1 % (less is a changed header), and of a peak,
which is measured once and moves by some tenths with the allocator, from process to process."""


@dataclass(frozen=True)
class Side:
    """What one axis says: how the first method stands, and the words for it."""

    name: str
    outcome: Outcome
    words: str
    row: ComparisonRow


def verdict(comparison: Comparison) -> str:
    """Return the sentence."""
    a, b = comparison.a, comparison.b
    for cell in (a, b):
        if cell.status == "failed" and not any(number.value is not None for number in cell.numbers):
            other = b if cell is a else a
            return (
                f"{cell.method_id} failed ({failure_of(cell).reason}), so it cannot be compared with {other.method_id}."
            )
    sides = [*_quality(comparison), *_other_quality(comparison), *_speed(comparison), *_memory(comparison)]
    if not sides:
        return f"None of the numbers asked for says whether {a.method_id} or {b.method_id} is to be preferred."
    return f"{a.method_id} {_joined([side.words for side in sides])}: {_advice(sides, a, b)}."


def _quality(comparison: Comparison) -> list[Side]:
    row = next((row for row in comparison.rows if row.axis == "quality" and row.primary), None)
    if row is None:
        return []
    other, outcome = comparison.b.method_id, row.outcome(comparison.level)
    if row.value is None:
        return [Side("quality", "unknown", f"cannot be compared with {other} in {row.label} ({row.reason})", row)]
    value, interval = rounded(row.value, row.ci_low, row.ci_high)
    size = f"(difference {' '.join(filter(None, (value, interval)))})"
    words = {
        "better": f"is better than {other} in {row.label} {size}",
        "worse": f"is worse than {other} in {row.label} {size}",
        "undecided": f"is not distinguishable from {other} in {row.label} {size}",
        "unknown": f"differs from {other} in {row.label} by an amount without an interval {size}",
    }
    return [Side("quality", outcome, words[outcome], row)]


def _other_quality(comparison: Comparison) -> list[Side]:
    """Return the decided ones of the other quality metrics, those that are better and those that are worse together."""
    rows = [row for row in comparison.rows if row.axis == "quality" and not row.primary]
    outcomes: tuple[Outcome, Outcome] = ("better", "worse")
    sides = []
    for outcome in outcomes:
        decided = [row for row in rows if row.outcome(comparison.level) == outcome]
        if decided:
            names = _joined([row.label for row in decided])
            sides.append(Side(names, outcome, f"is {outcome} in {names}", decided[0]))
    return sides


def _speed(comparison: Comparison) -> list[Side]:
    row = next((row for row in comparison.rows if row.number == MEDIAN), None)
    if row is None:
        return []
    outcome = row.outcome(comparison.level)
    if row.value is None:
        return [Side("speed", "unknown", f"cannot be compared in speed ({row.reason})", row)]
    is_faster = row.value < 1
    bounds = [row.value, row.ci_low, row.ci_high]
    if is_faster:  # say the factor above 1
        bounds = [None if bound is None else 1 / bound for bound in (row.value, row.ci_high, row.ci_low)]
    value, interval = rounded(bounds[0] or row.value, bounds[1], bounds[2])
    size = " ".join(filter(None, (f"{value}x", interval)))
    word = "faster" if is_faster else "slower"
    words = {
        "better": f"is faster by {size}",
        "worse": f"is slower by {size}",
        "undecided": f"is not distinguishable in speed ({word} by {size})",
        "unknown": f"seems {word} by {size}, without an interval ({row.reason})",
    }
    return [Side("speed", outcome, words[outcome], row)]


def _memory(comparison: Comparison) -> list[Side]:
    """Return what parameters and the primary memory say, each only where it differs by more than its tolerance."""
    sides = []
    for row in comparison.rows:
        if row.axis != "memory" or row.value is None:
            continue
        if not (row.primary or is_exact(row.number)):
            continue
        if abs(row.value - 1) > (EXACT_TOLERANCE if is_exact(row.number) else ONCE_TOLERANCE):
            outcome: Outcome = "better" if row.value < 1 else "worse"
            sides.append(Side(row.label, outcome, f"takes {row.value:.2g}x the {row.label}", row))
    return sides


def _advice(sides: list[Side], a: CellRecord, b: CellRecord) -> str:
    """Return what follows: what the first method wins and pays, and what would decide the rest."""
    wins, pays, unknown = (
        list(dict.fromkeys(side.name for side in sides if side.outcome == outcome))
        for outcome in ("better", "worse", "unknown")
    )
    quality = next((side for side in sides if side.name == "quality"), None)
    hints = _would_decide([side.row for side in sides if side.outcome == "undecided"])
    if wins and pays:
        said = f"it trades {_joined(pays)} for {_joined(wins)}"
    elif wins and quality is None:
        said = f"it wins in {_joined(wins)}, and its quality was not compared"
    elif wins and quality is not None and quality.outcome == "unknown":
        said = f"it wins in {_joined(wins)}, at an unknown price in quality"
    elif wins:
        said = f"prefer it for {_joined(wins)}{_unless(quality)}"
    elif unknown:
        price = f"it pays in {_joined(pays)}, and " if pays else ""
        said = f"{price}what it wins is not known, since its {_joined(unknown)} could not be compared"
    elif pays:
        said = "there is no reason to prefer it"
    else:
        said = f"nothing here tells {a.method_id} and {b.method_id} apart"
    return "; ".join([said, *hints, *_trained_once(quality, a, b)])


def _trained_once(quality: Side | None, a: CellRecord, b: CellRecord) -> list[str]:
    """Return that what is said of quality holds for one training, where a method trains at random and was trained once."""
    once = [cell.method_id for cell in (a, b) if len(cell.trainings) == 1]
    return [f"{_joined(once)} trained once, so this holds for that training"] if once and quality is not None else []


def _unless(quality: Side | None) -> str:
    """Return the loss of an undecided quality that the samples do not rule out: the worse end of its interval."""
    row = quality.row if quality is not None and quality.outcome == "undecided" else None
    if row is None or row.ci_low is None or row.ci_high is None:
        return ""
    loss = -row.ci_low if row.higher_is_better else row.ci_high
    return (
        f", unless a loss of {loss:.2g} in {row.label} matters, which {row.n} {row.units} do not rule out"
        if loss > 0
        else ""
    )


def _would_decide(rows: Sequence[ComparisonRow]) -> list[str]:
    """Return how many samples or rounds would decide each row that is open, where that can be told."""
    return [
        f"about {float(f'{row.n_needed:.2g}'):.0f} {row.units} (now {row.n}) would decide on "
        f"{'speed' if row.axis == 'latency' else row.label}"
        for row in rows
        if row.n_needed is not None
    ]


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
