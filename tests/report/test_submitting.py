"""The short way to submit, which the board shows, is the one of its page, and every command of it is one of ours."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from effbench.cli.app import app
from effbench.report.submitting import SUBMITTING_PAGE, SUBMITTING_STEPS

ROOT = Path(__file__).parents[2]


def test_every_command_stands_in_the_page() -> None:
    lines = {line.partition("  #")[0].strip() for line in (ROOT / SUBMITTING_PAGE).read_text("utf-8").splitlines()}
    missing = [line for step in SUBMITTING_STEPS for line in step.commands.splitlines() if line not in lines]
    assert not missing


def test_every_command_parses_with_our_command_line() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    seen = 0
    for line in (line for step in SUBMITTING_STEPS for line in step.commands.splitlines()):
        program, name, *words = shlex.split(line)
        if program == "effbench":
            commands[name].make_context(name, words)
            seen += 1
    assert seen >= 5
