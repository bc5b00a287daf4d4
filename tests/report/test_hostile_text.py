"""Text of strangers in every format: it is shown as it is, and nothing comes of it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from effbench.report.compare import compare
from effbench.report.comparison_text import comparison_json, render_comparison
from effbench.report.curves import curve_pictures
from effbench.report.figures import draw, draw_all_curves
from effbench.report.formats import render
from effbench.report.markdown import escape_markdown
from effbench.report.pareto import pictures_of
from effbench.report.strict_json import strict_json
from effbench.report.summarise import Summary, summarise

SVG = set(
    [
        "svg",
        "metadata",
        "RDF",
        "Work",
        "type",
        "title",
        "date",
        "format",
        "creator",
        "Agent",
        "defs",
        "style",
        "g",
        "path",
        "use",
        "rect",
        "clipPath",
    ]
)
"""Elements of a picture of ours; none of them loads or runs anything."""
LINK = "[x](javascript:alert(1))"
COMMENT = "--><script>alert(1)</script>"
HOSTILE = (LINK, "![p](http://evil.example/p.png)", "<img src=http://evil.example/x>", "<script>alert(1)</script>",
           "[/b] :skull:", '" onclick="alert(1)', "$\\frac{1", "\\input{/etc/passwd}",
           "`x`", "https://ok.example/a_b", "=1+1", "a;=1+1", COMMENT, "_x", "- x", "1. x", "]]>", "&lt;b>")  # fmt: skip


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest, make: Any) -> tuple[str, Any]:
    """A store whose every free text is the hostile one: names, task, units, captions, messages, claims, places."""
    text: str = request.param
    claim = {"metric": text, "value": 2.0, "unit": text, "setting": text, "source": text, "number": "speedup"}
    numbers = [make.number("clip_score", 0.3, 0.2, 0.4), make.number(text, 1.0, unit=text), make.number("speedup", 2.0)]
    cells = [make.cell(f"{text}{i}", numbers, i, task=text, claims=(claim,), certificate=(text,), subset=text,
                       dtype=text, device=text, params={text: text}) for i in range(2)]  # fmt: skip
    return text, make.view(*cells, make.failed("w4", 2, message=text, task=text), suite=text)


@pytest.fixture
def summary(hostile: tuple[str, Any]) -> Summary:
    return summarise(hostile[1])


def test_markdown_makes_no_link_picture_tag_or_formula_of_it(hostile: tuple[str, Any], summary: Summary) -> None:
    page = render(summary, "md", picked=("all",))
    assert hostile[0].replace("\\", "")[:3] in unescape(page.replace("\\", ""))
    assert not re.search(r"(?<!\\)(\]\(|\$|`|!\[)|<(img|script)", page)


def test_a_note_that_begins_with_a_name_begins_no_list_or_heading(make: Any) -> None:
    for name in ("- x", "+ x", "1. x", "12) x", "===", "---"):
        page = render(summarise(make.view(make.cell("ref"), make.failed(name, 1))), "md")
        (line,) = (line for line in page.splitlines() if "failed in its latency job" in line)
        assert not re.match(r"([-+=]|\d+[.)])", line)
        assert line.replace("\\", "").startswith(f"{name} failed")


def test_html_holds_no_tag_and_no_attribute_of_it(summary: Summary) -> None:
    page = render(summary, "html", picked=("all",))
    assert not re.search(r"<(script|img|a)\b|<[^>]* (on\w+|href|src)=", page)


def test_the_picture_in_a_page_holds_no_tag_of_it(hostile: tuple[str, Any], summary: Summary) -> None:
    """Matplotlib writes each text into a comment beside its glyphs; none of them ends it."""
    page = render(summary, "html", picked=("all",), pareto=("speedup", "quality"))
    assert "<svg" in page and not re.search(
        r"<(script|img|a)\b|<[^>]* (on\w+|href|src)=", re.sub("<!-- .*? -->", "", page)
    )
    picture = draw(pictures_of(summary, ("speedup", "quality")), "svg").decode()
    names = {str(element.tag).rpartition("}")[2] for element in ElementTree.fromstring(picture).iter()}
    assert names <= SVG
    assert not re.search(r"<!--[^>]*--[^>]", picture)


def test_the_curves_of_methods_called_so_are_drawn_with_their_names(make: Any, tmp_path: Path) -> None:
    steps = np.arange(1.0, 9)
    arrays = {"curve_s": [steps], "curve_clip_score": [1 / steps]}
    names = [*HOSTILE, "$\\frac{", "$x$ $y"]
    numbers = [make.number("clip_score", 0.3)]
    members = [make.Raw(make.cell(name, numbers, i, seeds=(0,), n_samples=1), {"clip_score": [0.1]}, arrays=arrays)
               for i, name in enumerate(names)]  # fmt: skip
    (workload,) = summarise(make.raw_store(tmp_path, *members)).workloads
    picture = draw_all_curves(curve_pictures(workload), "svg").decode()
    for name in names:
        said = re.sub("--+", lambda found: "- " * len(found[0]), name)  # a comment may hold no pair of hyphens
        assert said.rstrip()[:4] in picture.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"), name
    ElementTree.fromstring(picture)


def test_latex_runs_no_command_of_it(summary: Summary) -> None:
    assert not re.search(r"\\(input|frac)", render(summary, "latex", picked=("all",)))


def test_csv_has_no_formula_and_its_numbers_are_numbers(summary: Summary) -> None:
    rows = list(csv.DictReader(io.StringIO(render(summary, "csv"))))
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    assert {float(row["value"]) for row in rows if row["value"]} == {0.3, 1.0, 2.0}


def test_csv_leaves_a_negative_number_alone_and_marks_a_formula(make: Any) -> None:
    names = ("=SUM(A1)", "+x", "-x", "@x", " =x", "＝x", "'x", "x=1", "a; =x", "a|@x", "a;b-c")
    cells = [make.cell(name, [make.number("clip_score", -0.5)], i) for i, name in enumerate(names)]
    rows = list(csv.DictReader(io.StringIO(render(summarise(make.view(*cells)), "csv"))))
    assert {row["value"] for row in rows} == {"-0.5"}
    assert [row["method"] for row in rows] == [
        "'=SUM(A1)", "'+x", "'-x", "'@x", "' =x", "'＝x", "'x", "x=1", "a;' =x", "a|'@x", "a;b-c",
    ]  # fmt: skip


def test_the_terminal_shows_brackets_and_colons_as_they_are(hostile: tuple[str, Any]) -> None:
    text, view = hostile
    comparison = compare(view, f"{text}0", f"{text}1")
    shown = render_comparison(comparison, 400)
    assert f"{text}0 against {text}1".replace("\\", "") in shown.replace("\\", "")
    assert json.loads(comparison_json(comparison))["a"]["method"] == f"{text}0"


def test_json_has_no_number_that_is_none() -> None:
    content = {"a": math.nan, "b": [math.inf, {"c": (-math.inf, 1.5, "NaN")}], "d": None}
    text = strict_json(content)
    assert json.loads(text) == {"a": None, "b": [None, {"c": [None, 1.5, "NaN"]}], "d": None}
    assert text.endswith("}\n")


def test_a_ratio_beyond_all_numbers_is_null_with_a_reason(make: Any) -> None:
    huge, tiny = make.number("parameter_mb", 1e300), make.number("parameter_mb", 1e-300)
    claim = {
        "metric": "size",
        "value": 2.0,
        "unit": "x",
        "setting": "",
        "source": "",
        "number": "parameter_mb",
        "as_ratio": True,
    }
    cells = make.cell("ref", [tiny]), make.cell("a", [huge], 1, claims=(claim,))
    view = make.view(cells[0], cells[1].model_copy(update={"reference_cell": cells[0].id}))
    (row,) = json.loads(render(summarise(view), "json"))["claims"]
    assert (row["measured"], row["status"], row["why"]) == (None, "not measured", "the ratio is larger than any number")
    (found,) = compare(view, "a", "ref").rows
    assert (found.value, found.reason) == (None, "the ratio is larger than any number")


@pytest.mark.parametrize("text", ["plain words", "a-b.c", "emoji 🙂 é"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert escape_markdown(text) == text
