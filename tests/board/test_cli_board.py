from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from effbench.cli.board import board, command
from effbench.errors import BadInput, StoreError


def test_the_command_line_names_app_options_and_stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    line = command([tmp_path / "a", tmp_path / "b"], 8600, False)
    assert line[:5] == [sys.executable, "-P", "-m", "streamlit", "run"]
    assert Path(line[5]).name == "app.py"
    assert Path(line[5]).is_file()
    split = line.index("--")
    assert line[split + 1 :] == [str(tmp_path / "a"), str(tmp_path / "b")]
    options = dict(zip(line[6:split:2], line[7:split:2]))
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
    monkeypatch.setattr(os, "execv", lambda *args: pytest.fail("started"))
    with pytest.raises(StoreError, match="not an EffBench store"):
        board([tmp_path / "missing"])


def test_it_is_served_to_this_machine_alone_unless_told_otherwise(tmp_path: Path) -> None:
    def address(*asked: str) -> str:
        line = command([tmp_path], None, True, *asked)
        return line[line.index("--server.address") + 1]

    assert (address(), address("0.0.0.0")) == ("127.0.0.1", "0.0.0.0")


def test_an_address_that_cannot_be_served_on_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, write_store: Callable[..., Path], make: ModuleType
) -> None:
    monkeypatch.setattr(os, "execv", lambda *args: pytest.fail("started"))
    store = write_store("quick", [make.cell("ref")])
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BadInput, match=f"cannot be served on 127.0.0.1, port {port}: Address already in use"):
            board([store], port)
    for host in ("999.1.1.1", "no such host", "192.0.2.1", "x" * 70, "ü" * 70):
        with pytest.raises(BadInput, match="cannot be served on"):
            board([store], None, host)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_the_server_ends_with_the_command_that_started_it(
    write_store: Callable[..., Path], make: ModuleType, how: signal.Signals
) -> None:
    """Case board-survives-sigterm: the port is free afterwards, and until then only this machine sees it."""
    store = write_store("quick", [make.cell("ref")])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "effbench", "board", str(store), "--headless", "--port", str(port)]
    server = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert _answers(server, port)
        listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        server.send_signal(how)
        server.wait(timeout=30)
        assert not psutil.pid_exists(server.pid)
        with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port), 1):
            pass
    finally:
        server.kill()
        server.wait()


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    while server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.1)
    return False
