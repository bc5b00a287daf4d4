from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from effbench.errors import BadInput
from effbench.report.formats import FORMATS, SCHEMA, render
from effbench.report.summarise import Summary, summarise
from effbench.report.tables import table_of

ODD = r"a_b|c<d>&[bold]e[/bold]%$#~^\x{y}"


@pytest.fixture
def odd(make: Any) -> Summary:
    return summarise(make.view(make.cell("ref"), make.cell(ODD, order=1)))


class Page(HTMLParser):
    """The text of every table cell, row by row, and whether each tag was closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def read_page(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def markdown_cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_an_unknown_format_names_the_nearest(typical: Summary) -> None:
    with pytest.raises(BadInput, match=r"unknown format 'htm'; did you mean 'html'\?"):
        render(typical, "htm")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_with_one_newline_and_names_every_method(typical: Summary, name: str) -> None:
    text = render(typical, name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    for method in ("reference", "fewer-steps", "int8-simulated", "w4a4"):
        assert method in text


@pytest.mark.parametrize("name", ["table", "md", "html", "latex"])
def test_tables_show_intervals_reasons_and_failures(typical: Summary, name: str) -> None:
    markup = {"html": r"<[^>]*>", "latex": r"[$\\{}]|scriptsize", "md": r"\\|\*\*"}.get(name, "$^")
    text = re.sub(r"\s+", " ", re.sub(markup, "", render(typical, name, width=240)))
    text = text.replace("<br><sub>", " ").replace("&nbsp;", " ")
    for expected in ("[0.289, 0.313]", "failed (oom)", "killed at 7.1 GB", "(ref.)", "812 [796, 829]"):
        assert expected in text
    assert ("n/a (simulated)" in text) == (name != "md")  # whose rows say so in their second column


def test_csv_parses_back_to_every_number(typical: Summary) -> None:
    rows = list(csv.DictReader(io.StringIO(render(typical, "csv"))))
    assert len(rows) == len(typical.numbers)
    for row, number in zip(rows, typical.numbers, strict=True):
        assert row["name"] == number["name"]
        assert row["value"] == ("" if number["value"] is None else repr(number["value"]))
        assert row["reason"] == (number["reason"] or "")


def test_csv_keeps_odd_names(odd: Summary) -> None:
    assert {row["method"] for row in csv.DictReader(io.StringIO(render(odd, "csv")))} == {"ref", ODD}


def test_json_parses_back_to_every_number(odd: Summary) -> None:
    content = json.loads(render(odd, "json"))
    assert list(content) == ["schema", "suite", "numbers", "claims"]
    assert (content["schema"], content["suite"]) == (SCHEMA, "quick")
    assert content["numbers"] == list(odd.numbers)


def test_markdown_rows_have_as_many_cells_as_the_header(odd: Summary) -> None:
    lines = [line for line in render(odd, "md").splitlines() if line.startswith("|")]
    header, ruler, *rows = map(markdown_cells, lines)
    assert len(rows) == 2
    assert {len(cells) for cells in (header, ruler, *rows)} == {9}
    assert set(ruler) == {":--", "--:"}
    assert rows[1][0] == r"a\_b\|c&lt;d&gt;&amp;\[bold\]e\[/bold\]%\$\#\~^\\x{y}"


def test_html_parses_and_shows_odd_names_as_they_are(odd: Summary) -> None:
    page = read_page(render(odd, "html"))
    header, reference, other = page.rows
    assert len(header) == len(reference) == len(other) == 9
    assert other[0] == ODD
    assert reference[2] == "0.301 [0.289, 0.313] #1"


def test_html_takes_the_picture_inside(typical: Summary) -> None:
    text = render(typical, "html", pareto=("latency", "quality"))
    assert text.count("<svg") == 1
    assert "<?xml" not in text
    assert not re.search(r'(src|href)="(?!#)', text)


def test_latex_is_balanced_escaped_and_regular(odd: Summary) -> None:
    text = render(odd, "latex")
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    for environment in ("table", "tabular"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 1
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {8}
    assert not any(row.startswith("[") for row in rows)
    assert (
        r"a\_b\textbar{}c\textless{}d\textgreater{}\&{[}bold{]}e{[}/bold{]}\%\$\#\textasciitilde{}"
        r"\textasciicircum{}\textbackslash{}x\{y\}"
    ) in text


def test_latex_writes_powers_of_ten(make: Any) -> None:
    numbers = [make.number("clip_score", 1.234e-6, 1.1e-6, 1.39e-6)]
    text = render(summarise(make.view(make.cell("ref", numbers))), "latex")
    assert r"$1.23{\times}10^{-6}$ {\scriptsize $[1.10{\times}10^{-6}, 1.39{\times}10^{-6}]$}" in text


@pytest.mark.parametrize("name", FORMATS)
def test_two_tasks_stand_apart(make: Any, name: str) -> None:
    summary = summarise(make.view(make.cell("ref"), make.cell("ref", task="t2v")))
    text = render(summary, name)
    assert "t2i" in text
    assert "t2v" in text


@pytest.mark.parametrize("name", FORMATS)
def test_one_method_that_failed_is_still_a_report(make: Any, name: str) -> None:
    text = render(summarise(make.view(make.failed("ref", order=0))), name)
    assert name in {"csv", "json"} or "failed" in text


@pytest.mark.parametrize(
    ("n", "units", "groups", "words"),
    [
        (5, "groups", 5, "too few independent samples or groups for one at this level"),
        (5, "", 5, "for one at this level"),
        (10, "", 5, "for one at this level"),  # five samples under two seeds
        (6, "groups", 6, "or undefined without some of them or a training"),
        (30, "", 30, "or undefined without some of them or a training"),
    ],
)
def test_a_quality_without_an_interval_says_why(make: Any, n: int, units: str, groups: int, words: str) -> None:
    numbers = [make.number("clip_score", 0.3, n=n, units=units), make.number("parameter_mb", 10.5)]
    cell = make.cell("ref", numbers, n_groups=groups)
    table = table_of(summarise(make.view(cell)).workloads[0])
    ((letter, text),) = table.footnotes
    assert text.startswith("no interval: ") and text.endswith(words)
    assert [entry.marks for entry in table.rows[0].entries] == [letter, ""]


def test_flags_are_footnotes_with_a_legend(make: Any) -> None:
    numbers = [
        make.number("latency_p50_ms", 12.31, 11.92, 12.7, flags=("unsettled",)),
        make.number("clip_score", 0.3, 0.2, 0.4),
    ]
    other = [make.number("latency_p50_ms", 14.0, 13.0, 15.0, flags=("odd_clock", "unsettled")), numbers[1]]
    summary = summarise(make.view(make.cell("ref", numbers), make.cell("a", other, 1)))
    text = render(summary, "table")
    assert "12.3ᵃ [11.9, 12.7]" in text
    assert "14.0ᵃᵇ" in text
    assert "ᵃ timings had not settled" in text
    assert "ᵇ odd clock" in text
    assert "12.3<sup>a</sup>" in render(summary, "html")
    assert r"$12.3$\textsuperscript{a}" in render(summary, "latex")
