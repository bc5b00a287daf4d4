from __future__ import annotations

from typing import Any

import pytest

from effbench.report.summarise import Summary, summarise
from effbench.report.tables import table_of
from effbench.report.terminal import layout, render_terminal


@pytest.mark.parametrize("width", [30, 60, 80, 100, 120, 140, 240])
def test_no_number_is_ever_cut_or_wrapped(typical: Summary, width: int) -> None:
    table = table_of(typical.workloads[0])
    text = render_terminal([table], width)
    for row in table.rows:
        for entry in row.entries:
            assert entry.head in text
            assert entry.tail in text
    assert "…" not in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 240])
def test_no_line_is_wider_than_the_terminal(typical: Summary, width: int) -> None:
    assert max(map(len, render_terminal([table_of(typical.workloads[0])], width).splitlines())) <= width


def test_layout_goes_from_one_line_to_stacked_to_several_parts(typical: Summary) -> None:
    table = table_of(typical.workloads[0])
    assert layout(table, 240) == (False, [list(range(8))])
    assert layout(table, 150) == (True, [list(range(8))])
    stacked, parts = layout(table, 80)
    assert stacked
    assert len(parts) > 1
    assert [index for part in parts for index in part] == list(range(8))


def test_every_part_repeats_the_methods(typical: Summary) -> None:
    table = table_of(typical.workloads[0])
    _, parts = layout(table, 80)
    assert render_terminal([table], 80).count("\nfewer-steps ") == len(parts)


def test_markup_in_a_name_is_text(make: Any) -> None:
    (workload,) = summarise(make.view(make.cell("[bold]x[/bold]_[link=y]"))).workloads
    assert "[bold]x[/bold]_[link=y] (ref.)" in render_terminal([table_of(workload)], 240)


def test_colour_only_where_asked(typical: Summary) -> None:
    tables = [table_of(typical.workloads[0])]
    assert "\x1b[" not in render_terminal(tables)
    assert "\x1b[" in render_terminal(tables, colour=True)
