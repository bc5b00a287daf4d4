"""A summary as text in one of the formats of ``effbench report --format``."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence

from effbench.errors import BadInput, nearest
from effbench.report.summarise import NumberRow, Summary
from effbench.report.tables import Row, Table, superscript, table_of

FORMATS = ("table", "md", "csv", "json", "html", "latex")
SCHEMA = "effbench/report/1"


def render(
    summary: Summary,
    format_name: str,
    *,
    every: bool = False,
    width: int = 140,
    colour: bool = False,
    pareto: tuple[str, str] | None = None,
) -> str:
    """Return the summary in a format, ending with a newline; CSV and JSON always hold every number.

    ``every`` puts all numbers into the tables, ``width`` and ``colour`` are the terminal's, and ``pareto`` (two axes)
    goes into the page of format html. Raises ``BadInput`` for an unknown format.
    """
    if format_name not in FORMATS:
        raise BadInput(f"unknown format {format_name!r}{nearest(format_name, FORMATS)}")
    if format_name == "csv":
        return render_csv(summary.numbers)
    if format_name == "json":
        return render_json(summary)
    tables = [table_of(workload, every) for workload in summary.workloads]
    if format_name == "md":
        return render_markdown(tables)
    if format_name == "latex":
        from effbench.report.latex import render_latex

        return render_latex(tables)
    if format_name == "html":
        from effbench.report.page import render_page

        return render_page(summary, tables, pareto)
    from effbench.report.terminal import render_terminal

    return render_terminal(tables, width, colour)


def render_csv(numbers: Sequence[NumberRow]) -> str:
    """Return one line per number under a header; a null is an empty field beside its reason."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(NumberRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(numbers)
    return text.getvalue()


def render_json(summary: Summary) -> str:
    """Return ``{"schema", "suite", "numbers"}`` as JSON."""
    content = {"schema": SCHEMA, "suite": summary.suite, "numbers": summary.numbers}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def render_markdown(tables: Sequence[Table]) -> str:
    """Return one GitHub-flavoured table per workload under a heading, each with its caption."""
    return "\n".join(_markdown_table(table) for table in tables)


def _markdown_table(table: Table) -> str:
    fixed = ["method", "execution", *(["where"] if table.shows_where else [])]
    header = fixed + [escape_markdown(column.heading) for column in table.columns]
    ruler = [":--"] * len(fixed) + ["--:"] * len(table.columns)
    lines = [f"### {escape_markdown(table.title)}", ""]
    lines += [_markdown_line(cells) for cells in (header, ruler, *(_markdown_row(table, row) for row in table.rows))]
    lines.append("")
    under = [*table.caption, *(f"{superscript(letter)} {text}" for letter, text in table.footnotes), *table.notes]
    lines += [f"{escape_markdown(line)}  " for line in under]
    return "\n".join(lines) + "\n"


def _markdown_row(table: Table, row: Row) -> list[str]:
    name = escape_markdown(row.name)
    fixed = [f"**{name}**" if row.is_reference else name, escape_markdown(row.execution)]
    where = [escape_markdown(row.where)] if table.shows_where else []
    return fixed + where + [escape_markdown(entry.text) for entry in row.entries]


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, also inside a table."""
    escaped = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
