"""The claims ledger: what a method's paper published beside what was measured here, and whether the two agree.

A claim that we cannot put beside one of our numbers is never counted against the method: it is ``not comparable`` where the
setting differs, and ``not measured`` where there is no number, each with what is in the way. A claim about a kind of device
that the cell did not run on was not measured either, and what another device gave is not shown beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NamedTuple, get_args

from effbench.catalogue import RATIO_UNITS
from effbench.counted import counted
from effbench.record import CellRecord, PublishedClaim
from effbench.report.measured import Measured, measured_for
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells, name_of, number_of

Status = Literal["reproduced", "not reproduced", "not comparable", "not measured"]

SLACK = 0.01
"""Share of the claim by which a number without an interval may lie below it and still reproduce it: papers round to two or
three digits, and the last of three is worth up to 1 %."""

ROUNDING = 1e-9
"""Share of a claim by which its own last digits, as floats, may miss the bound that they are equal to."""

DEVICE_NAMES = {"cuda": "GPU", "cpu": "CPU"}
"""Kind of device -> what a reader calls it."""

HEADINGS = ("task", "method", "claim", "setting", "source", "claimed", "measured here", "status")
"""Of the columns of a ledger, whatever shows it."""

LEDGER_TITLE = "Claims"
LEDGER_TEXT = (
    "Reproduced: the claim lies in the interval measured here or on its worse side (without an interval: within 1 %)."
)


@dataclass(frozen=True)
class LedgerRow:
    """One claim of one cell. ``why`` says what is in the way where the claim is not comparable or not measured.

    ``is_of_its_cell``: the claim is about the setting that the cell has.
    """

    cell: str
    task: str
    method: str
    metric: str
    setting: str
    source: str
    unit: str
    claimed: float
    number: str
    as_ratio: bool
    measured: float | None
    ci_low: float | None
    ci_high: float | None
    measured_unit: str
    status: Status
    why: str
    is_of_its_cell: bool

    @property
    def what(self) -> str:
        """Return the claimed metric, said to be a ratio where it is one."""
        return f"{self.metric} (ratio to the reference)" if self.as_ratio else self.metric

    @property
    def claimed_text(self) -> str:
        """Return the claimed value with its unit, with the digits that were published."""
        return f"{self.claimed:.12g} {self.unit}".rstrip()

    @property
    def measured_text(self) -> str:
        """Return the measured value with its unit and interval, or a dash."""
        if self.measured is None:
            return "–"
        value, interval = rounded(self.measured, self.ci_low, self.ci_high)
        return " ".join(filter(None, (value, self.measured_unit, interval)))

    @property
    def verdict(self) -> str:
        """Return the status with its reason in brackets."""
        return f"{self.status} ({self.why})" if self.why else self.status

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the row as text, one per heading of ``HEADINGS``."""
        return (
            self.task, self.method, self.what, self.setting, self.source,
            self.claimed_text, self.measured_text, self.verdict,
        )  # fmt: skip


Ledger = tuple[LedgerRow, ...]


def ledger_columns(ledger: Ledger, skip: Collection[str] = ("task",)) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return (headings, rows of text) of a ledger without some columns; under a table the task is said already."""
    keep = [i for i, heading in enumerate(HEADINGS) if heading not in skip]
    return tuple(HEADINGS[i] for i in keep), [tuple(row.texts[i] for i in keep) for row in ledger]


def has_claims(workload: WorkloadCells) -> bool:
    """Return whether any method here claims a number."""
    return any(cell.claims for cell in workload.cells)


def ledger_of(workload: WorkloadCells) -> Ledger:
    """Return a row for every claim of every cell of a workload, in its order.

    A ratio of two qualities takes the resamples of both cells, which are read for it; where they are damaged it is not
    measured, and its row says why.
    """
    return tuple(_row(workload, *one) for one in _claims(workload.cells))


def ledger_of_cell(workload: WorkloadCells, cell: CellRecord) -> Ledger:
    """Return a row for every claim of one cell of a workload."""
    return tuple(_row(workload, *one) for one in _claims([cell]))


def comparable_ledger(workload: WorkloadCells, most: int | None = None) -> Ledger:
    """Return the rows of those claims that are about the setting of their cell, as ``ledger_of`` does: all or the first."""
    comparable = (one for one in _claims(workload.cells) if _is_comparable(workload, *one))
    return tuple(_row(workload, *one) for one in islice(comparable, most))


class ClaimCounts(NamedTuple):
    """How many claims are about the setting of their cell, and how many are of another one: ``not comparable``."""

    comparable: int
    others: int


def count_claims(workload: WorkloadCells) -> ClaimCounts:
    """Return the numbers of claims, for which no resample is read."""

    def count() -> ClaimCounts:
        found = [_is_comparable(workload, *one) for one in _claims(workload.cells)]
        return ClaimCounts(sum(found), len(found) - sum(found))

    return workload.once("claim counts", count)


def _claims(cells: Iterable[CellRecord]) -> Iterator[tuple[CellRecord, PublishedClaim, str]]:
    """Yield every claim of some cells, with what makes its setting another one, or ``""``."""
    for cell in cells:
        known = _conditions(cell) if cell.claims else {}
        for claim in cell.claims:
            yield cell, claim, _in_the_way(cell, claim, known)


def _is_comparable(workload: WorkloadCells, cell: CellRecord, claim: PublishedClaim, in_the_way: str) -> bool:
    """Return whether a row's status is another one than ``not comparable``; what is measured matters by its unit alone."""
    if in_the_way:
        return False
    number = number_of(cell, claim.number) if claim.number else None
    if number is None or _same_unit(claim, Measured(None, unit="x" if claim.as_ratio else number.unit)):
        return True
    return measured_for(workload, cell, claim).value is None


def ledger_text(ledger: Ledger) -> str:
    """Return how many claims of a ledger have which status: ``5 claims: 2 reproduced, 3 not measured.`` or ``No claim.``."""
    counts = {status: sum(row.status == status for row in ledger) for status in get_args(Status)}
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{counted(len(ledger), 'claim')}: {said}." if ledger else "No claim."


def _row(workload: WorkloadCells, cell: CellRecord, claim: PublishedClaim, in_the_way: str) -> LedgerRow:
    needed = _device_needed(cell, claim)
    measured = Measured(None, why=f"needs {needed}") if needed else measured_for(workload, cell, claim)
    status, why = _status(claim, measured, "" if needed else in_the_way)
    return LedgerRow(
        cell=cell.id,
        task=workload.title,
        method=name_of(workload, cell),
        metric=claim.metric,
        setting=claim.setting,
        source=claim.source,
        unit=claim.unit,
        claimed=claim.value,
        number=claim.number,
        as_ratio=claim.as_ratio,
        measured=measured.value,
        ci_low=measured.ci_low,
        ci_high=measured.ci_high,
        measured_unit=measured.unit,
        status=status,
        why=why,
        is_of_its_cell=status != "not comparable" and not needed,
    )


def _status(claim: PublishedClaim, measured: Measured, in_the_way: str) -> tuple[Status, str]:
    if in_the_way:
        return "not comparable", in_the_way
    if measured.value is None:
        return "not measured", measured.why
    if not _same_unit(claim, measured):
        return "not comparable", f"claimed in {claim.unit or 'no unit'}, measured in {measured.unit or 'no unit'}"
    return ("reproduced" if _holds(claim.value, measured) else "not reproduced"), ""


def _holds(claimed: float, measured: Measured) -> bool:
    """Return whether the claim lies in the interval or on its worse side; a bare number may miss it by ``SLACK``."""
    assert measured.value is not None
    bound = measured.ci_high if measured.higher_is_better else measured.ci_low
    missed = claimed - (measured.value if bound is None else bound)
    allowed = (SLACK if bound is None else ROUNDING) * abs(claimed)
    return (missed if measured.higher_is_better else -missed) <= allowed


def _same_unit(claim: PublishedClaim, measured: Measured) -> bool:
    theirs, ours = (unit if unit not in RATIO_UNITS else "" for unit in (claim.unit, measured.unit))
    return bool(theirs == ours)


def _device_needed(cell: CellRecord, claim: PublishedClaim) -> str:
    """Return the kind of device that a claim is about where the cell ran on another, or ``""``."""
    asked = str(claim.holds_for.get("device_class", cell.identity.device_class))
    if claim.not_comparable or asked == cell.identity.device_class:
        return ""
    return DEVICE_NAMES.get(asked, asked)


def _in_the_way(cell: CellRecord, claim: PublishedClaim, known: Mapping[str, list[Any]]) -> str:
    """Return what makes the claim's setting another one than the cell's, or ``""``."""
    missed = [claim.not_comparable] if claim.not_comparable else []
    for name, expected in claim.holds_for.items():
        if claim.not_comparable and name == "device_class":
            continue  # no device would change that
        found = known.get(name)
        if found is None:
            missed.append(f"it holds for {name} = {expected}, and this cell has no {name}")
        elif not any(_plain(value) == _plain(expected) for value in found):
            missed.append(f"it holds for {name} = {expected}, not {' or '.join(map(str, found))}")
    if len(cell.identity.chain) > 1:
        missed.append(f"it is about one method, and this is the chain {cell.method_id}")
    return "; ".join(missed)


def _conditions(cell: CellRecord) -> dict[str, list[Any]]:
    """Return name -> values of what a claim can hold for; links of a chain may share a parameter's name.

    A parameter hides a fact of its name: what was asked for is what a paper's setting says.
    """
    identity = cell.identity
    known: dict[str, list[Any]] = {name: [value] for name, value in identity.task_params.items()}
    for link in identity.chain:
        for name, value in {**link.defaulted, **link.passed}.items():
            known.setdefault(name, []).append(value)
    facts = {n.name: [n.value] for n in cell.numbers if n.axis == "facts" and n.value is not None}
    own = {"task": [identity.task], "device_class": [identity.device_class], "dtype": [identity.dtype]}
    return facts | known | own


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
