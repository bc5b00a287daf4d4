"""The comparison table of a workload, independent of any output format: headings, rows, caption, notes.

A renderer (terminal, Markdown, LaTeX, HTML, the leaderboard) only lays out what stands here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from effbench.counted import MOST_NAMED, counted, listed
from effbench.numbers.quality import ONE_TRAINING
from effbench.record import CellRecord
from effbench.report.caption import caption_of
from effbench.report.claims import Ledger, comparable_ledger, count_claims
from effbench.report.columns import FACTS, SLICES_WORD, Column, columns_of, is_headline, recorded
from effbench.report.entries import COMPUTED, FEW_UNITS, NO_INTERVAL, entries_of, letters_of, marked, superscript
from effbench.report.entries import TableEntry as TableEntry
from effbench.report.resolution import UNRESOLVED
from effbench.report.summarise import WorkloadCells, failure_of
from effbench.report.trust import badge_of, check_notes

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
    """A workload's table.

    ``footnotes`` are (letter, text); ``notes`` say what the table leaves out, what failed, and which checks did not pass.
    ``claim_count`` is how many claims compare with what was measured here, ``more`` how many numbers were recorded besides
    those of its columns and notes, ``apart`` what ``--columns`` calls those that are of slices or were computed, where none
    is shown.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    caption: tuple[str, ...]
    footnotes: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    workload: WorkloadCells = field(repr=False)
    claim_count: int = 0
    more: int = 0
    apart: tuple[str, ...] = ()
    is_headline: bool = False

    @property
    def under(self) -> tuple[str, ...]:
        """Return all lines under the table, footnotes with their letters raised."""
        return (*self.caption, *(f"{superscript(letter)} {text}" for letter, text in self.footnotes), *self.notes)

    @cached_property
    def ledger(self) -> Ledger:
        """Return those claims of its methods that compare with what was measured here, made when they are asked for.

        They may take resamples, which a table does not (``claims.ledger_of``).
        """
        return comparable_ledger(self.workload)

    def first_claims(self, most: int) -> Ledger:
        """Return the first rows of the ledger, without making the others."""
        return comparable_ledger(self.workload, most)

    @cached_property
    def shows_where(self) -> bool:
        """Return whether the rows ran in different places, so that each must say where."""
        return any(row.where for row in self.rows)


def table_of(workload: WorkloadCells, picked: Sequence[str] = ()) -> Table:
    """Return the table of a workload: the headline, or the columns that ``columns_of`` picks."""
    chosen, every = columns_of(workload, picked), recorded(workload)
    columns = tuple(column for column in chosen if not column.absent)
    found = [entries_of(workload, column.name) for column in columns]
    letters = letters_of(found)
    entries = zip(*(marked(column, letters) for column in found)) if found else [()] * len(workload.cells)
    rows = tuple(map(TableRow, workload.cells, workload.wheres, entries))
    claims = count_claims(workload)
    absent = ", ".join(f"{c.label} ({c.absent})" for c in chosen if c.absent)
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
            *workload.once("notes", lambda: [*_all_failed(workload), *check_notes(workload.cells)]),
            *_other_claims(claims.others),
        ),
        workload=workload,
        claim_count=claims.comparable,
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


def _trained_once(workload: WorkloadCells, letters: dict[str, str]) -> list[str]:
    """Return the note that some methods were trained once, where no number shown has a footnote that says so."""
    methods = [cell.method_id for cell in workload.cells if len(cell.trainings) == 1]
    return [f"{listed(methods)} {FLAG_TEXT[ONE_TRAINING]}"] if methods and ONE_TRAINING not in letters else []


def _all_failed(workload: WorkloadCells) -> list[str]:
    """Return a note per failed cell, of many the first ones and how often the others failed for which reason."""
    cells = [cell for cell in workload.cells if cell.status == "failed"]
    notes = [_failed(cell) for cell in cells[:MOST_NAMED]]
    rest = Counter(failure_of(cell).reason for cell in cells[MOST_NAMED:])
    reasons = ", ".join(f"{reason} {count:,} times" for reason, count in rest.most_common())
    return [*notes, f"{rest.total():,} more failed: {reasons}"] if rest else notes


def _failed(cell: CellRecord) -> str:
    failure = failure_of(cell)
    message = " ".join(failure.message.split())
    job = f" in its {failure.job} job" if failure.job else ""
    return f"{cell.method_id} failed{job}: {failure.reason}" + (f": {message}" if message else "")
