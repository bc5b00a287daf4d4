from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from streamlit.testing.v1 import AppTest

from effbench.record import Check, Noise

APP = Path(__file__).parent.parent.parent / "leaderboard" / "app.py"


Read = Callable[[AppTest], list[dict[str, str]]]
"""The fixture ``table_on``."""


def column(rows: list[dict[str, str]], name: str) -> list[str]:
    return [row[name] for row in rows]


def test_the_table_shows_values_intervals_badges_and_reasons(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    board = open_board(write_store("quick", make.typical_cells()))
    rows = table_on(board)
    assert rows[0]["method"] == "reference reference" and rows[0]["latency"] == "812 [796, 829]"
    shown = {row["method"]: row for row in rows}
    assert column(rows, "execution") == [
        "◌ real (not checked)",
        "○ simulated",
        "◌ real (not checked)",
        "✕ failed (oom)",
    ]
    assert shown["int8-simulated"]["latency"] == "n/a simulated" and shown["w4a4"]["latency"] == "n/a oom"
    assert any("n = 64 samples" in caption.value for caption in board.caption)
    assert any("killed at 7.1 GB" in caption.value for caption in board.caption)


def test_every_number_the_columns_and_the_filters(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    board = open_board(write_store("quick", make.typical_cells()))
    assert list(table_on(board)[0])[:4] == ["#", "method", "execution", "CLIP score"]
    assert "LPIPS to reference" not in table_on(board)[0]
    board.multiselect("columns").select("lpips_to_reference").run()
    assert list(table_on(board)[0])[-1] == "LPIPS to reference"
    board.toggle("every").set_value(True).run()
    assert "LPIPS to reference" in table_on(board)[0]
    assert any(r"n/a for every method\: latency p90" in caption.value for caption in board.caption)
    board.multiselect("f_execution").set_value(["simulated"]).run()
    assert column(table_on(board), "method") == ["reference reference", "int8-simulated"], "references stay"
    assert any("2 of 4 methods shown" in caption.value for caption in board.caption)
    board.multiselect("f_execution").set_value([]).run()
    board.text_input("q").set_value("FEWER steps").run()
    assert column(table_on(board), "method") == ["reference reference", "fewer-steps"]
    assert not board.exception


def test_an_address_says_what_is_shown(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    cells = [make.cell("ref"), *(make.cell(name, order=at) for at, name in enumerate("abc", 1))]
    cells += [make.cell("ref", task="t2v"), make.cell("other", order=1, task="t2v")]
    store = write_store("quick", cells)
    address = {"task": "t2v", "q": "other", "order": "suite order"}
    assert column(table_on(open_board(store, **address)), "method") == ["ref reference", "other"]


def test_tasks_can_be_chosen(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    cells = [make.cell("ref"), make.cell("ref", task="t2v"), make.cell("a", order=1, task="t2v")]
    board = open_board(write_store("quick", cells))
    assert len(table_on(board)) == 1
    board.selectbox("task").select("t2v").run()
    assert column(table_on(board), "method") == ["ref reference", "a"]


def test_times_of_two_machines_never_stand_in_one_table(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    stores = [write_store(name, [make.cell("ref", machine=name * 6, suite=name)]) for name in ("aa", "bb")]
    board = open_board(*stores)
    rows = table_on(board)
    assert "latency" not in rows[0]
    assert "speed-up" in rows[0]
    assert column(rows, "where") == ["aaaaaaaa", "bbbbbbbb"]
    assert any("not comparable" in info.value for info in board.info)
    board.multiselect("stores").set_value([stores[0]]).run()
    assert "latency" in table_on(board)[0]
    board.multiselect("stores").set_value([]).run()
    assert not board.exception
    assert board.warning


PASSED = Check(name="same_object", status="pass", message="same output")
FAILED = Check(name="kernels", status="fail", message="claims to run int8::*, which did not run")


def test_the_table_has_badges_noise_and_ranks(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    noise = Noise(grade="C", foreign_share=0.2)
    cells = [
        make.cell("ref", checks=(PASSED,), noise=Noise(grade="A")),
        make.cell("slow", make.full_numbers(0.2874, 1200.0, 0.7), 1, checks=(PASSED, FAILED), noise=noise),
        make.cell("fast", make.full_numbers(0.2874, 403.1, 2.02), 2, checks=(PASSED, FAILED), noise=noise),
        make.cell("int8", make.full_numbers(0.2991, None, None), 3, execution="simulated"),
    ]
    board = open_board(write_store("quick", cells))
    rows = table_on(board)
    assert column(rows, "execution") == [
        "● real (checks passed)",
        "○ simulated",
        "⚠ real (a check failed)",
        "⚠ real (a check failed)",
    ]
    assert column(rows, "noise") == ["A", "", "C", "C"]
    body = next(element.proto.body for element in board.get("html") if "<table" in element.proto.body)
    assert 'title="C (foreign load 20 %)"' in body, "the remark is a tooltip"
    assert column(rows, "#") == ["", "#1", "", ""], "a rank stands once before those that share it"
    rows = table_on(open_board(write_store("quick", cells), order="speed-up"))
    assert column(rows, "method") == ["ref reference", "fast", "slow", "int8"]
    assert column(rows, "#") == ["", "#1", "#3", ""], "ranks count the reference, which is pinned"
    assert any("cannot be told apart" in caption.value for caption in board.caption)


def test_resamples_give_rank_stability_and_chances(
    open_board: Callable[..., AppTest], table_on: Read, make: ModuleType, tmp_path: Path
) -> None:
    def member(name: str, order: int, draws: list[float]) -> Any:
        number = make.number("clip_score", 0.5, 0.4, 0.6, ci_method="bootstrap_percentile")
        cell = make.cell(name, [number, make.number("gflop_per_sample", 1.0 + order)], order)
        return make.Raw(cell, draws={"clip_score": draws})

    make.raw_store(tmp_path, member("ref", 0, [0.5] * 4), member("b", 1, [0.6, 0.1, 0.1, 0.1]))
    board = open_board(tmp_path)
    assert "rank kept" not in table_on(board)[0]["CLIP score"]
    board.toggle("sure").set_value(True).run()
    assert all("rank kept in 75 %" in text for text in column(table_on(board), "CLIP score"))
    board = open_board(tmp_path, tab="Pareto")
    board.selectbox("x").select("compute per sample (GFLOP)").run()
    assert not board.exception
    said = " ".join(caption.value for caption in board.caption)
    assert "the probability that no other method is at least as good" in said
    assert [row["probability"] for row in table_on(board)] == [">0.99", "0.25"]


def test_claims_stand_beside_what_was_measured(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    claims = (
        {"metric": "fid", "value": 3.1, "unit": "", "setting": "COCO", "source": "Tab. 2"},
        {"metric": "size", "value": 10.5, "unit": "MB", "setting": "W8", "source": "Tab. 3", "number": "parameter_mb"},
    )
    board_store = write_store("quick", [make.cell("ref", claims=claims)])
    board = open_board(board_store, tab="Claims")
    rows = table_on(board)
    assert [row["setting and source"] for row in rows] == ["COCO Tab. 2", "W8 Tab. 3"]
    assert [" ".join(row["status"].split()) for row in rows] == [
        "– not measured no number here measures this",
        "✔ reproduced",
    ]
    assert [row["measured here"] for row in rows] == ["–", "10.52 MB"]
    assert board.pills("claimed").options == ["reproduced", "not measured"]
    assert any(
        "2 claims: 1 reproduced, 1 not measured." in markdown.value.replace("\\", "") for markdown in board.markdown
    )
    chosen = open_board(board_store, tab="Claims", claimed="reproduced")
    assert [row["claim"] for row in table_on(chosen)] == ["size"]
    board = open_board(write_store("bare", [make.cell("ref")]), tab="Claims")
    assert [tab.label for tab in board.tabs] == ["Board", "Pareto", "Entry"], "the others would be empty"


def test_an_all_simulated_store_and_one_with_failures_only(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    simulated = make.cell("ref", make.full_numbers(0.3, None, None), execution="simulated")
    open_board(write_store("simulated", [simulated]))
    board = open_board(write_store("failed", [make.failed("ref", order=0)]))
    assert column(table_on(board), "execution") == ["✕ failed (oom)"]


def test_stores_that_cannot_be_read_are_named_and_the_others_shown(
    open_board: Callable[..., AppTest],
    table_on: Read,
    write_store: Callable[..., Path],
    make: ModuleType,
    tmp_path: Path,
) -> None:
    board = open_board(tmp_path / "missing", write_store("quick", [make.cell("ref")], unfinished=["w8"]))
    assert "not an EffBench store" in board.error[0].value
    assert any("1 of 2 cells finished; not yet `t2i/w8`" in info.value for info in board.info)
    assert len(table_on(board)) == 1


def test_nothing_to_show_is_said(open_board: Callable[..., AppTest], tmp_path: Path) -> None:
    assert open_board(tmp_path / "missing").warning


def test_without_a_store_the_demo_is_shown(open_board: Callable[..., AppTest]) -> None:
    board = open_board(page="Start")
    said = " ".join(element.proto.body for element in board.get("html"))
    assert not board.error and "demo results" in said
    assert said.count('class="card"') >= 3, "a card per task"


def test_what_the_subset_cannot_resolve_is_grey(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    known = {"subset": "few@12345678", "resolutions": {"clip_score": 0.02}}
    values = {"reference": 0.30, "near": 0.31, "far": 0.33}
    cells = [
        make.cell(name, make.full_numbers(quality=value), order, **known)
        for order, (name, value) in enumerate(values.items())
    ]
    board = open_board(write_store("few", cells))
    body = next(element.proto.body for element in board.get("html") if "<table" in element.proto.body)
    near, far = (next(row for row in body.split("<tr") if f">{name}</a>" in row) for name in ("near", "far"))
    assert 'class="grey wide"' in near and "grey" not in far
    assert any("too close to the reference for the subset" in caption.value for caption in board.caption)


def test_a_slice_and_facts_are_chosen_among_the_columns(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    sliced = {"slice": "species=print", "axis": "quality", "primary": False, "unit": "share"}
    fact = {"axis": "facts", "unit": "bit", "ci_method": "computed", "primary": False}

    def numbers(share: float) -> list[Any]:
        return [
            make.number("accuracy", share, share - 0.1, share + 0.1, primary=True, unit="share"),
            make.number("accuracy[species=print]", share + 0.05, share, share + 0.1, **sliced),
            make.number("speedup", 1.0),
            make.number("mean_bits", 4.25, **fact),
        ]

    store = write_store("sliced", [make.cell("ref", numbers(0.7)), make.cell("a", numbers(0.8), 1)])
    page = open_board(store)
    assert {"accuracy", "speed-up"} < set(table_on(page)[0])
    assert not {"accuracy[species=print]", "mean bits"} & set(table_on(page)[0])
    page.selectbox("slice").set_value("species=print").run()
    rows = table_on(page)
    assert "accuracy" not in rows[0]
    assert {row["method"]: row["accuracy [species=print]"] for row in rows} == {
        "ref reference": "0.75 [0.70, 0.80]",
        "a": "0.85 [0.80, 0.90]",
    }
    page.toggle("facts").set_value(True).run()
    assert column(table_on(page), "mean bits") == ["4.250 a", "4.250 a"]
    assert any("computed by the method about itself" in caption.value for caption in page.caption)
    assert not page.exception
