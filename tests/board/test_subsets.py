"""The tab on a condensed subset: there only where one was used, in words, with curves only where their data ship."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from streamlit.testing.v1 import AppTest

from effbench.report.subsets import manifest_of, size_curve
from effbench.report.summarise import summarise
from effbench.subset.certificate import FEW
from effbench.subset.manifest import find_subset
from effbench_leaderboard.subsets import searched_figure, size_figure


def said(board: AppTest) -> str:
    kinds = ("markdown", "caption", "subheader")
    return "\n".join(element.value for kind in kinds for element in board.get(kind)).replace("\\", "")


def test_there_is_no_tab_without_a_subset(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    board = open_board(write_store("all", [make.cell("ref")]))
    assert "Subsets" not in [tab.label for tab in board.tabs]


def test_a_subset_that_does_not_ship_is_what_its_records_say(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    known = {
        "subset": "few@12345678",
        "resolutions": {"clip_score": 0.02},
        "certificate": ("clip_score, halves: <b>tau</b>",),
    }
    cells = [make.cell("ref", **known), make.cell("near", make.full_numbers(0.31), 1, **known)]
    board = open_board(write_store("few", cells), tab="Subsets")
    text = said(board)
    assert "Subset few@12345678" in text and "does not ship with this EffBench" in text
    assert "clip_score, halves: <b>tau</b>" in text and not any(
        "<b>" in m.value.replace("\\<b", "") for m in board.markdown
    )
    assert "differences from 0.02 on are in the right order" in text
    assert "Too close to the reference to tell: near." in text
    assert not board.get("plotly_chart")
    bare = write_store("bare", [make.cell("ref", subset="mine@00000000")])
    assert "None is recorded" in said(open_board(bare, tab="Subsets"))


def test_the_curves_of_a_subset_that_ships_are_those_of_its_file(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    manifest = find_subset("emoji-50")
    certificate = tuple(held.sentence for held in manifest.certificate)
    cell = make.cell("ref", subset=manifest.reference, resolutions=manifest.resolutions, certificate=certificate)
    board = open_board(write_store("emoji", [cell]), tab="Subsets")
    text = said(board)
    assert (
        "50 of 300 samples, chosen by `effbench subset build --selector soft` on 46 methods (suite subset-pool)."
        in text
    )
    (body,) = [html.proto.body for html in board.get("html") if "<table" in html.proto.body]
    for held in manifest.certificate:
        assert f"{held.tau:.3f}</td>" in body and f"[{held.ci_low:.3f}, {held.ci_high:.3f}]" in body
    assert not any(sentence in text for sentence in certificate), "said once"
    assert manifest.more_methods[0].sentence in text
    by_size, by_methods = (json.loads(chart.proto.spec)["data"] for chart in board.get("plotly_chart"))
    assert [trace["name"] for trace in by_size] == ["random samples", "random, same pairs", "subsets", "used here"]
    assert board.selectbox("subset_metric").options == manifest.metrics
    board.selectbox("subset_metric").select("alignment").run()
    board.selectbox("split").select("leave-one-family-out").run()
    assert not board.exception
    by_size = json.loads(board.get("plotly_chart")[0].proto.spec)["data"]
    assert [trace["name"] for trace in by_size] == ["random, same pairs", "subsets", "used here"]
    assert by_methods


def test_figures_show_the_numbers_of_the_file(make: ModuleType) -> None:
    manifest = find_subset("emoji-20")
    (workload,) = summarise(make.view(make.cell("ref", subset=manifest.reference))).workloads
    assert manifest_of(workload) == manifest
    curve = size_curve(workload, "alignment", FEW)
    assert curve is not None
    held = next(held for held in manifest.certificate if (held.metric, held.split) == ("alignment", FEW))
    used = next(trace for trace in size_figure(curve).data if trace.name == "used here")
    assert (list(used.x), list(used.y)) == ([20], [held.tau])
    assert used.error_y.array[0] == held.ci_high - held.tau and used.error_y.arrayminus[0] == held.tau - held.ci_low
    more = manifest.more_methods[1]
    (line,) = searched_figure(more).data
    assert list(line.x) == [point.methods for point in more.points] and list(line.y) == [p.tau for p in more.points]
