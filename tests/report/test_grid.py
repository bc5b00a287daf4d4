from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from effbench.report.grid import Grid, GridColumn, Span, cells_of

WORDS = [
    "a",
    "int8-dynamic",
    "+fewer-steps",
    "(steps=10)",
    "名前",
    "é",
    "x" * 30,
    "two words",
    "line\nbreak",
    "tab\there",
]


def console(colour: bool = False) -> Console:
    return Console(
        file=io.StringIO(),
        width=200,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
    )


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("seed", range(10))
def test_it_is_what_rich_makes_of_the_same_rows(seed: int) -> None:
    """Rich is the specification: names that wrap, wide characters, entries of one line and of two, headings of three."""
    rng = np.random.default_rng(seed)
    names = [" ".join(rng.choice(WORDS, rng.integers(1, 5))) for _ in range(20)]
    entries = [["12.5", "[11.9, 13.1]"][: rng.integers(1, 3)] for _ in names]
    heading = ["peak", "memory", "MB ↓"][-rng.integers(1, 4) :]
    theirs = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    theirs.add_column("method", width=14, overflow="fold")
    theirs.add_column("\n".join(heading), justify="right", vertical="top", width=16)
    for name, entry in zip(names, entries):
        theirs.add_row(Text(name), Text("\n".join(entry)))
    ours = console()
    grid = Grid(ours, [GridColumn(14), GridColumn(16, is_right=True)], 2)
    header = [[[Span("method")]], [[Span(line)] for line in heading]]
    rows = ([grid.wrapped(name, 14), [[Span(line)] for line in entry]] for name, entry in zip(names, entries))
    lines = list(grid.lines(header, rows))
    plain = console()
    plain.print(theirs)
    assert [line.rstrip() for line in lines] == [line.rstrip() for line in written(plain).splitlines()]
    assert {cell_len(line) for line in lines} == {14 + 2 + 16}


def test_colours_are_those_of_the_console_and_take_no_room() -> None:
    spans = [Span("12.5"), Span(" "), Span("[11.9, 13.1]", "dim"), Span("#1", "bold red")]
    (plain, *_), (coloured, *_) = (
        list(Grid(console(colour), [GridColumn(30, is_right=True)], 1).lines([[spans]], [])) for colour in (False, True)
    )
    theirs = console(colour=True)
    theirs.print(Text.assemble(*((span.text, span.style) for span in spans)), end="")
    assert coloured.lstrip() == written(theirs)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("text", ["", "abc", "é", "名前", "a名b", "↑"])
def test_width_is_that_of_a_terminal(text: str) -> None:
    assert cells_of(text) == cell_len(text)
