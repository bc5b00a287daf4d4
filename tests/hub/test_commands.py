"""Every command that reads a store takes one of the hub, with the same result; none that writes does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from effbench.cli.app import run_app

STORE = Path(__file__).parent.parent / "assets" / "store-v1"
NAME = "hf://datasets/owner/results/small"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command in an empty folder, beside a hub that holds the store, and return (code, stdout, stderr)."""
    hub.hold("owner/results", STORE, "small/")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["effbench", *map(str, words)])
        code = run_app()
        return code, *capsys.readouterr()

    return command


@pytest.mark.parametrize(
    "words",
    [
        ("report", "STORE"),
        ("report", "STORE", "-f", "csv"),
        ("report", "STORE", "-f", "json"),
        ("report", "STORE", "-f", "html", "--pareto", "latency,quality"),
        ("compare", "STORE", "toy-momentum", "reference"),
        ("subset", "scores", "--from", "STORE", "--metric", "gap", "--out", "scores.npz"),
    ],
)
def test_it_says_of_a_store_on_the_hub_what_it_says_of_the_folder(run: Run, words: tuple[str, ...]) -> None:
    of_folder, of_hub = (run(*(store if word == "STORE" else word for word in words)) for store in (STORE, NAME))
    assert of_hub[:2] == of_folder[:2] and (of_folder[1] or "2 methods are too few to rank" in of_hub[2])
    assert of_hub[2].startswith(f"{NAME}: revision 0123456789ab, 16 files, ")


def test_pictures_of_it_go_to_the_working_folder(run: Run, tmp_path: Path) -> None:
    code, _, said = run("report", NAME, "--pareto", "latency,quality")
    assert code == 0 and said.count("wrote pareto-latency-quality") == 2
    assert sorted(file.name for file in Path().iterdir()) == [
        "pareto-latency-quality.png",
        "pareto-latency-quality.svg",
    ]
    assert not list((tmp_path / "cache").rglob("pareto*"))


def test_submit_and_verify_read_it(run: Run) -> None:
    code, _, said = run("submit", NAME, "--method", "toy-momentum", "--licence", "MIT")
    assert code == 2 and "is of before schema 3" in said, "as of the folder: this store is an old one"
    code, _, said = run("verify", NAME)
    assert (code, said.splitlines()[1]) == (
        1,
        "schema: NOT PASSED (1 finding): every file is there as listed, and nothing else?",
    )
    assert "not a submission" in said
    code, _, said = run("verify", NAME, "--by", "me")
    assert code == 2 and "what is on the hub is only read here; leave --by out" in said


@pytest.mark.parametrize(
    "words",
    [
        ("run", "quickstart", "--store", NAME),
        ("run", "quickstart", "--store", NAME, "--dry-run"),
        ("run", "quickstart", "--set", f"output.store={NAME}"),
        ("submit", STORE, "--method", "m", "--licence", "MIT", "--out", NAME),
    ],
)
def test_nothing_is_written_to_the_hub(run: Run, hub: Any, words: tuple[object, ...]) -> None:
    code, out, said = run(*words)
    assert (code, out, said.count("\n")) == (
        2,
        "",
        1,
    ) and "what is on the hub is only read here; name a folder with --" in said
    assert hub.asked == [] and list(Path().iterdir()) == []


@pytest.mark.parametrize("command", [("report",), ("compare",), ("board",)])
def test_what_cannot_be_had_is_one_sentence_and_exit_code_2(run: Run, command: tuple[str, ...]) -> None:
    more = ("a", "b") if command == ("compare",) else ()
    code, out, said = run(command[0], "hf://nobody/nothing", *more, *command[1:])
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert said.startswith("error: hf://datasets/nobody/nothing: the hub has no dataset nobody/nothing")


def test_the_board_gets_the_folder_and_tells_of_what_it_lacks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, line: started.append(line))
    code, _, said = run("board", NAME, "hf://nobody/nothing", STORE, "--headless")
    assert code == 0 and "warning: hf://datasets/nobody/nothing: the hub has no dataset" in said
    (line,) = started
    shown, local = line[line.index("--") + 1 :]
    assert (
        Path(shown).name == "small@0123456"
        and (Path(shown) / "plan.json").read_bytes() == (STORE / "plan.json").read_bytes()
    )
    assert local == str(STORE)


def test_in_a_process_of_its_own_that_is_told_where_the_hub_is(run: Run, hub: Any) -> None:
    line = [sys.executable, "-m", "effbench", "report", NAME, "-f", "csv"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, run("report", STORE, "-f", "csv")[1])
    assert done.stderr == f"{NAME}: revision 0123456789ab, 16 files, 0.0 MB\n" and len(hub.fetched()) == 16
