"""A summary as text in one of the formats of ``effbench report --format``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import asdict

from effbench.errors import BadInput, nearest
from effbench.report.claims import ledger_of
from effbench.report.columns import check_columns
from effbench.report.strict_json import strict_json
from effbench.report.summarise import NumberRow, Summary
from effbench.report.tables import table_of

FORMATS = ("table", "md", "csv", "json", "html", "latex")
"""What ``--format`` takes."""

SCHEMA = "effbench/report/1"
"""Of the JSON; fields may come to be added, and none changes its meaning."""

FORMULA = re.compile("(^|[;|])(?=\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20])")
"""Where text begins, at its start or behind what some locales separate fields by, that a spreadsheet takes for a formula; the
last four are the same signs in full width."""


def render(
    summary: Summary,
    format_name: str,
    *,
    picked: Sequence[str] = (),
    width: int = 140,
    colour: bool = False,
    pareto: tuple[str, str] | None = None,
) -> str:
    """Return the summary in a format, ending with a newline; CSV and JSON always hold every number.

    ``picked`` are the columns of the tables (``columns.columns_of``; none: the headline), ``width`` and ``colour`` are the
    terminal's, and ``pareto`` (two axes) goes into the page of format html. Raises ``BadInput`` for an unknown format, and
    for a column that no workload recorded.
    """
    if format_name not in FORMATS:
        raise BadInput(f"unknown format {format_name!r}{nearest(format_name, FORMATS)}")
    check_columns(picked, summary.workloads)
    if format_name == "csv":
        return render_csv(summary.numbers)
    if format_name == "json":
        return render_json(summary)
    tables = [table_of(workload, picked) for workload in summary.workloads]
    if format_name == "md":
        from effbench.report.markdown import render_markdown

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
    """Return one line per number under a header; a null is an empty field beside its reason.

    A spreadsheet computes a text that begins like a formula, so such a text gets an apostrophe before it, which a
    spreadsheet hides; so does what begins so behind a sign at which some locales split fields. Numbers stay numbers,
    negative ones too.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(NumberRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in numbers)
    return text.getvalue()


def _no_formula(value: object) -> object:
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def render_json(summary: Summary) -> str:
    """Return ``{"schema", "suite", "numbers", "claims"}`` as JSON."""
    claims = [asdict(row) for workload in summary.workloads for row in ledger_of(workload)]
    content = {"schema": SCHEMA, "suite": summary.suite, "numbers": summary.numbers, "claims": claims}
    return strict_json(content)
