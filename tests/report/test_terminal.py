from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from effbench.report.formats import render
from effbench.report.summarise import Summary, summarise
from effbench.report.tables import table_of
from effbench.report.terminal import PLAIN_WIDTH, broken, layout, output_width, render_terminal
from effbench.store import read_store


@pytest.mark.parametrize("width", [30, 60, 80, 100, 120, 140, 240])
@pytest.mark.parametrize("picked", [(), ("all",)])
def test_no_number_is_ever_cut_or_wrapped(typical: Summary, width: int, picked: tuple[str, ...]) -> None:
    table = table_of(typical.workloads[0], picked)
    found = layout(table, width)
    text = render_terminal([table], width)
    for row in table.rows:
        for index in (index for part in found.parts for index in part):
            entry = row.entries[index]
            assert entry.head in text
            assert (entry.short_tail.replace(", ", ",") if found.compact else entry.tail) in text
    assert "…" not in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 240])
@pytest.mark.parametrize("picked", [(), ("all",)])
def test_no_line_is_wider_than_the_terminal(typical: Summary, width: int, picked: tuple[str, ...]) -> None:
    assert max(map(len, render_terminal([table_of(typical.workloads[0], picked)], width).splitlines())) <= width


def test_layout_goes_from_one_line_to_stacked_to_compact_to_several_parts(typical: Summary) -> None:
    table = table_of(typical.workloads[0])
    whole = [list(range(7))]
    assert layout(table, 240) == (False, False, whole, [])
    assert layout(table, 130) == (True, False, whole, [])
    assert layout(table, 80) == (True, True, whole, [])
    stacked, compact, (kept,), left_out = layout(table, 50)
    assert stacked and compact and left_out and kept + left_out == list(range(7))
    assert "Not shown, for want of width: " in render_terminal([table], 50)
    parts = layout(table_of(typical.workloads[0], ["all"]), 60).parts
    assert len(parts) > 1
    assert [index for part in parts for index in part] == list(range(8))


def test_a_headline_of_wide_intervals_and_long_names_is_one_block_of_80_columns(make: Any) -> None:
    """The quickstart printed nine blocks of up to 19 columns; its widest rows, with marks, as they were measured."""

    def wide(quality: float, speedup: float | None) -> list[Any]:
        scale = {"flags": ("noisy_machine",)}
        rest = make.full_numbers()[5:]
        return [
            make.number("prompt_accuracy", quality, 0.9124, 1.0, primary=True, unit="share"),
            make.number("latency_p50_ms", 36.81, 33.92, 52.13, **scale),
            make.number("speedup", speedup, speedup and speedup * 0.9635, speedup and speedup * 1.0365, **scale),
            *rest,
        ]

    chain = make.cell("int8-dynamic+fewer-steps(steps=10)", wide(1.0, 0.877), 1)
    (workload,) = summarise(make.view(make.cell("reference", wide(1.0, 1.0)), chain)).workloads
    text = render_terminal([table_of(workload)], 80)
    assert layout(table_of(workload), 80) == (True, True, [list(range(7))], [])
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("method ") == 1
    for words in ("0.877ᵃ #2", "[0.845,0.909]", "[33.9,52.1]", "+fewer-steps"):
        assert words in text


def test_names_break_where_words_meet() -> None:
    assert broken("int8-dynamic+fewer-steps(steps=10)", 12) == "int8-dynamic\n+fewer-steps\n(steps=10)"
    assert broken("reference (ref.)", 10) == "reference\n(ref.)"
    for name in ("a-b+c(d=-1)", "--", "+", "((", "x" * 50, "a b"):
        assert "".join(broken(name, 4).split()) == "".join(name.split())


def test_columns_sets_the_width_where_stdout_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output_width(False) == PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "80")
    assert output_width(False) == 80


def test_every_part_repeats_the_methods(typical: Summary) -> None:
    table = table_of(typical.workloads[0], ["all"])
    assert render_terminal([table], 60).count("\nreference ") == len(layout(table, 60).parts)


def test_markup_in_a_name_is_text(make: Any) -> None:
    (workload,) = summarise(make.view(make.cell("[bold]x[/bold]_[link=y]"))).workloads
    assert "[bold]x[/bold]_[link=y] (ref.)" in render_terminal([table_of(workload)], 240)


def test_colour_only_where_asked(typical: Summary) -> None:
    tables = [table_of(typical.workloads[0])]
    assert "\x1b[" not in render_terminal(tables)
    assert "\x1b[" in render_terminal(tables, colour=True)


@pytest.mark.parametrize("width", [80, 60, 40])
def test_claims_too_wide_for_a_table_keep_their_method_and_their_words(width: int) -> None:
    text = render(summarise(read_store(Path(__file__).parent.parent / "assets" / "store-v1")), "table", width=width)
    claims = text[text.index("\nClaims\n") :]
    assert "toy-momentum: contraction per step" in claims and "measured here" in claims
    assert max(map(len, claims.splitlines())) <= width
