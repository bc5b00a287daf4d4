from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import typer

from effbench.cli.board import board, command
from effbench.errors import BadInput, StoreError


def test_the_command_line_names_app_options_and_stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    line = command([tmp_path / "a", tmp_path / "b"], 8600, False)
    assert line[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(line[4]).name == "app.py"
    assert Path(line[4]).is_file()
    split = line.index("--")
    assert line[split + 1 :] == [str(tmp_path / "a"), str(tmp_path / "b")]
    options = dict(zip(line[5:split:2], line[6:split:2]))
    assert options["--server.port"] == "8600"
    assert options["--server.headless"] == "false"
    assert options["--browser.gatherUsageStats"] == "false"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_headless_where_asked_or_without_a_display(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def headless(asked: bool) -> str:
        line = command([tmp_path], None, asked)
        return line[line.index("--server.headless") + 1]

    monkeypatch.setenv("DISPLAY", ":0")
    assert (headless(False), headless(True)) == ("false", "true")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert headless(False) == "true"


def test_a_leaderboard_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="effbench_leaderboard"):
        command([tmp_path], None, True)


def test_stores_are_checked_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *args, **rest: pytest.fail("started"))
    with pytest.raises(StoreError, match="not an EffBench store"):
        board([tmp_path / "missing"])


def test_the_server_s_exit_code_is_passed_on_and_ctrl_c_is_a_normal_end(
    monkeypatch: pytest.MonkeyPatch, write_store: Callable[..., Path], make: ModuleType
) -> None:
    store = write_store("quick", [make.cell("ref")])
    monkeypatch.setattr(subprocess, "run", lambda *args, **rest: SimpleNamespace(returncode=3))
    with pytest.raises(typer.Exit) as stop:
        board([store])
    assert stop.value.exit_code == 3

    def interrupt(*args: object, **rest: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupt)
    board([store])
