"""The entry of a method: one at a time, with everything behind its numbers, and nothing of a stranger is markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from effbench.api import Claim
from effbench.parts import write_part
from effbench.record import Check, Noise
from effbench.report.timing_picture import timing_picture
from effbench.store import CellFolder
from effbench.submission.manifest import Manifest, write_manifest
from effbench.timings import RoundCalls
from effbench.verification import VERIFICATION, CheckedLevel, Verification, add_to_history
from effbench_leaderboard.timings import figure_of

APP = Path(__file__).parent.parent.parent / "leaderboard" / "app.py"
HOSTILE = "![p](http://evil.example/p.png) <img src=x> :red[a] `b` www.evil.example $x$"
OPEN = re.compile(r"(?<!\\)(!\[|\]\(|:\w+\[|\$|www\.|<img)")
PASSED = Check(name="same_object", status="pass", message="same output")
FAILED = Check(name="kernels", status="fail", message="claims to run int8::*, which did not run")


def said(board: AppTest) -> str:
    """Everything that the page says, as a reader sees it."""
    kinds = ("markdown", "caption", "error", "warning", "subheader")
    texts = [element.value.replace("\\", "") for kind in kinds for element in board.get(kind)]
    return "\n".join([*texts, *(unescape(re.sub(r"<[^>]+>", " ", body)) for body in bodies(board))])


def bodies(board: AppTest) -> list[str]:
    return [element.proto.body for element in board.get("html") if "<style>" not in element.proto.body]


def entry(open_board: Callable[..., AppTest], store: Path, method: str) -> AppTest:
    board = open_board(store, tab="Entry")
    return board.selectbox("method").select(method).run()


def test_one_method_is_drawn_with_all_that_lies_behind_it(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    noise = Noise(grade="B", foreign_share=0.04, reasons=("foreign processes took 4% of the processors",))
    cells = [make.cell("ref", checks=(PASSED,), noise=noise), make.cell("a", order=1, checks=(PASSED, FAILED))]
    store = write_store("quick", cells)
    board = open_board(store, tab="Entry")
    assert board.selectbox("method").value == "a", "the reference says least of a board"
    text = said(board)
    assert "✕ the kernels it names ran: FAILED (claims to run int8::*, which did not run)" in text
    assert "✔ quality and latency come from one object: passed" in text
    board = entry(open_board, store, "ref")
    text = said(board)
    assert "FAILED" not in text
    assert "B (foreign load 4 %)" in text and "foreign processes took 4% of the processors" in text
    assert "2026-11-22T10:00:00Z quality: done after 12.5 s" in text
    assert "cd" * 32 in text and "ef" * 32 in text and "ba" * 32 in text, "artifact, probe and plan"
    assert "AMD EPYC 7B13" in text and "torch  2.13.0" in text and "commit 0123456789abcdef" in text
    assert "task  effbench 0.1.0" in text and "seeds  0, 1" in text
    codes = [block.value for block in board.code]
    assert f"{'ab' * 32}  jobs/quality.json" in codes
    assert "effbench run quick.yaml" in codes, "as it was run"
    assert f"effbench describe STORE/cells/{cells[0].id}" in codes
    assert any(json.loads(element.value).get("system_revision") == "rev1" for element in board.json)
    assert "percentile bootstrap over samples" in text, "every number, with how its interval was made"


def test_the_headline_stands_first_with_interval_and_rank(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    board = entry(open_board, write_store("quick", make.typical_cells()), "fewer-steps")
    shown = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", bodies(board)[1])))
    assert 'href="?page=Methods&amp;find=fewer-steps"' in bodies(board)[0]
    assert shown.startswith(
        " CLIP score 0.287 [0.275, 0.299] #1 of 3, shared with 2 others speed-up 2.02 x [1.96, 2.10] #1 of 2"
    )
    assert "It failed" not in said(board) and "Method fewer-steps (bits=8); 64 samples" in said(board)
    board = entry(open_board, write_store("quick", make.typical_cells()), "w4a4")
    assert "It failed in its latency job (oom): killed at 7.1 GB" in said(board)
    assert "speed-up n/a (oom)" in re.sub(r"\s+", " ", said(board))


def test_the_address_names_the_method(
    open_board: Callable[..., AppTest],
    write_store: Callable[..., Path],
    make: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = write_store("quick", make.typical_cells())
    monkeypatch.setenv("EFFBENCH_BOARD_STORES", str(store))
    monkeypatch.setattr("sys.argv", ["app.py"])
    for given, shown in (("int8-simulated", "int8-simulated"), ("no such method", "fewer-steps")):
        board = AppTest.from_file(str(APP), default_timeout=60)
        board.query_params["tab"], board.query_params["method"] = "Entry", given
        board.run()
        assert not board.exception and board.selectbox("method").value == shown


def test_the_choice_survives_where_another_task_has_no_such_method(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    cells = [
        make.cell("ref"),
        make.cell("a", order=1),
        make.cell("other", task="t2v"),
        make.cell("b", order=1, task="t2v"),
    ]
    board = entry(open_board, write_store("quick", cells), "a")
    board.selectbox("task").select("t2v").run()
    assert not board.exception and board.selectbox("method").value == "b"


def level(name: str, passed: bool) -> CheckedLevel:
    findings = () if passed else (("a", "b"),)
    return CheckedLevel.model_validate(
        {"level": name, "passed": passed, "compared": 3, "largest_difference": None, "missing": "", "notes": (),
         "findings": findings}
    )  # fmt: skip


def test_who_checked_it_stands_there_and_self_reported_is_said_plainly(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    store = write_store("quick", [make.cell("ref")])
    assert "Self-reported: nobody but whoever measured these numbers" in said(open_board(store, tab="Entry"))
    utc = "2026-11-29T10:00:00Z"
    for by, levels in (
        ("**mallory**", (level("schema", False),)),
        ("eve", (level("schema", True), level("recompute", True))),
    ):
        add_to_history(store, Verification(by=by, machine="ab", utc=utc, effbench="1", levels=levels))
    board = open_board(store, tab="Entry")
    text = said(board)
    assert "Verified up to level recompute by eve: every number follows from the raw parts." in text
    assert "2026-11-29, machine ab: schema not passed (1 finding)" in text
    assert not any("**mallory**" in markdown.value for markdown in board.markdown), "a name is no markup"
    assert "NOT passed" in text and "a: b" in text
    (store / VERIFICATION).write_text("{")
    board = open_board(store, tab="Entry")
    assert any("verification.json" in error.value.replace("\\", "") for error in board.error)
    assert "Get this row again" in said(board), "the rest of the page stands"


def test_licence_and_source_of_a_submission_are_shown(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    store = write_store("quick", [make.cell("ref")])
    manifest = Manifest(
        method="ref", suite="quick", tasks=("t2i",), cells=("a" * 16,), licence="CC-BY-4.0", source="its_forge/x",
        origins={}, files={"plan.json": "a" * 64},
    )  # fmt: skip
    write_manifest(store, manifest)
    text = said(open_board(store, tab="Entry"))
    assert "licence of the results  CC-BY-4.0" in text and "code  its_forge/x" in text
    (store / "submission.yaml").write_text("schema: other")
    assert any("submission.yaml" in error.value.replace("\\", "") for error in open_board(store, tab="Entry").error)


def test_the_row_can_be_had_again(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    cell = make.cell("half(a=[1, 2])")
    origins = {"method half": "effbench-half-steps 0.1.0 (half_steps.method:HalfSteps)"}
    cell = cell.model_copy(update={"provenance": cell.provenance.model_copy(update={"origins": origins})})
    board = open_board(write_store("quick", [cell]), tab="Entry")
    assert board.code[0].value.splitlines() == [
        "pip install effbench-half-steps==0.1.0",
        "effbench run quick.yaml --only 't2i/half(a=[1, 2])' --store quick-again",
    ]
    assert board.get("download_button")[0].proto.label.replace("\\", "") == "Suite (quick.yaml)"
    assert "name: quick\nstats:\n  ci: 0.95" in [block.value for block in board.code]


def test_claims_stand_beside_measurements_with_their_verdict(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    claims = (
        asdict(Claim("fid", 3.1, "", "COCO", "Tab. 2")),
        asdict(Claim("size", 10.5, "MB", "W8", "Tab. 3", number="parameter_mb")),
    )
    store = write_store("quick", [make.cell("ref"), make.cell("a", order=1, claims=claims)])
    text = re.sub(" +", " ", said(open_board(store, tab="Entry")))
    assert "fid COCO Tab. 2 3.1 – – not measured (no number here measures this)" in text
    assert "size W8 Tab. 3 10.5 MB 10.52 MB ✔ reproduced" in text
    assert "What its paper claims" not in said(entry(open_board, store, "ref"))


def test_a_claimed_ratio_is_measured_however_often_the_page_is_drawn(
    open_board: Callable[..., AppTest], make: ModuleType, tmp_path: Path
) -> None:
    claims = (asdict(Claim("size", 1.0, "x", "W8", "Tab. 3", number="parameter_mb", as_ratio=True)),)
    make.raw_store(tmp_path, make.Raw(make.cell("ref")), make.Raw(make.cell("a", order=1, claims=claims)))
    board = open_board(tmp_path, tab="Entry")
    for _ in range(2):  # stores are read each time, what was computed from them is kept
        assert "1 x ✔ reproduced" in re.sub(" +", " ", said(board))
        board.run()


def timed_store(make: ModuleType, path: Path, batch_sizes: tuple[int, ...] = (1,)) -> Any:
    calls = {"r001": [10.0, 11.0], "r002": [10.5, 10.6]}
    slower = {name: [2 * ms for ms in walls] for name, walls in calls.items()}
    numbers = make.full_numbers(0.29, 400.0, 2.0)
    return make.raw_store(
        path,
        make.Raw(make.cell("ref"), rounds=slower),
        make.Raw(make.cell("a", numbers, 1), rounds=calls),
        batch_sizes=batch_sizes,
    )


def test_raw_timings_are_drawn_and_said(open_board: Callable[..., AppTest], make: ModuleType, tmp_path: Path) -> None:
    timed_store(make, tmp_path)
    board = open_board(tmp_path, tab="Entry")
    (chart,) = board.get("plotly_chart")
    names = [trace.get("name") for trace in json.loads(chart.proto.spec)["data"]]
    assert {"method", "reference", "median, method", "median, reference"} == set(names)
    assert "The speed-up of 2.00 [1.94, 2.08] is of the 2 rounds that both were timed in." in said(board)
    assert "No reference" not in said(board)


def test_batch_sizes_can_be_chosen_and_one_that_was_not_timed_is_said(
    open_board: Callable[..., AppTest], make: ModuleType, tmp_path: Path
) -> None:
    timed_store(make, tmp_path, (1, 4))
    board = open_board(tmp_path, tab="Entry")
    assert len(board.get("plotly_chart")) == 1
    board.selectbox("batch").select(4).run()
    assert not board.exception and not board.get("plotly_chart")
    assert "It was not timed." in said(board)


def test_damaged_timings_are_a_sentence_and_cost_nothing_else(
    open_board: Callable[..., AppTest], make: ModuleType, tmp_path: Path
) -> None:
    view = timed_store(make, tmp_path)
    folder = CellFolder(tmp_path / "cells" / view.cells[1].id)
    changed = next(folder.timings.glob("r001*"))
    changed.write_bytes(changed.read_bytes()[:-1] + b"X")
    board = open_board(tmp_path, tab="Entry")
    assert any(changed.name in error.value.replace("\\", "") for error in board.error)
    assert len(board.get("plotly_chart")) == 1, "the other round stands"
    write_part(folder.timings, "r003", {"round": ["r003"]}, {})
    st.cache_resource.clear()  # as where the server is started again
    board = open_board(tmp_path, tab="Entry")
    assert any("has no column" in error.value for error in board.error)
    assert "Behind the numbers" in said(board)


def test_the_figure_tells_method_from_reference_and_warm_up_by_shape() -> None:
    from effbench.report.timing_picture import TimedCalls

    both = [RoundCalls([0, turn], ["first", "steady"], [0, 0], [90.0, ms]) for turn, ms in ((1, 10.0), (2, 50.0))]
    picture = timing_picture(TimedCalls({"<b>r</b>": both[0]}, {"<b>r</b>": both[1]}))
    assert picture is not None
    figure = figure_of(picture)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert len({trace.marker.symbol for trace in marks}) == 4
    assert len({trace.line.dash for trace in figure.data if trace.mode == "lines"}) == 2
    assert figure.layout.yaxis.type == "log" and figure.layout.yaxis.range[0] < 1.0 < figure.layout.yaxis.range[1]
    assert list(figure.layout.xaxis.ticktext) == ["&lt;b>r&lt;/b>"]
    assert all("<b>" not in text for trace in marks for text in trace.text)
    assert len(figure.layout.shapes) == 1


def test_names_and_texts_of_strangers_are_no_markup(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    claims = (asdict(Claim(HOSTILE, 3.1, HOSTILE, HOSTILE, HOSTILE)),)
    numbers = [make.number("clip_score", 0.3, 0.2, 0.4, unit=HOSTILE, ci_method=HOSTILE, flags=(HOSTILE,))]
    check = Check(name="kernels", status="fail", message=HOSTILE)
    noise = Noise(grade="C", reasons=(HOSTILE,))
    cell = make.cell(
        HOSTILE, numbers, task=HOSTILE, suite=HOSTILE, device=HOSTILE, dtype=HOSTILE, claims=claims, checks=(check,),
        noise=noise, kernels=(HOSTILE,), subset=HOSTILE, verified_by=HOSTILE, probe_sha256={HOSTILE: HOSTILE},
        finished_utc=HOSTILE,
    )  # fmt: skip
    provenance = cell.provenance.model_copy(
        update={"origins": {HOSTILE: HOSTILE}, "packages": {HOSTILE: HOSTILE}, "effbench_version": HOSTILE}
    )
    board = open_board(write_store("hostile", [cell.model_copy(update={"provenance": provenance})]), tab="Entry")
    kinds = ("title", "subheader", "caption", "markdown", "info", "warning", "error")
    texts = [element.value for kind in kinds for element in board.get(kind)]
    texts += [element.label for element in board.expander]
    texts += [element.proto.label for element in board.get("download_button")]
    shown = [text.replace(":gray[", "") for text in texts]
    assert sum("evil" in text for text in shown) >= 7
    assert not [text for text in shown if OPEN.search(text)]
    assert sum(body.count("evil") for body in bodies(board)) >= 10
    assert not any("<img" in body or '"<' in body for body in bodies(board))
