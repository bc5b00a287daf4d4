"""Differences that a condensed subset cannot resolve stand in grey with a footnote, in every format."""

import re

import pytest

from effbench.report.latex import render_latex
from effbench.report.markdown import render_markdown
from effbench.report.page import render_page
from effbench.report.summarise import summarise
from effbench.report.tables import table_of
from effbench.report.terminal import render_terminal

TEXT = "too close to the reference for the subset to tell which is better"


@pytest.fixture
def summary(make):
    known = {"subset": "few@12345678", "resolutions": {"clip_score": 0.02, "lpips_to_reference": None}}
    cells = [
        make.cell(name, make.full_numbers(quality=value), order, **known)
        for order, (name, value) in enumerate([("reference", 0.30), ("near", 0.31), ("far", 0.33)])
    ]
    return summarise(make.view(*cells))


def grey(summary):
    table = table_of(summary.workloads[0], ["all"])
    places = [column.name for column in table.columns]
    return {(row.method, name) for row in table.rows for name, entry in zip(places, row.entries) if entry.is_grey}


def test_only_differences_below_the_certified_one_are_grey_and_all_where_none_is_certified(summary):
    unsure = {(name, "lpips_to_reference") for name in ("near", "far")}
    assert grey(summary) == {("near", "clip_score")} | unsure
    assert TEXT in dict(enumerate(text for _, text in table_of(summary.workloads[0]).footnotes))[0]


def test_a_run_on_all_samples_has_none(typical):
    assert grey(typical) == set()


def test_every_format_shows_it(summary):
    table = table_of(summary.workloads[0])
    plain, coloured = (render_terminal([table], colour=colour) for colour in (False, True))
    assert TEXT in " ".join(plain.split())
    assert re.search(r"\x1b\[2m *0\.310ᵃ", coloured) and re.search(r"\x1b\[0m *0\.330 ", coloured)
    assert render_markdown([table]).count("0.310ᵃ") == 1 and TEXT in render_markdown([table])
    latex = render_latex([table])
    assert r"\textcolor{gray}{$0.310$" in latex and r"\textcolor{gray}{$0.330$" not in latex and "xcolor" in latex
    html = render_page(summary, [table])
    assert '<td class="number null">0.310<sup>a</sup>' in html and '<td class="number">0.330' in html
