"""Tables for a paper: booktabs, numbers in math mode, everything escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from effbench.report.claims import LEDGER_TEXT, ledger_columns
from effbench.report.entries import TableEntry
from effbench.report.tables import Table, TableRow

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # a bare one at the start of a row would be read as the argument of the line break before it
    "]": "{]}",
    "–": "--",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
"""What LaTeX does not print as it stands -> how to write it."""

CLOSING = (r"\bottomrule", r"\end{tabular}}")
"""How a table ends; the second brace closes ``resizebox``."""


def render_latex(tables: Sequence[Table]) -> str:
    """Return one ``table`` environment per workload, and one for its claims where it has any.

    The document needs ``booktabs`` and ``graphicx``, and ``xcolor`` where a difference is in grey; a comment says so.
    """
    has_grey = any(entry.is_grey for table in tables for row in table.rows for entry in row.entries)
    parts = [rf"% needs \usepackage{{booktabs,graphicx{',xcolor' if has_grey else ''}}}"]
    for table in tables:
        parts.append(_environment(table))
        parts += [_claims(table)] if table.ledger else []
    return "\n".join(parts)


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(ESCAPES.get(character, character) for character in " ".join(text.split()))


def _environment(table: Table) -> str:
    names = ["method", "execution", *(["where"] if table.shows_where else [])]
    under = [rf"\textsuperscript{{{letter}}} {escape_latex(text)}." for letter, text in table.footnotes]
    under += [f"{escape_latex(note)}." for note in table.notes]
    alignment = "l" * len(names) + "r" * len(table.columns)
    return "\n".join(
        [
            *_opening(f"{table.title}. {' '.join(table.caption)}", _label(table), alignment),
            _line(names + [escape_latex(column.label) for column in table.columns]),
            _line([""] * len(names) + [escape_latex(f"{column.unit} {column.arrow}") for column in table.columns]),
            r"\midrule",
            *(_line(_row(table, row)) for row in table.rows),
            *CLOSING,
            *([r"\par\smallskip", rf"{{\footnotesize {' '.join(under)}}}"] if under else []),
            r"\end{table}",
            "",
        ]
    )


def _claims(table: Table) -> str:
    headings, rows = ledger_columns(table.ledger)
    opening = _opening(
        f"{table.title}: claims of the papers. {LEDGER_TEXT}", f"{_label(table)}-claims", "l" * len(headings)
    )
    lines = [_line([escape_latex(text) for text in texts]) for texts in (headings, *rows)]
    return "\n".join([*opening, lines[0], r"\midrule", *lines[1:], *CLOSING, r"\end{table}", ""])


def _opening(caption: str, label: str, alignment: str) -> list[str]:
    return [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\label{{tab:{label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
    ]


def _label(table: Table) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", table.title).strip("-")


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _row(table: Table, row: TableRow) -> list[str]:
    name = escape_latex(row.name)
    fixed = [rf"\textbf{{{name}}}" if row.is_reference else name, escape_latex(row.execution)]
    return fixed + ([escape_latex(row.where)] if table.shows_where else []) + [_entry(entry) for entry in row.entries]


def _entry(entry: TableEntry) -> str:
    marks = rf"\textsuperscript{{{entry.marks}}}" if entry.marks else ""
    place = rf" {{\scriptsize {escape_latex(entry.place)}}}" if entry.place else ""
    if not entry.value:
        return rf"{{\scriptsize {escape_latex(f'{entry.head} {entry.tail}'.rstrip())}}}{marks}"
    interval = rf" {{\scriptsize ${_powers(entry.interval)}$}}" if entry.interval else ""
    text = f"${_powers(entry.value)}${marks}{interval}{place}"
    return rf"\textcolor{{gray}}{{{text}}}" if entry.is_grey else text


def _powers(number: str) -> str:
    """Return a number (or an interval) with ``1e-6`` as a power of ten and words set upright."""
    words = re.sub(r"n/a|nan|inf", lambda match: rf"\mathrm{{{match[0]}}}", number)
    return re.sub(r"(?<=\d)e(-?\d+)", r"{\\times}10^{\1}", words)
