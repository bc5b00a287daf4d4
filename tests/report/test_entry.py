"""One method of a workload in figures: headline, ranks, names that are taken, and every number with how it was made."""

from __future__ import annotations

import time
from typing import Any

import pytest

from effbench.record import Link
from effbench.report.entry import (
    chain_text,
    entry_index,
    entry_names,
    headline_notes,
    headline_of,
    number_rows,
    rank_text,
)
from effbench.report.summarise import WorkloadCells, summarise
from effbench.report.tables import table_of


def workload_of(make: Any, *cells: Any) -> WorkloadCells:
    (workload,) = summarise(make.view(*cells)).workloads
    return workload


def test_the_headline_has_value_interval_and_rank(make: Any) -> None:
    index = entry_index(workload_of(make, *make.typical_cells()))
    assert index.names == ("reference", "fewer-steps", "int8-simulated", "w4a4")
    assert index.names[index.first] == "fewer-steps"
    found = {number.label: number for number in headline_of(index, "fewer-steps")}
    assert found["speed-up"][1:4] == ("2.02 x", "[1.96, 2.10]", "#1 of 2")
    assert found["latency"][1:4] == ("403 ms", "[395, 411]", "")
    assert found["CLIP score"].rank == "#1 of 3, shared with 2 others"
    failed = {number.label: number for number in headline_of(index, "w4a4")}
    assert failed["speed-up"][1:4] == ("n/a", "(oom)", "")
    simulated = {number.label: number for number in headline_of(index, "int8-simulated")}
    assert simulated["latency"][1:4] == ("n/a", "(simulated)", "")


def test_headline_and_table_say_the_same(make: Any) -> None:
    workload = workload_of(make, *make.typical_cells())
    index, table = entry_index(workload), table_of(workload)
    for row, name in zip(table.rows, index.names):
        by_label = {number.label: number for number in headline_of(index, name)}
        for column, entry in zip(table.columns, row.entries):
            found = by_label[column.label]
            assert found.value.removesuffix(f" {column.unit}") == entry.head
            assert found.interval == entry.tail
            assert (found.rank.partition(" of ")[0] or "") == entry.place


def test_flags_are_said_in_words(make: Any) -> None:
    number = make.number("latency_p50_ms", 3.0, 2.9, 3.1, flags=("unsettled", "of my own"))
    index = entry_index(workload_of(make, make.cell("ref", [number])))
    (found,) = headline_of(index, "ref")
    assert found.notes == ("timings had not settled when the warm-up budget was spent", "of my own")
    assert headline_notes([found, found._replace(label="other", notes=("of my own",))]) == {
        "timings had not settled when the warm-up budget was spent": ("latency",),
        "of my own": ("latency", "other"),
    }


def test_a_name_that_is_taken_gets_a_number(make: Any) -> None:
    cells = [make.cell("a"), make.cell("a", finished_utc="2026-11-22T11:05:00Z"), make.cell("a", n_samples=7)]
    names = entry_names(workload_of(make, *cells))
    assert len(set(names)) == 3 and names[2] == f"{names[0]} (2)"
    assert all(name.startswith("a ") for name in names)


def test_a_chain_in_words_with_what_was_passed(make: Any) -> None:
    cell = make.cell("a")
    links = (Link(use="vidit-q", passed={"bits": 4, "plan": "x" * 99}), Link(use="sampler", defaulted={"solver": "d"}))
    cell = cell.model_copy(update={"identity": cell.identity.model_copy(update={"chain": links})})
    assert chain_text(cell) == f"vidit-q (bits=4, plan={'x' * 60}...) then sampler"


def test_ranks_in_words() -> None:
    assert rank_text(1, [1, 2, None]) == "#1 of 2"
    assert rank_text(2, [1, 2, 2]) == "#2 of 3, shared with 1 other"


def test_every_number_is_a_row_and_says_how_it_was_made(make: Any) -> None:
    numbers = [
        make.number("clip_score", 0.3, 0.28, 0.32, ci_method="bootstrap_percentile"),
        make.number("speedup", 1.0, n=3, ci_method="definition"),
        make.number("mean_bits", 4.0, axis="facts", unit="bit", ci_method="computed", n=0),
        make.number("energy_j_per_sample", None, reason="no_device"),
    ]
    workload = workload_of(make, make.cell("ref", numbers, n_groups=8))
    rows = number_rows(workload, workload.cells[0])
    assert rows[0] == ("CLIP score", "0.300", "[0.280, 0.320]", "64", "percentile bootstrap over groups", "")
    assert rows[1][1:] == ("1", "", "3", "", "by definition")
    assert rows[2][0] == "mean bits (bit)" and "computed by the method about itself" in rows[2][5]
    assert rows[3] == ("energy per sample (J)", "n/a", "", "", "", "no_device")


@pytest.mark.timing
def test_two_thousand_methods_take_no_time_once_the_index_stands(make: Any) -> None:
    cells = [
        make.cell(f"m{n:04d}", make.full_numbers(0.3 + n * 1e-5, 800.0 - n / 10, 1 + n / 1000), n) for n in range(2000)
    ]
    workload = workload_of(make, *cells)
    index = entry_index(workload)
    started = time.process_time()
    (speedup,) = (number for number in headline_of(index, "m1999") if number.label == "speed-up")
    assert "of 2000" in speedup.rank
    assert number_rows(workload, cells[1999])
    assert time.process_time() - started < 0.5
