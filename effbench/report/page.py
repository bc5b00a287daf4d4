"""One self-contained HTML page: the tables of a summary and, where asked, the Pareto picture inside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from effbench.report.claims import LEDGER_TEXT, LEDGER_TITLE, ledger_columns
from effbench.report.columns import Column
from effbench.report.entries import TableEntry
from effbench.report.summarise import Summary
from effbench.report.tables import Table, TableRow

CSS = """
:root { color-scheme: light; }
body { margin: 2.5rem auto; max-width: 78rem; padding: 0 1.5rem; color: #1c1e21; background: #fff;
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.lead { color: #62676f; margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
thead th { border-bottom: 2px solid #1c1e21; vertical-align: bottom; font-weight: 600; }
thead small { display: block; color: #62676f; font-weight: 400; white-space: nowrap; }
th, td { padding: .4rem .8rem; text-align: left; border-bottom: 1px solid #e4e6e9; }
tbody th { font-weight: 400; white-space: nowrap; } tr.reference th { font-weight: 650; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; } tbody tr:hover { background: #f6f8fa; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
.claims td { font-size: .92em; } .interval { display: block; color: #62676f; font-size: .82em; } .null { color: #8a8f98; }
.badge { border-radius: 1em; padding: .1em .65em; font-size: .82em; white-space: nowrap; }
.real { background: #e2f2ea; color: #0b6b4a; } .simulated { background: #fdf0d5; color: #80560a; }
.failed { background: #fbe3dc; color: #97310b; }
.under { color: #62676f; font-size: .85rem; margin: .6rem 0 0; } figure { margin: 2rem 0; }
svg { max-width: 100%; height: auto; }
"""
"""The look of the page, inside it: a page that is sent on needs no other file."""


def render_page(summary: Summary, tables: Sequence[Table], axes: tuple[str, str] | None = None) -> str:
    """Return the page; ``axes`` asks for a Pareto picture. Raises ``BadInput`` where that cannot be drawn."""
    title = escape(summary.suite)
    body = [f"<h1>{title}</h1>", '<p class="lead">Quality, latency and memory, measured by EffBench.</p>']
    body += [_section(table) for table in tables]
    if axes is not None:
        from effbench.report.figures import draw
        from effbench.report.pareto import pictures_of

        picture = draw(pictures_of(summary, axes), "svg").decode()
        body.append(
            f"<h2>{escape(axes[0])} and {escape(axes[1])}</h2>\n<figure>{picture[picture.index('<svg') :]}</figure>"
        )
    head = f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>{title}</title>'
    head = f"<head>\n{head}\n<style>{CSS}</style>\n</head>"
    return "\n".join(["<!DOCTYPE html>", '<html lang="en">', head, "<body>", *body, "</body>", "</html>", ""])


def _section(table: Table) -> str:
    where = ["<th>where</th>"] if table.shows_where else []
    header = ["<th>method</th>", "<th>execution</th>", *where, *map(_heading, table.columns)]
    under = [escape(line) for line in table.caption]
    under += [f"<sup>{letter}</sup> {escape(text)}" for letter, text in table.footnotes]
    under += [escape(note) for note in table.notes]
    return "\n".join(
        [
            f"<h2>{escape(table.title)}</h2>",
            f'<div class="wide"><table>\n<thead><tr>{"".join(header)}</tr></thead>\n<tbody>',
            *(_row(table, row) for row in table.rows),
            "</tbody></table></div>",
            f'<p class="under">{"<br>".join(under)}</p>',
            *_claims(table),
        ]
    )


def _claims(table: Table) -> list[str]:
    """Return the claims of a table's methods as lines of HTML; none where there is no claim."""
    if not table.ledger:
        return []
    headings, rows = ledger_columns(table.ledger)
    return [
        f"<h3>{LEDGER_TITLE}</h3>",
        f'<div class="wide"><table class="claims">\n<thead><tr>{_cells("th", headings)}</tr></thead>\n<tbody>',
        *(f"<tr>{_cells('td', row)}</tr>" for row in rows),
        "</tbody></table></div>",
        f'<p class="under">{escape(LEDGER_TEXT)}</p>',
    ]


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _heading(column: Column) -> str:
    return f'<th class="number">{escape(column.label)}<small>{escape(column.unit)} {column.arrow}</small></th>'


def _row(table: Table, row: TableRow) -> str:
    badge = f'<span class="badge {row.execution.split(" ")[0]}">{escape(row.execution)}</span>'
    where = [f"<td>{escape(row.where)}</td>"] if table.shows_where else []
    cells = [f'<th scope="row">{escape(row.name)}</th>', f"<td>{badge}</td>", *where, *map(_entry, row.entries)]
    opening = '<tr class="reference">' if row.is_reference else "<tr>"
    return f"{opening}{''.join(cells)}</tr>"


def _entry(entry: TableEntry) -> str:
    marks = f"<sup>{entry.marks}</sup>" if entry.marks else ""
    if not entry.value:
        return f'<td class="number null">{entry.head}{marks} {escape(entry.tail)}</td>'
    below = " ".join(filter(None, (escape(entry.interval), f"<b>{entry.place}</b>" if entry.place else "")))
    below = f' <span class="interval">{below}</span>' if below else ""
    look = "number null" if entry.is_grey else "number"
    return f'<td class="{look}">{escape(entry.value)}{marks}{below}</td>'
