"""Runs in a real MLflow store (SQLite), read back with MLflow's own client; ``make test-mlflow`` has it installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from effbench.cli.app import run_app
from effbench.errors import BadInput
from effbench.export import mlflow_runs
from effbench.export.mlflow_runs import export_runs
from effbench.export.run_content import run_content

STORE = Path(__file__).parent.parent / "assets" / "store-v1"

needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None or importlib.util.find_spec("sqlalchemy") is None,
    reason="mlflow is not installed; make test-mlflow does so",
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database with all its tables: making them takes seconds, copying them none."""
    file: Path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    export_runs([], "none", f"sqlite:///{file}")
    return file


@pytest.fixture
def uri(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.db").write_bytes(empty.read_bytes())
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.fixture
def runs(uri: str) -> Callable[[str], list[Any]]:
    """Return the runs of an experiment as MLflow's client gives them, the oldest first."""
    from mlflow import MlflowClient

    def found(experiment: str) -> list[Any]:
        client = MlflowClient(tracking_uri=uri)
        place = client.get_experiment_by_name(experiment)
        return list(client.search_runs([place.experiment_id], order_by=["attributes.start_time"]))

    return found


def written(run: Any) -> tuple[Any, ...]:
    tags = {key: tag for key, tag in run.data.tags.items() if key.startswith("effbench.")}
    info = run.info
    return info.run_name, info.status, info.start_time, info.end_time, run.data.params, run.data.metrics, tags


@needs_mlflow
def test_a_run_holds_what_its_cell_holds(make: ModuleType, uri: str, runs: Callable[[str], list[Any]]) -> None:
    contents = [run_content(cell, make.MACHINE) for cell in make.typical_cells()]
    assert export_runs(contents, "quick", uri) == (4, 0, uri, "quick")
    assert sorted(map(written, runs("quick")), key=lambda run: run[0]) == sorted(
        (
            (c.name, "FAILED" if c.is_failed else "FINISHED", c.started_ms, c.ended_ms, c.params, c.metrics, c.tags)
            for c in contents
        ),
        key=lambda run: run[0],
    )


@needs_mlflow
def test_exporting_twice_makes_no_run_twice(make: ModuleType, uri: str, runs: Callable[[str], list[Any]]) -> None:
    cells = make.typical_cells()
    contents = [run_content(cell, {}) for cell in cells]
    assert export_runs(contents[:2], "quick", uri)[:2] == (2, 0)
    assert export_runs(contents, "quick", uri)[:2] == (2, 2)
    assert export_runs(contents, "quick", uri)[:2] == (0, 4)
    anew = run_content(cells[1].model_copy(update={"finished_utc": "2026-11-23T10:05:00Z"}), {})
    assert export_runs([contents[0], anew], "quick", uri)[:2] == (1, 1)
    found = [run.data.tags["effbench.cell"] for run in runs("quick")]
    assert len(found) == 5 and found.count(cells[1].id) == 2
    assert export_runs(contents, "other", uri)[:2] == (4, 0), "another experiment is another place"


@needs_mlflow
def test_what_an_interrupted_export_left_is_made_again(
    make: ModuleType, uri: str, runs: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    contents = [run_content(cell, {}) for cell in make.typical_cells()]
    log_batch = MlflowClient.log_batch

    def interrupted(client: Any, run_id: str, **entries: Any) -> None:
        if entries.get("tags"):
            raise KeyboardInterrupt
        log_batch(client, run_id, **entries)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "log_batch", interrupted)
        export_runs(contents, "quick", uri)
    assert [run.info.status for run in runs("quick")] == ["RUNNING"]
    assert export_runs(contents, "quick", uri)[:2] == (4, 0)
    assert len(runs("quick")) == 4 and all(run.data.tags["effbench.badge"] for run in runs("quick"))


@needs_mlflow
def test_more_than_mlflow_takes_at_a_time_comes_in_pieces(
    make: ModuleType, uri: str, runs: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [make.number(f"ap[class={i}]", i / 7, 0.0, 1.0) for i in range(700)]
    numbers += [make.number(f"ar[class={i}]", None, reason="too_few_samples") for i in range(250)]
    content = run_content(make.cell("m", numbers, params={f"p{i}": i for i in range(250)}), {})
    monkeypatch.setattr(mlflow_runs, "PAGE", 1)
    export_runs([content, run_content(make.cell("n"), {})], "many", uri)
    assert export_runs([content], "many", uri)[:2] == (0, 1), "found on any page"
    (run,) = [run for run in runs("many") if run.info.run_name == content.name]
    assert len(run.data.metrics) == 2100 and run.data.metrics["ap.class.699"] == 699 / 7
    assert written(run)[4:] == (content.params, content.metrics, content.tags)


@needs_mlflow
@pytest.mark.parametrize("name", ["a/../b", "../x", "<script>", "a'b\"c`", "x" * 400, "ü🙂", "a\tb", " ", "."])
def test_names_of_any_kind_are_taken(make: ModuleType, uri: str, runs: Callable[[str], list[Any]], name: str) -> None:
    numbers = [make.number(name, 1.5, 1.0, 2.0), make.number(f"{name}2", None)]
    cell = make.cell(name, numbers, task=name, params={name: name}, suite=name, device=name, verified_by=name)
    content = run_content(cell, {})
    assert export_runs([content], "hostile", uri)[:2] == (1, 0)
    (run,) = runs("hostile")
    assert sorted(run.data.metrics.values()) == [1.0, 1.5, 2.0] and run.data.params == content.params
    assert export_runs([content], "hostile", uri)[:2] == (0, 1)


@needs_mlflow
def test_what_mlflow_refuses_is_one_sentence(make: ModuleType, uri: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    content = [run_content(make.cell("m"), {})]
    export_runs(content, "gone", uri)
    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
    with pytest.raises(BadInput, match="the experiment 'gone' was deleted in MLflow: restore it, or name another"):
        export_runs(content, "gone", uri)
    (tmp_path / "no.db").write_text("this is no database " * 100)
    for wrong in (f"sqlite:///{tmp_path / 'no.db'}", "nosuch://x", f"sqlite:///{tmp_path}/no.db/x.db"):
        with pytest.raises(BadInput) as refused:
            export_runs(content, "quick", wrong)
        assert "\n" not in str(refused.value) and "MLflow" in str(refused.value)


@needs_mlflow
def test_the_command_exports_a_store_and_says_where(
    uri: str, runs: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> str:
        monkeypatch.setattr(
            sys, "argv", ["effbench", "export", str(STORE), "--to", "mlflow", "--tracking-uri", uri, *words]
        )
        assert run_app() == 0
        out, err = capsys.readouterr()
        assert err == "", "a new database needs no line per table"
        return out

    assert run("--method", "reference") == f"1 run made: experiment frozen in {uri}\n"
    assert run() == f"1 run made, 1 there already: experiment frozen in {uri}\n"
    assert run("--experiment", "mine", "--task", "minimise") == f"2 runs made: experiment mine in {uri}\n"
    assert {run.info.run_name for run in runs("frozen")} == {"minimise/reference", "minimise/toy-momentum"}
    (fast,) = [run for run in runs("frozen") if run.info.run_name == "minimise/toy-momentum"]
    assert fast.data.metrics["gap"] == pytest.approx(-0.6445206889098022, rel=1e-12)
    assert fast.data.tags["effbench.missing.energy_j_per_sample"] == "no_device"


@pytest.mark.parametrize("lacks", ["mlflow", pytest.param("sqlalchemy", marks=needs_mlflow)])
def test_without_it_the_line_that_installs_it_is_said(tmp_path: Path, lacks: str) -> None:
    code = f"import sys; sys.modules[{lacks!r}] = None; from effbench.cli.app import run_app; sys.exit(run_app())"
    words = ["export", str(STORE), "--to", "mlflow", "--tracking-uri", f"sqlite:///{tmp_path / 'x.db'}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert lacks in done.stderr and done.stderr.endswith(": pip install 'effbench[mlflow]'\n")
