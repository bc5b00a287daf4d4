from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from effbench.cli.report import report
from effbench.errors import BadInput, StoreError
from effbench.store import StoreView


@pytest.fixture
def stored(make: Any, fake_store: Callable[[StoreView], None]) -> None:
    fake_store(make.view(*make.typical_cells()))


def test_the_table_goes_to_stdout(stored: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(tmp_path)
    out, err = capsys.readouterr()
    assert "reference (ref.)" in out
    assert err == ""
    assert max(map(len, out.splitlines())) <= 140


def test_pictures_go_beside_the_store_by_default(
    stored: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(tmp_path, pareto="latency,quality")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "pareto-latency-quality.png",
        "pareto-latency-quality.svg",
    ]
    out, err = capsys.readouterr()
    assert "fewer-steps" in out
    assert err.count("wrote") == 2


def test_out_with_a_picture_suffix_takes_the_picture_and_stdout_the_table(
    stored: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(tmp_path, format_name="csv", pareto="latency,quality", out=tmp_path / "p.svg")
    assert [file.name for file in tmp_path.iterdir()] == ["p.svg"]
    assert capsys.readouterr().out.startswith("cell,task,method,name,")


def test_out_takes_the_report(stored: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(tmp_path, format_name="json", out=tmp_path / "numbers.json")
    assert json.loads((tmp_path / "numbers.json").read_text())["suite"] == "quick"
    assert capsys.readouterr().out == ""


def test_a_page_takes_its_picture_inside(stored: None, tmp_path: Path) -> None:
    report(tmp_path, format_name="html", pareto="latency,quality", out=tmp_path / "page.html")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    assert "<svg" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format_name": "markdown"}, "unknown format 'markdown'"),
        ({"pareto": "latency"}, "takes two axes"),
        ({"out": Path("p.png")}, "say what to draw"),
        ({"claims": "fewer-step"}, "did you mean 'fewer-steps'"),
        ({"claims": "fewer-steps", "pareto": "latency,quality"}, "leave --pareto out"),
        ({"claims": "fewer-steps", "curves": True}, "leave --curves out"),
        ({"out": Path("/nowhere/t.md"), "format_name": "md"}, "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_written(
    stored: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        report(tmp_path, **options)
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_claims_print_one_method_s_ledger_alone(
    stored: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(tmp_path, claims="fewer-steps")
    assert capsys.readouterr().out == "fewer-steps makes no claims.\n"
    report(tmp_path, claims="fewer-steps", out=tmp_path / "claims.md")
    assert (tmp_path / "claims.md").read_text() == "fewer-steps makes no claims.\n"


def test_a_store_without_a_finished_cell_is_refused(make: Any, fake_store: Callable[[StoreView], None]) -> None:
    fake_store(make.view())
    with pytest.raises(BadInput, match="no cell has finished yet"):
        report(Path("results/quick"))


def test_what_is_not_finished_is_said(
    make: Any, fake_store: Callable[[StoreView], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_store(replace(make.view(make.cell("ref")), unfinished=("t2i/w8",)))
    report(tmp_path)
    assert "1 of 2 cells is not finished yet: t2i/w8" in capsys.readouterr().err


def test_a_missing_store_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not an EffBench store"):
        report(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [("speedup,", "--columns takes names with commas between them"), ("quallity", "did you mean 'quality'")],
)
def test_columns_that_are_no_names_get_a_sentence(stored: None, tmp_path: Path, columns: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        report(tmp_path, columns=columns)


def test_columns_are_shown_in_the_order_asked_for(
    stored: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(tmp_path, format_name="md", columns=" speedup, lpips_to_reference ")
    header = capsys.readouterr().out.splitlines()[2]
    assert header == "| method | execution | speedup (x) ↑ | LPIPS to reference ↓ |"
    report(tmp_path, format_name="csv", columns="speedup")
    assert ",clip_score," in capsys.readouterr().out
    with pytest.raises(BadInput, match="leave --columns out"):
        report(tmp_path, columns="speedup", every=True)
