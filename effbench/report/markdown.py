"""Tables and claims as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from effbench.errors import BadInput, nearest
from effbench.report.claims import LEDGER_TEXT, LEDGER_TITLE, Ledger, LedgerRow, ledger_columns, ledger_of
from effbench.report.entries import TableEntry, superscript
from effbench.report.summarise import Summary
from effbench.report.tables import Table, TableRow

_BLOCK = re.compile(r"^(?:[-+=]|\d+[.)])")
"""What at the beginning of a line makes a list, a rule or a heading of it; a note may begin with the name of a method."""


def render_markdown(tables: Sequence[Table], with_claims: bool = True) -> str:
    """Return one GitHub-flavoured table per workload under a heading, each with its caption and its claims."""
    return "\n".join(_markdown_table(table, with_claims) for table in tables)


def _markdown_table(table: Table, with_claims: bool) -> str:
    fixed = ["method", "execution", *(["where"] if table.shows_where else [])]
    header = fixed + [escape_markdown(column.heading) for column in table.columns]
    ruler = [":--"] * len(fixed) + ["--:"] * len(table.columns)
    lines = [f"### {escape_markdown(table.title)}", ""]
    lines += [_markdown_line(cells) for cells in (header, ruler, *(_markdown_row(table, row) for row in table.rows))]
    lines.append("")
    lines += [f"{_BLOCK.sub(_marked, escape_markdown(line))}  " for line in table.under]
    if with_claims and table.ledger:
        lines += ["", f"#### {LEDGER_TITLE}", "", *markdown_ledger(table.ledger), "", LEDGER_TEXT]
    return "\n".join(lines) + "\n"


def _markdown_row(table: Table, row: TableRow) -> list[str]:
    name = re.sub(r"(?<=.)(?<! )([+(])", r"<wbr>\1", escape_markdown(row.name))  # where a narrow column may break it
    fixed = [f"**{name}**" if row.is_reference else name, escape_markdown(row.execution)]
    where = [escape_markdown(row.where)] if table.shows_where else []
    return fixed + where + [_markdown_entry(entry) for entry in row.entries]


def _markdown_entry(entry: TableEntry) -> str:
    """Return value and rank, and under them the interval or the reason in small print: that keeps a table narrow."""
    head = " ".join(filter(None, (entry.head + superscript(entry.marks), entry.place)))
    below = escape_markdown(entry.short_tail).replace(" ", "&nbsp;")
    return escape_markdown(head) + (f"<br><sub>{below}</sub>" if below else "")


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _marked(found: re.Match[str]) -> str:
    return f"{found[0][:-1]}\\{found[0][-1]}"


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, also inside a table."""
    escaped = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_ledger(ledger: Ledger, skip: Collection[str] = ("task",)) -> list[str]:
    """Return a ledger as lines of a Markdown table, without the columns to skip."""
    headings, rows = ledger_columns(ledger, skip)
    lines = [_markdown_line([escape_markdown(text) for text in texts]) for texts in (headings, *rows)]
    return [lines[0], _markdown_line([":--"] * len(headings)), *lines[1:]]


def claims_table(summary: Summary, method: str) -> str:
    """Return one method's claims beside what was measured, as Markdown; a sentence where it makes none.

    A claim that compares with no cell stands there once, beside the cell that lacks the least.
    ``method`` is the id of a cell, or the name of a method, which stands for all its variants. Raises ``BadInput`` with
    the nearest name where the store has none of that name.
    """
    cells = [cell for workload in summary.workloads for cell in workload.cells]
    alone = {cell.id: cell.identity.chain[0].use for cell in cells if len(cell.identity.chain) == 1}
    ids = {cell.id for cell in cells if cell.method_id == method}
    ids = ids or {cell_id for cell_id, use in alone.items() if use == method}
    if not ids:
        names = {*(cell.method_id for cell in cells), *alone.values()}
        raise BadInput(f"--claims: no method {method!r} in this store{nearest(method, names)}")
    rows = _once([row for workload in summary.workloads for row in ledger_of(workload) if row.cell in ids])
    if not rows:
        return f"{escape_markdown(method)} makes no claims.\n"
    told_apart = {"task": {row.task for row in rows}, "method": {row.method for row in rows}}
    skip = [heading for heading, values in told_apart.items() if len(values) == 1]
    return "\n".join([*markdown_ledger(rows, skip), "", LEDGER_TEXT]) + "\n"


def _once(rows: Sequence[LedgerRow]) -> Ledger:
    """Return the rows of a ledger in their order, of a claim that none of them compares the one with the least in its way."""
    of_claim: dict[tuple[str, str, str, float], list[LedgerRow]] = {}
    for row in rows:
        of_claim.setdefault((row.metric, row.setting, row.source, row.claimed), []).append(row)
    kept = []
    for found in of_claim.values():
        compared = [row for row in found if row.is_of_its_cell]
        kept += compared or [min(found, key=lambda row: len(row.why))]
    return tuple(sorted(kept, key=list(rows).index))
