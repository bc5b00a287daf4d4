"""The rows of the board: their order, groups and bars; and what they are filtered by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effbench.record import CellRecord
from effbench.report.board import BY_NAME, NEWEST, SUITE_ORDER, board_rows, orders_of
from effbench.report.facets import CHECKED, NOT_STATED, facets_of, matching, store_of
from effbench.report.summarise import WorkloadCells, summarise
from effbench.report.tables import table_of
from effbench.stats.bootstrap import Interval
from effbench.stats.rank import tie_ranks
from effbench.verification import CheckedLevel, Verification, add_to_history


def workload_of(make: ModuleType, path: Path, cells: Sequence[CellRecord]) -> WorkloadCells:
    view = make.raw_store(path, *(make.Raw(cell) for cell in cells))
    (workload,) = summarise(view).workloads
    return workload


def quality(make: ModuleType, low: float, value: float, high: float) -> list[Any]:
    return [make.number("clip_score", value, low, high, ci_method="bootstrap_percentile")]


def cells_of(make: ModuleType, spans: Sequence[tuple[float, float, float] | None]) -> list[CellRecord]:
    found = []
    for at, span in enumerate(spans):
        numbers = quality(make, *span) if span is not None else [make.number("clip_score", None)]
        found.append(make.cell("reference" if at == 0 else f"m{at}", numbers, at))
    return found


def test_rows_of_one_rank_stand_together_whatever_their_values(make: ModuleType, tmp_path: Path) -> None:
    # The wide interval of m1 reaches everybody: its rank is 1, and its value is the lowest.
    spans = [(0.4, 0.5, 0.6), (0.1, 0.3, 0.99), (0.7, 0.8, 0.9), (0.42, 0.5, 0.58), None]
    workload = workload_of(make, tmp_path, cells_of(make, spans))
    rows = board_rows(workload, table_of(workload), "clip_score", range(5))
    assert [row.row.method for row in rows] == ["reference", "m2", "m1", "m3", "m4"]
    assert [row.group for row in rows] == [None, 1, 1, 2, None]
    assert [row.is_group_start for row in rows] == [False, True, False, True, False]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # pure factories
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3)), min_size=2, max_size=9), st.data())
def test_groups_are_contiguous_and_ranks_are_of_all_methods(
    make: ModuleType, tmp_path_factory: pytest.TempPathFactory, spans: list[Any], data: st.DataObject
) -> None:
    bounds = [(value - low, value, value + high) for value, low, high in spans]
    workload = workload_of(make, tmp_path_factory.mktemp("rows"), cells_of(make, bounds))
    shown = data.draw(st.sets(st.integers(1, len(spans) - 1)))
    rows = board_rows(workload, table_of(workload), "clip_score", {0, *shown})
    assert rows[0].row.is_reference and {row.position for row in rows} == {0, *shown}
    ranks = tie_ranks([Interval(low, high) for low, _, high in bounds], True)
    groups = [row.group for row in rows[1:]]
    assert groups == sorted(groups, key=lambda group: group or 0) == [ranks[row.position] for row in rows[1:]]
    starts = [row.group for row in rows if row.is_group_start]
    assert len(starts) == len(set(starts)), "a group is drawn once"


def test_bars_are_on_one_scale_with_the_reference(make: ModuleType, tmp_path: Path) -> None:
    spans = [(0.4, 0.5, 0.6), (0.2, 0.3, 0.4), (0.6, 0.8, 1.0)]
    workload = workload_of(make, tmp_path, cells_of(make, spans))
    rows = board_rows(workload, table_of(workload), SUITE_ORDER, range(3))
    bars = [row.bars[0] for row in rows]
    assert [pytest.approx((0.25, 0.375, 0.5, 0.375)), pytest.approx((0, 0.125, 0.25, 0.375)),
            pytest.approx((0.5, 0.75, 1, 0.375))] == bars  # fmt: skip


def test_other_orders(make: ModuleType, tmp_path: Path) -> None:
    cells = [
        make.cell("reference"),
        make.cell("b", order=1, finished_utc="2026-11-23T10:00:00Z"),
        make.cell("A", order=2, finished_utc="2026-11-24T10:00:00Z"),
    ]
    workload = workload_of(make, tmp_path, cells)
    table = table_of(workload)
    assert {SUITE_ORDER, BY_NAME, NEWEST, "clip_score", "speedup"} <= set(orders_of(table))
    for order, names in {SUITE_ORDER: "bA", BY_NAME: "Ab", NEWEST: "Ab"}.items():
        assert [row.row.method for row in board_rows(workload, table, order, range(3))][1:] == list(names)
    with pytest.raises(ValueError, match="no such order"):
        board_rows(workload, table, "nonsense", range(3))


def test_facets_are_those_that_tell_cells_apart(make: ModuleType, tmp_path: Path) -> None:
    cells = [make.cell("reference"), make.cell("int8", order=1, execution="simulated")]
    workload = workload_of(make, tmp_path, cells)
    facets = facets_of(workload)
    assert facets == {"execution": ("real (not checked)", "simulated")}
    assert matching(workload, facets, {"execution": ["simulated"]}) == (0, 1), "references stay"
    assert matching(workload, facets, {"execution": ["real (not checked)"]}) == (0,)
    assert matching(workload, facets, {"execution": [], "licence": ["MIT"]}) == (0, 1), "nothing asked for leaves all"
    assert matching(workload, facets, {}, "INT") == (0, 1)
    assert matching(workload, facets, {}, "int 4") == (0,)


def test_who_checked_a_store_and_its_licence_are_facets_over_several_stores(make: ModuleType, tmp_path: Path) -> None:
    from effbench.report.summarise import summarise_stores

    views = [make.raw_store(tmp_path / name, make.Raw(make.cell("reference", suite=name))) for name in "ab"]
    level = CheckedLevel(
        level="recompute", passed=True, compared=3, largest_difference=0.0, missing="", notes=(), findings=()
    )
    add_to_history(
        tmp_path / "b", Verification(by="eve", machine="ab", utc="2026-11-29T10:00:00Z", effbench="1", levels=(level,))
    )
    (workload,) = summarise_stores(views).workloads
    facets = facets_of(workload, {tmp_path / "a": "MIT"})
    assert facets[CHECKED] == ("self-reported", "recomputed by eve")
    assert facets["licence"] == ("MIT", NOT_STATED)
    assert store_of(workload, 1) == tmp_path / "b"
    (tmp_path / "b" / "verification.json").write_text("{")
    assert facets_of(summarise_stores(views).workloads[0])[CHECKED][1] == "history is damaged"
