from __future__ import annotations

import json
from typing import Any

from effbench.report.formats import render
from effbench.report.ranks import ranks_of
from effbench.report.summarise import Summary, summarise
from effbench.report.tables import table_of


def speedups(make: Any, *bounds: tuple[float, float] | None) -> list[Any]:
    known = [make.number("speedup", sum(b) / 2, *b) if b else make.number("speedup", 1.5) for b in bounds]
    return [make.number("speedup", 1.0, ci_method="definition"), *known]


def test_ranks_of_a_case_done_by_hand(make: Any) -> None:
    # The reference is [1, 1]; the second overlaps it, the third beats both, the last two overlap each other and the third.
    numbers = speedups(make, (0.9, 1.1), (2.0, 3.0), (2.9, 4.0), (2.5, 3.5))
    assert ranks_of(numbers) == [4, 4, 1, 1, 1]


def test_lower_is_better_turns_the_ranks_round(make: Any) -> None:
    numbers = [make.number("loss", v, v - 1, v + 1, primary=True, higher_is_better=False) for v in (5.0, 9.0, 5.5)]
    assert ranks_of(numbers) == [1, 3, 1]


def test_a_number_without_interval_has_no_rank_and_counts_for_nobody(make: Any) -> None:
    assert ranks_of(speedups(make, None, (2.0, 3.0))) == [2, None, 1]
    assert ranks_of([None, *speedups(make, (0.5, 0.6))]) == [None, 1, 2]


def test_one_method_is_not_ranked(make: Any) -> None:
    assert ranks_of(speedups(make)) == [None]
    assert ranks_of(speedups(make, None)) == [None, None]
    assert ranks_of([]) == []


def test_only_the_primary_quality_and_the_speedup_are_ranked(make: Any) -> None:
    pairs = {name: [make.number(name, 1.0, 0.9, 1.1), make.number(name, 3.0, 2.9, 3.1)] for name in (
        "clip_score", "lpips_to_reference", "latency_p50_ms", "speedup@b8", "parameter_mb",
    )}  # fmt: skip
    assert [name for name, same in pairs.items() if ranks_of(same) != [None, None]] == ["clip_score", "speedup@b8"]


def test_json_carries_the_rank_and_tables_show_it_with_its_meaning(typical: Summary) -> None:
    rows = json.loads(render(typical, "json"))["numbers"]
    ranks = {(row["method"], row["name"]): row["rank"] for row in rows}
    assert ranks["reference", "speedup"] == 2
    assert ranks["fewer-steps", "speedup"] == 1
    assert ranks["int8-simulated", "speedup"] is None
    assert ranks["reference", "clip_score"] == ranks["fewer-steps", "clip_score"] == 1
    assert ranks["reference", "latency_p50_ms"] is None
    assert "2.02 [1.96, 2.10] #1" in render(typical, "table", width=300)
    assert r"2.02 \#1<br><sub>\[1.96,&nbsp;2.10\]</sub>" in render(typical, "md")
    assert "<b>#1</b>" in render(typical, "html")
    assert r"{\scriptsize \#1}" in render(typical, "latex")
    assert any("cannot be told apart" in line for line in table_of(typical.workloads[0]).caption)


def test_nothing_is_said_of_ranks_where_there_are_none(make: Any) -> None:
    (workload,) = summarise(make.view(make.cell("ref"))).workloads
    table = table_of(workload)
    assert not any(entry.place for row in table.rows for entry in row.entries)
    assert not any("#1" in line for line in table.caption)
