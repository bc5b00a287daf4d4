"""The Compare tab: the command's sentence, a table that needs no colour, the scatter, and the worst samples."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from effbench.cli.app import run_app
from effbench.report.compare import compare
from effbench.report.rounding import rounded
from effbench.report.verdict import verdict
from effbench.store import read_store

SCORES = np.round(np.random.default_rng(3).normal(0.5, 0.2, 24), 6)
LOST = {"s003": 0.4, "s010": 0.3}
HOSTILE = "<script>alert(1)</script> ![p](http://evil.example/p.png) $x$"


def member(make: ModuleType, name: str, order: int, scores: Any, **rest: Any) -> Any:
    numbers = [make.number("clip_score", float(np.mean(scores)), 0.0, 1.0), make.number("parameter_mb", 8.0 - order)]
    cell = make.cell(name, numbers, order, n_samples=len(scores), seeds=(0,))
    return make.Raw(cell, {"clip_score": scores}, **rest)


def pictures(value: int, count: int = 24) -> dict[str, Any]:
    return {f"s{i:03d}": {"image": np.full((4, 4, 3), value + i, np.uint8)} for i in range(count)}


def lossy() -> Any:
    scores = SCORES.copy()
    for sample, loss in LOST.items():
        scores[int(sample[1:])] -= loss
    return scores + np.where(np.arange(24) % 2, 0.01, 0)


@pytest.fixture
def store(make: ModuleType, tmp_path: Path) -> Path:
    """A reference, one method that loses on two samples, and one that wins on all."""
    make.raw_store(
        tmp_path / "quick",
        member(make, "reference", 0, SCORES, previews=pictures(10)),
        member(make, "lossy", 1, lossy(), previews=pictures(20)),
        member(make, "better", 2, SCORES + 0.1 + 0.001 * np.arange(24)),
    )
    return tmp_path / "quick"


def said(page: AppTest) -> str:
    kinds = ("markdown", "caption", "subheader", "info", "warning", "error")
    return "\n".join(e.value for kind in kinds for e in page.get(kind)).replace("\\", "")


def tables(page: AppTest) -> list[str]:
    return [e.proto.body for e in page.get("html") if "<table>" in e.proto.body]


def cells(table: str) -> list[str]:
    return [unescape(" ".join(re.sub("<[^>]*>", " ", cell).split())) for cell in re.findall("<t[dh].*?</t[dh]>", table)]


def test_the_verdict_of_the_command_comes_first_for_each_against_the_first(
    store: Path, open_board: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = open_board(store, tab="Compare")
    page.multiselect("methods").set_value(["reference", "lossy", "better"]).run()
    assert not page.exception
    view, text = read_store(store), said(page)
    for name in ("lossy", "better"):
        assert f"{name} against reference" in text
        assert verdict(compare(view, name, "reference")) in text
    commands = [code.value for code in page.code]
    assert len(commands) == 2
    monkeypatch.setattr("sys.argv", shlex.split(commands[0]))
    assert run_app() == 0
    assert " ".join(capsys.readouterr().out.split()).endswith(verdict(compare(view, "lossy", "reference")))


def test_the_table_says_outcomes_by_word_and_symbol_with_intervals(
    store: Path, open_board: Callable[..., AppTest]
) -> None:
    page = open_board(store, tab="Compare")
    page.multiselect("methods").set_value(["reference", "better"]).run()
    (table,) = tables(page)
    found = cells(table)
    assert found[:3] == ["number", "reference", "better"]
    row = found[7:14]
    assert row[0].startswith("CLIP score") and row[0].endswith("higher is better")
    assert re.fullmatch(r"0\.11\d* \[0\.\d+, 0\.\d+\]", row[3])
    assert row[5].startswith("▲ better p <0.001")
    assert row[6].startswith("24 samples") and "paired samples" in row[6]
    assert "? unknown" in " ".join(found), "what was measured once decides nothing"
    assert 'aria-label="0.11' in table


def test_methods_are_chosen_by_the_address_and_kept_in_it(store: Path, open_board: Callable[..., AppTest]) -> None:
    page = open_board(store, tab="Compare")
    assert page.multiselect("methods").value == ["reference", "lossy"], "no speed-up: the reference and the next"
    assert "To begin with: the reference and the next one" in said(page)
    page = open_board(store, tab="Compare", methods=["better", "lossy"])
    assert "lossy against better" in said(page) and "To begin with" not in said(page)
    page.multiselect("methods").set_value(["better", "reference"]).run()
    assert "reference against better" in said(page)
    page.multiselect("methods").set_value(["better"]).run()
    assert "Choose two to 4 methods" in said(page) and not tables(page)
    page = open_board(store, tab="Compare", methods=["better", "nobody", "<b>"])
    assert page.multiselect("methods").value == ["better"]


def test_the_worst_samples_come_with_their_pictures_and_values(store: Path, open_board: Callable[..., AppTest]) -> None:
    page = open_board(store, tab="Compare")
    text = said(page)
    assert "Where lossy loses most" in text
    titles = re.findall(r"\*\*(s\d+)\*\* :gray\[seed 0\]", text)
    worst = [f"s{i:03d}" for i in np.argsort(-(SCORES - lossy()), kind="stable") if (SCORES - lossy())[i] > 0]
    assert titles == worst[:10] and titles[:2] == ["s003", "s010"]
    other, first = (rounded(float(scores[3]), None, None)[0] for scores in (lossy(), SCORES))
    assert f"CLIP score {other}, worse by 0.3900" in text and f"CLIP score {first}\n" in text
    assert len(page.get("image")) == 2 * len(titles)
    links = [unquote_plus(unescape(e.proto.body)) for e in page.get("html") if "See it in full" in e.proto.body]
    assert "?task=t2i&tab=Samples&methods=reference&methods=lossy&sample=s010" in links[1]
    page = open_board(store, tab="Samples", methods=["reference", "lossy"], sample="s010")
    assert len(page.get("image")) == 3, "two pictures and their difference"


def test_a_method_that_loses_nowhere_is_said_to(store: Path, open_board: Callable[..., AppTest]) -> None:
    page = open_board(store, tab="Compare")
    page.multiselect("methods").set_value(["reference", "better"]).run()
    assert "It is worse than reference in CLIP score on no sample" in said(page)


def test_of_several_methods_one_is_looked_at_sample_by_sample(store: Path, open_board: Callable[..., AppTest]) -> None:
    page = open_board(store, tab="Compare")
    page.multiselect("methods").set_value(["reference", "better", "lossy"]).run()
    assert page.selectbox("other").options == ["better", "lossy"]
    page.selectbox("other").select("lossy").run()
    assert "Where lossy loses most" in said(page)
    page.multiselect("methods").set_value(["reference", "better"]).run()
    assert not page.exception and "Where better loses most" in said(page)


def test_damaged_samples_cost_what_needs_them_and_nothing_else(store: Path, open_board: Callable[..., AppTest]) -> None:
    cell = next(cell for cell in read_store(store).cells if cell.method_id == "lossy")
    (part,) = (store / "cells" / cell.id / "samples").iterdir()
    part.write_bytes(b"no table")
    page = open_board(store, tab="Compare")
    (table,) = tables(page)
    found = cells(table)
    assert any(part.name in cell and "damaged" in cell for cell in found)
    assert any(cell.startswith("parameter memory") for cell in found) and "0.8750x" in " ".join(found)
    assert any(part.name in warning.value.replace("\\", "") for warning in page.warning)
    assert "cannot be compared with reference in CLIP score" in said(page)
    page.multiselect("methods").set_value(["reference", "better", "lossy"]).run()
    assert "It is worse than reference in CLIP score on no sample" in said(page), "the other method stands"


def test_a_task_without_pictures_or_scores_per_sample_is_compared_all_the_same(
    open_board: Callable[..., AppTest], make: ModuleType, tmp_path: Path, write_store: Callable[..., Path]
) -> None:
    make.raw_store(tmp_path / "plain", member(make, "ref", 0, SCORES), member(make, "lossy", 1, lossy()))
    page = open_board(tmp_path / "plain", tab="Compare")
    assert "Samples" not in [tab.label for tab in page.tabs]
    assert "Where lossy loses most" in said(page) and not page.get("image")
    page = open_board(write_store("bare", make.typical_cells()), tab="Compare")
    assert len(tables(page)) == 1
    assert "No quality has a score per sample" in said(page)


def test_one_method_alone_has_nothing_to_be_compared_with(
    open_board: Callable[..., AppTest], make: ModuleType, write_store: Callable[..., Path]
) -> None:
    page = open_board(write_store("one", [make.cell("ref"), make.failed("b")]))
    assert "Compare" not in [tab.label for tab in page.tabs]


def test_a_failed_method_is_said_to_have_failed(
    open_board: Callable[..., AppTest], make: ModuleType, write_store: Callable[..., Path]
) -> None:
    page = open_board(write_store("failed", make.typical_cells()), tab="Compare")
    page.multiselect("methods").set_value(["reference", "w4a4"]).run()
    assert "w4a4 failed (oom), so it cannot be compared with reference." in said(page)


def test_names_and_prompts_of_strangers_are_text(
    open_board: Callable[..., AppTest], make: ModuleType, tmp_path: Path
) -> None:
    numbers = [make.number("clip_score", 0.5), make.number(HOSTILE, 1.0, unit=HOSTILE)]
    given = {"n_samples": 24, "seeds": (0,)}
    make.raw_store(
        tmp_path,
        make.Raw(make.cell("ref", numbers, 0, **given), {"clip_score": SCORES, HOSTILE: SCORES}),
        make.Raw(make.cell(HOSTILE, numbers, 1, **given), {"clip_score": lossy(), HOSTILE: lossy()}),
    )
    page = open_board(tmp_path, tab="Compare")
    (table,) = tables(page)
    assert "<script>" not in table and "&lt;script&gt;" in table
    texts = [e.value for kind in ("markdown", "caption", "subheader") for e in page.get(kind)]
    shown = [text for text in texts if "evil" in text]
    assert shown and not [text for text in shown if re.search(r"(?<!\\)(!\[|\]\(|\$|<script)", text)]
    figure = page.get("plotly_chart")[0].proto.spec
    assert "<script>" not in figure
