"""Paths that a person names and the system refuses (too long, a loop of links): one sentence, whoever looks first."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from effbench.cli.app import run_app
from effbench.cli.outcome import close_run
from effbench.runner.executor import Outcome
from effbench.suite import find_suite, shipped_suites

LONG = "x" * 300
STORE = Path(__file__).parent.parent / "assets" / "store-v1"


def said(monkeypatch, capsys, *arguments):
    """Return (exit code, stderr) of a command."""
    monkeypatch.setattr(sys, "argv", ["effbench", *map(str, arguments)])
    return run_app(), capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", LONG),
        ("run", "quickstart", "--store", LONG),
        ("validate", LONG),
        ("report", LONG),
        ("report", STORE, "--out", LONG),
        ("report", STORE, "--out", f"{LONG}/x.csv", "-f", "csv"),
        ("report", STORE, "--pareto", "latency,quality", "--out", f"{LONG}/x.svg"),
        ("compare", LONG, "a", "b"),
        ("board", LONG),
        ("new", "method", "half-steps", "--into", LONG),
        ("subset", "import", LONG),
        ("subset", "build", "--from", LONG, "--task", "w", "--metric", "m", "--size", "3"),
    ],
)
def test_a_name_that_no_file_can_have_is_one_sentence(monkeypatch, capsys, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    code, text = said(monkeypatch, capsys, *arguments)
    assert code == 2
    assert text.startswith("error: ") and text.count("\n") == 1 and "File name too long" in text


def test_a_loop_of_links_is_no_traceback(monkeypatch, capsys, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for arguments in (("report", STORE, "--out", tmp_path / "loop" / "x.csv"), ("report", tmp_path / "loop")):
        code, text = said(monkeypatch, capsys, *arguments)
        assert code == 2 and text.startswith("error: ") and text.count("\n") == 1


def test_an_error_that_names_no_file_is_not_hidden(monkeypatch):
    def fails(**_):
        raise OSError("no file")

    monkeypatch.setattr("effbench.cli.app.app", fails)
    with pytest.raises(OSError, match="no file"):
        run_app()


def test_what_to_do_next_can_be_pasted(capsys, tmp_path):
    store = Path(shutil.copytree(STORE, tmp_path / "a b'c"))
    assert close_run(store, Outcome(), (), as_json=False) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert shlex.split(line)[3] == str(store) and shlex.split(line)[-1] == str(store)


def test_list_suites_prints_what_run_accepts(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["effbench", "list", "suites"])
    assert run_app() == 0
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in rows] == list(shipped_suites()) and "hub/sdxl" in dict(rows)
    assert all(find_suite(Path(name)) == Path(path.strip()) for name, path in rows)
