from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from effbench.cli.app import run_app
from effbench.cli.compare import compare
from effbench.errors import StoreError


@pytest.fixture
def store(make: Any, tmp_path: Path) -> Path:
    scores = [0.1 * i for i in range(12)]
    members = [
        make.Raw(make.cell(name, order=i, seeds=(0,), n_samples=12), {"clip_score": scores})
        for i, name in enumerate("ab")
    ]
    make.raw_store(tmp_path, *members)
    return tmp_path


def test_the_table_and_the_verdict_go_to_stdout(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(store, "b", "a")
    out, err = capsys.readouterr()
    assert out.startswith("t2i: b against a\n")
    assert "b is not distinguishable from a in CLIP score" in out
    assert err == ""
    assert max(map(len, out.splitlines())) <= 140


def test_json_and_metrics(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(store, "b", "a", metric=["clip_score"], as_json=True)
    content = json.loads(capsys.readouterr().out)
    assert content["schema"] == "effbench/compare/1"
    assert [row["number"] for row in content["numbers"]] == ["clip_score"]


def test_a_missing_store_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not an EffBench store"):
        compare(tmp_path / "nothing", "a", "b")


def test_bad_input_is_one_sentence_and_exit_code_2(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["effbench", "compare", str(store), "b", "c"])
    assert run_app() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: no method 'c' in {store}; valid: a, b\n"
    monkeypatch.setattr("sys.argv", ["effbench", "compare", str(store), "b", "a", "--metric", "clip_score", "--json"])
    assert run_app() == 0
