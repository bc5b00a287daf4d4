"""Every command's help holds one example, and the example is a command line that this version takes."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from effbench.cli.app import app


def commands(group, path=()):
    """Yield (words, command) of every command, groups included."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_example_of_a_help_parses(path):
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0 and "Example: effbench " in shown.output
    example = ALL[path].epilog.removeprefix("Example: ").partition(" > ")[0]
    words = shlex.split(example)[1:]
    assert words[: len(path)] == list(path)
    parse(words)


def parse(words):
    """Fail where a command line, without its first word, is none that this version takes."""
    depth = max(length for length in range(len(words) + 1) if tuple(words[:length]) in ALL)
    command = ALL[tuple(words[:depth])]
    with command.make_context("effbench", words[depth:], resilient_parsing=False) as context:
        assert context.args == []


def test_the_commands_of_the_page_on_exporting_parse():
    page = (Path(__file__).parents[2] / "docs" / "exporting.md").read_text("utf-8")
    lines = [line for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    commands_of_ours = [shlex.split(line)[1:] for line in lines if line.startswith("effbench ")]
    assert len(commands_of_ours) >= 5
    for words in commands_of_ours:
        parse(words)


@pytest.mark.parametrize("words", [[], ["subset"]])
def test_a_group_alone_shows_its_help_and_no_error(words):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and "Usage:" in done.output and "error" not in done.output.lower()
