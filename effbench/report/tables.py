"""The comparison table of a workload, independent of any output format: headings, rows, caption, notes.

A renderer (terminal, Markdown, LaTeX, HTML, the leaderboard) only lays out what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from effbench.counted import counted
from effbench.numbers.quality import ONE_TRAINING
from effbench.record import CellRecord, Number
from effbench.report.caption import caption_of
from effbench.report.claims import Ledger, ledger_of
from effbench.report.columns import FACTS, SLICES_WORD, Column, columns_of, is_headline, recorded
from effbench.report.compare import DEFAULT_LEVEL
from effbench.report.ranks import ranks_of
from effbench.report.resolution import UNRESOLVED, is_unresolved
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells, failure_of, number_of, where_of
from effbench.report.trust import badge_of, check_notes
from effbench.stats.bootstrap import least_clusters

COMPUTED = "computed"
"""How a fact's ``Number.ci_method`` says that nothing was measured, and the flag that it gets for its footnote."""

FEW_UNITS, NO_INTERVAL = "few_units", "no_interval"
"""Flags of a quality number without an interval, for a footnote that says why there is none."""

FLAG_TEXT = {
    COMPUTED: "computed by the method about itself, not measured",
    FEW_UNITS: "no interval: too few independent samples or groups for one at this level",
    NO_INTERVAL: "no interval: too few independent samples or groups, or undefined without some of them or a training",
    "crosscheck_differs": "the hierarchical bootstrap over rounds and calls does not agree with the t interval",
    ONE_TRAINING: "trained once: this holds for this one training",
    "noisy_machine": "the machine was not quiet (noise grade C) while this was timed",
    "peak_includes_load": "the peak could not be reset after loading, so it includes loading",
    "probe_differs": "this job's system gave another output on the probe than the one whose quality was scored",
    "short_warmup": "calls of over a second got two warm-up calls only",
    UNRESOLVED: "too close to the reference for the subset to tell which is better (in grey; see its certificate)",
    "unsettled": "timings had not settled when the warm-up budget was spent",
    "varies_by_sample": "it differs from sample to sample",
}
"""What the flags of numbers mean; a flag that a task's remark set is a sentence already and stands as it is."""

NOT_RECORDED = "–"
"""What stands where a cell has no such number at all."""

LETTERS, RAISED = "abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"
"""Footnote letters, and how plain text raises them (Unicode has no raised q)."""


@dataclass(frozen=True)
class TableEntry:
    """One number as text: a value with its interval, or the reason why there is none; ``marks`` are footnote letters.

    ``rank`` stands behind the interval where methods are ranked by the number; ``is_grey`` is a difference to the reference
    that the subset cannot resolve; ``is_said`` where the row's execution gives the same reason, left out where narrow.
    """

    value: str = ""
    interval: str = ""
    reason: str = ""
    marks: str = ""
    rank: int | None = None
    is_grey: bool = False
    is_said: bool = False

    @property
    def head(self) -> str:
        """Return the value, ``n/a`` for a null, or a dash for what was not recorded; marks belong right behind it."""
        return self.value or ("n/a" if self.reason else NOT_RECORDED)

    @property
    def tail(self) -> str:
        """Return the interval, or the reason of a null in brackets."""
        return self.interval if self.value else f"({self.reason})" if self.reason else ""

    @property
    def short_tail(self) -> str:
        """Return the tail without a reason that the row's execution gives."""
        return "" if self.is_said else self.tail

    @property
    def place(self) -> str:
        """Return the rank as ``#1``, or ``""``."""
        return "" if self.rank is None else f"#{self.rank}"

    @property
    def text(self) -> str:
        """Return the entry in one line, its marks raised: ``12.3ᵃ [11.9, 12.7] #1``."""
        return " ".join(filter(None, (self.head + superscript(self.marks), self.tail, self.place)))


@dataclass(frozen=True)
class TableRow:
    """One cell: its method, where it ran (``""`` where all ran in one place) and an entry per column."""

    cell: CellRecord
    where: str
    entries: tuple[TableEntry, ...]

    @property
    def method(self) -> str:
        """Return the method's id."""
        return self.cell.method_id

    @property
    def name(self) -> str:
        """Return the method's id, with ``(ref.)`` after the reference's."""
        return f"{self.method} (ref.)" if self.is_reference else self.method

    @property
    def is_reference(self) -> bool:
        """Return whether the others are compared with this one."""
        return self.cell.role == "reference"

    @property
    def execution(self) -> str:
        """Return ``real``, ``simulated`` or ``failed (reason)``."""
        if self.cell.status == "failed":
            return f"failed ({failure_of(self.cell).reason})"
        return self.cell.execution

    @property
    def badge(self) -> str:
        """Return one of ``trust.BADGES``, a failure with its reason."""
        return self.execution if self.cell.status == "failed" else badge_of(self.cell)


@dataclass(frozen=True)
class Table:
    """A workload's table, with those claims of its methods that compare with what was measured here.

    ``footnotes`` are (letter, text); ``notes`` say what the table leaves out, what failed, and which checks did not pass.
    ``more`` is how many numbers were recorded besides those of its columns and notes, ``apart`` what ``--columns`` calls
    those that are of slices or were computed, where none of them is shown.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    caption: tuple[str, ...]
    footnotes: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    ledger: Ledger
    more: int = 0
    apart: tuple[str, ...] = ()
    is_headline: bool = False

    @property
    def under(self) -> tuple[str, ...]:
        """Return all lines under the table, footnotes with their letters raised."""
        return (*self.caption, *(f"{superscript(letter)} {text}" for letter, text in self.footnotes), *self.notes)

    @cached_property
    def shows_where(self) -> bool:
        """Return whether the rows ran in different places, so that each must say where."""
        return any(row.where for row in self.rows)


def table_of(workload: WorkloadCells, picked: Sequence[str] = ()) -> Table:
    """Return the table of a workload: the headline, or the columns that ``columns_of`` picks."""
    chosen, every = columns_of(workload, picked), recorded(workload)
    columns = tuple(column for column in chosen if not column.absent)
    letters = _letters(workload, columns)
    numbers = [[shown_number(workload, cell, column.name) for cell in workload.cells] for column in columns]
    ranks = [ranks_of(same) for same in numbers]
    rows = tuple(
        TableRow(
            cell,
            where_of(workload, cell),
            tuple(shown_entry(cell, same[at], letters, placed[at]) for same, placed in zip(numbers, ranks)),
        )
        for at, cell in enumerate(workload.cells)
    )
    absent = ", ".join(f"{c.label} ({c.absent})" for c in chosen if c.absent)
    failed = [_failed(cell) for cell in workload.cells if cell.status == "failed"]
    claimed = ledger_of(workload)
    ledger = tuple(row for row in claimed if row.status != "not comparable")
    return Table(
        title=workload.title,
        columns=columns,
        rows=rows,
        caption=caption_of(workload, columns, brief=is_headline(picked)),
        footnotes=tuple((letter, FLAG_TEXT.get(flag, flag.replace("_", " "))) for flag, letter in letters.items()),
        notes=(
            *workload.notes,
            *([f"n/a for every method: {absent}"] if absent else []),
            *_trained_once(workload, letters),
            *failed,
            *check_notes(workload.cells),
            *_other_claims(len(claimed) - len(ledger)),
        ),
        ledger=ledger,
        more=len({column.name for column in every if column.is_plain} - {column.name for column in chosen}),
        apart=_apart(every, chosen),
        is_headline=is_headline(picked),
    )


def _other_claims(count: int) -> list[str]:
    """Return the note on claims that compare with nothing here; a method with a paper has a dozen, and they drown a table."""
    if not count:
        return []
    are = "is of another setting" if count == 1 else "are of other settings"
    return [f"{counted(count, 'published claim')} {are}: effbench report STORE --claims METHOD lists them"]


def _apart(columns: Sequence[Column], chosen: Sequence[Column]) -> tuple[str, ...]:
    """Return the words for kinds of numbers that were recorded and of which none is shown."""
    kinds = {SLICES_WORD: lambda column: bool(column.slice), FACTS: lambda column: column.axis == FACTS}
    return tuple(word for word, is_one in kinds.items() if any(map(is_one, columns)) and not any(map(is_one, chosen)))


def superscript(marks: str) -> str:
    """Return footnote letters as raised characters, for formats without markup of their own."""
    return marks.translate(str.maketrans(LETTERS, RAISED))


def shown_entry(
    cell: CellRecord, number: Number | None, letters: Mapping[str, str] | None = None, rank: int | None = None
) -> TableEntry:
    """Return a cell's number as text; without ``letters`` its flags leave no marks."""
    if number is None:
        return TableEntry(reason=failure_of(cell).reason if cell.status == "failed" else "", is_said=True)
    marks = "".join(sorted({letters[flag] for flag in number.flags})) if letters is not None else ""
    if number.value is None:
        reason = number.reason or "error"
        is_said = reason == (failure_of(cell).reason if cell.status == "failed" else cell.execution)
        return TableEntry(reason=reason, marks=marks, is_said=is_said)
    value, interval = rounded(number.value, number.ci_low, number.ci_high)
    return TableEntry(value, interval, marks=marks, rank=rank, is_grey=UNRESOLVED in number.flags)


def shown_number(workload: WorkloadCells, cell: CellRecord, name: str) -> Number | None:
    """Return a cell's number with what a table says of it besides its own flags.

    These are that the subset cannot tell it from the reference's, that nobody measured it, and why it has no interval.
    """
    number = number_of(cell, name)
    if number is None:
        return None
    unresolved = (UNRESOLVED,) if is_unresolved(workload, cell, name) else ()
    computed = (COMPUTED,) if number.ci_method == COMPUTED else ()
    more = (*unresolved, *computed, *_without_interval(workload, cell, number))
    return replace(number, flags=(*number.flags, *more)) if more else number


def _without_interval(workload: WorkloadCells, cell: CellRecord, number: Number) -> tuple[str, ...]:
    """Return the flag of a quality that has a value and no interval."""
    if number.axis != "quality" or number.value is None or number.ci_low is not None:
        return ()
    units = number.n if number.units == "groups" else min(number.n, cell.n_groups or number.n)
    least = least_clusters(max(workload.levels, default=DEFAULT_LEVEL))
    return (FEW_UNITS,) if units < least else (NO_INTERVAL,)


def _trained_once(workload: WorkloadCells, letters: dict[str, str]) -> list[str]:
    """Return the note that some methods were trained once, where no number shown has a footnote that says so."""
    methods = [cell.method_id for cell in workload.cells if len(cell.trainings) == 1]
    return [f"{', '.join(methods)} {FLAG_TEXT[ONE_TRAINING]}"] if methods and ONE_TRAINING not in letters else []


def _letters(workload: WorkloadCells, columns: Sequence[Column]) -> dict[str, str]:
    """Return flag -> footnote letter, in order of appearance."""
    shown = [shown_number(workload, cell, column.name) for cell in workload.cells for column in columns]
    flags = dict.fromkeys(flag for number in shown if number is not None for flag in number.flags)
    return {flag: LETTERS[index % len(LETTERS)] for index, flag in enumerate(flags)}


def _failed(cell: CellRecord) -> str:
    failure = failure_of(cell)
    message = " ".join(failure.message.split())
    job = f" in its {failure.job} job" if failure.job else ""
    return f"{cell.method_id} failed{job}: {failure.reason}" + (f": {message}" if message else "")
