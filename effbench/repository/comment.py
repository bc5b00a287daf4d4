"""What is said under a pull request: a verdict per submission, and its table beside two references.

Every name in it is a stranger's: it shows as text, calls nobody and links to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from effbench.counted import counted
from effbench.errors import BadInput, StoreError
from effbench.report.compare import compare
from effbench.report.markdown import escape_markdown, render_markdown
from effbench.report.standing import SELF_REPORTED
from effbench.report.summarise import summarise_stores
from effbench.report.tables import table_of
from effbench.report.verdict import verdict
from effbench.repository.checking import Checked, Verdict
from effbench.repository.neighbours import Neighbour, nearest_of, neighbours_of, submission_at, twins_of
from effbench.verification import MEANING

LONGEST = 60_000
"""Characters of a comment; a host takes 65,536."""
SHOWN = 20
"""Findings of a level that are shown; `effbench verify` says the others."""
TITLE = "EffBench: results that were sent in"
_LIVE = (("@", "@&#8203;"), ("://", ":&#8203;//"), (r"\#", "#&#8203;"))
"""What a host makes a mention, a link or a reference of -> the same with an invisible character in it, as text."""


def comment_of(repository: Path, checked: Checked) -> str:
    """Return the comment as Markdown, ending with a newline; what a host would not take is left out and said."""
    sections = [_head(checked), *(_section(repository, one) for one in checked.verdicts)]
    said, left = "", 0
    for section in sections:
        if len(said) + len(section) > LONGEST:
            left += 1
            continue
        said += section + "\n"
    return said + (f"{counted(left, 'submission')} more: see the log of the check.\n" if left else "")


def quiet(markdown: str) -> str:
    """Return Markdown in which no escaped text is a mention, a link or a reference to an issue."""
    for sign, shown in _LIVE:
        markdown = markdown.replace(sign, shown)
    return re.sub(r"(?i)\b(www)\.", r"\1&#8203;.", markdown)


def _text(said: str) -> str:
    return quiet(escape_markdown(said))


def _head(checked: Checked) -> str:
    passed = sum(one.is_passed for one in checked.verdicts)
    counts = f"{counted(len(checked.verdicts), 'submission')}, {passed} passed" if checked.verdicts else "no submission"
    lines = [f"## {TITLE}", "", f"**{'Passed' if checked.is_passed else 'Not passed'}**: {counts}.", ""]
    lines += [f"- **{_text(path)}** {_text(what)}" for path, what in checked.problems[:SHOWN]]
    if len(checked.problems) > SHOWN:
        lines.append(f"- and {counted(len(checked.problems) - SHOWN, 'more')}")
    lines += [f"- {_text(note)}" for note in checked.notes]
    return "\n".join(lines) + "\n"


def _section(repository: Path, found: Verdict) -> str:
    lines = [f"### {_text(str(found.place))}", ""]
    for outcome in found.outcomes:
        word = "passed" if outcome.is_passed else "**not passed**"
        lines.append(f"- {outcome.level}: {word}: {MEANING[outcome.level]}{'' if outcome.is_passed else '?'}")
        told = [outcome.missing] if outcome.missing else [": ".join(filter(None, one)) for one in outcome.findings]
        lines += [f"  - {_text(said)}" for said in told[:SHOWN]]
    lines += [f"- **not passed**: {_text(problem)}" for problem in found.problems]
    ours = submission_at(repository, found.place) if found.is_passed else None
    if ours is not None:
        lines += _beside(repository, ours)
    return "\n".join(lines) + "\n"


def _beside(repository: Path, ours: Neighbour) -> Iterator[str]:
    """Yield what is known of a submission that may stay: by whom, its table, and what a reader should ask about."""
    method, by = ours.manifest.method, ours.manifest.by
    yield _text(
        f"- {method}, sent in by {by} under {ours.manifest.licence}: {SELF_REPORTED} until somebody else has made it again"
    )
    others = neighbours_of(repository, ours)
    yield from (f"- {_text(said)}" for said in twins_of(repository, ours, others))
    if ours.reference is not None:
        yield from (f"- {_text(said)}" for said in _verdict_sentence(ours, ours.reference.method_id))
    other = nearest_of(ours, others)
    if other is None:
        yield "- no other method of this workload is in the repository yet"
    elif other.cell.id == ours.cell.id:
        yield _text(f"- measured again: {other.place} was sent in by {other.manifest.by}")
    else:
        yield _text(
            f"- the nearest in primary quality here: {other.manifest.method} of {other.manifest.by}, {other.place}"
        )
    yield ""
    try:
        yield _table(ours, other)
    except StoreError as error:  # of the other, since this one was just read
        yield _text(f"{error}\n")
        yield _table(ours, None)


def _verdict_sentence(ours: Neighbour, reference: str) -> Sequence[str]:
    try:
        return [verdict(compare(ours.view, ours.manifest.method, reference, ours.cell.task_id))]
    except (BadInput, StoreError) as error:
        return [f"cannot be compared with its reference: {error}"]


def _table(ours: Neighbour, other: Neighbour | None) -> str:
    """Return the table of a method beside its own reference and another method."""
    own = [cell for cell in (ours.reference, ours.cell) if cell is not None]
    views = [replace(ours.view, cells=tuple(own))]
    views += [replace(other.view, cells=(other.cell,))] if other is not None else []
    tables = [table_of(workload) for workload in summarise_stores(views).workloads]
    return quiet(render_markdown(tables).replace("### ", "#### ", 1))
