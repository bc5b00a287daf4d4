from __future__ import annotations

from typing import Any

from effbench.report.columns import columns_of, label_of, primary_of
from effbench.report.summarise import Summary, summarise, summarise_stores
from effbench.report.tables import table_of

KEYS = [
    "cell",
    "task",
    "method",
    "name",
    "value",
    "unit",
    "n",
    "ci_low",
    "ci_high",
    "higher_is_better",
    "axis",
    "primary",
    "execution",
    "reason",
    "rank",
]


def test_numbers_are_flat_and_carry_exactly_the_agreed_keys(typical: Summary) -> None:
    assert all(list(row) == KEYS for row in typical.numbers)
    row = next(row for row in typical.numbers if row["method"] == "fewer-steps" and row["name"] == "latency_p50_ms")
    assert (row["task"], row["value"], row["unit"], row["axis"], row["primary"]) == (
        "t2i",
        403.1,
        "ms",
        "latency",
        True,
    )


def test_a_failed_cell_has_a_null_with_its_reason_for_each_primary_number(typical: Summary) -> None:
    lost = {row["name"]: row for row in typical.numbers if row["method"] == "w4a4"}
    assert set(lost) == {
        "clip_score", "latency_p50_ms", "peak_rss_growth_mb", "gflop_per_sample", "energy_j_per_sample", "preparation_s",
    }  # fmt: skip
    assert all((row["value"], row["reason"], row["n"]) == (None, "oom", 0) for row in lost.values())


def test_cells_stand_in_suite_order(make: Any) -> None:
    summary = summarise(make.view(make.cell("b", order=2), make.cell("ref"), make.cell("a", order=1)))
    assert [cell.method_id for cell in summary.workloads[0].cells] == ["ref", "a", "b"]


def test_each_task_is_a_workload_of_its_own(make: Any) -> None:
    summary = summarise(make.view(make.cell("ref"), make.cell("ref", task="t2v"), make.cell("a", order=1)))
    assert [(w.title, len(w.cells)) for w in summary.workloads] == [("t2i", 2), ("t2v", 1)]


def test_one_task_id_with_other_parameters_is_never_one_table(make: Any) -> None:
    few, many = make.view(make.cell("ref", params={"steps": 4})), make.view(make.cell("ref", params={"steps": 20}))
    summary = summarise_stores([few, many])
    assert [workload.title for workload in summary.workloads] == ["t2i [steps=4]", "t2i [steps=20]"]


def test_another_subset_is_never_one_table(make: Any) -> None:
    summary = summarise_stores([make.view(make.cell("ref")), make.view(make.cell("ref", subset="flash-16"))])
    assert [w.title for w in summary.workloads] == ["t2i [subset none]", "t2i [subset flash-16]"]


def test_columns_are_the_primary_ones_by_axis_and_a_few_companions(typical: Summary) -> None:
    names = [column.name for column in columns_of(typical.workloads[0])]
    assert names == [
        "clip_score", "lpips_to_reference", "latency_p50_ms", "speedup", "peak_rss_growth_mb", "parameter_mb",
        "gflop_per_sample", "energy_j_per_sample", "preparation_s",
    ]  # fmt: skip
    assert "latency_p90_ms" in [column.name for column in columns_of(typical.workloads[0], every=True)]


def test_other_batch_sizes_are_shown_without_being_listed_anywhere(make: Any) -> None:
    numbers = [make.number("fid", 3.0, primary=True), make.number("latency_p50_ms@b8", 90.0)]
    (workload,) = summarise(make.view(make.cell("ref", numbers))).workloads
    assert [column.name for column in columns_of(workload)] == ["fid", "latency_p50_ms@b8"]


def test_of_the_roofline_only_the_share_reached_is_usual(make: Any) -> None:
    compute = {"axis": "compute", "primary": False}
    numbers = [make.number(n, 1.0, **compute) for n in ("gbyte_per_sample", "flop_per_byte", "roofline_share")]
    (workload,) = summarise(make.view(make.cell("ref", numbers))).workloads
    assert [column.name for column in columns_of(workload)] == ["roofline_share"]


def test_headings_are_words_without_the_unit() -> None:
    assert label_of("latency_p50_ms", "ms", "latency") == "latency p50"
    assert label_of("latency_p50_ms@b8", "ms", "latency") == "latency p50 @b8"
    assert label_of("energy_j_per_sample", "J", "energy") == "energy per sample"
    assert label_of("gflop_per_sample", "GFLOP", "compute") == "compute per sample"
    assert label_of("throughput_per_s", "1/s", "latency") == "throughput"
    assert label_of("peak_rss_growth_mb", "MB", "memory") == "peak RSS growth"
    assert label_of("clip_score", "", "quality") == "CLIP score"
    assert label_of("gbyte_per_sample", "GB", "compute") == "bytes moved per sample"
    assert label_of("flop_per_byte", "FLOP/B", "compute") == "arithmetic intensity"
    assert label_of("roofline_share", "share", "compute") == "roofline"


def test_a_null_that_says_nothing_about_a_method_goes_to_the_notes(typical: Summary) -> None:
    table = table_of(typical.workloads[0])
    assert "energy_j_per_sample" not in [column.name for column in table.columns]
    assert "energy per sample: n/a (no_device) for every method" in table.notes


def test_such_a_null_stays_in_the_notes_where_a_method_is_simulated_too(make: Any) -> None:
    null = make.number("energy_j_per_sample", None, reason="simulated")
    real = make.number("energy_j_per_sample", None, reason="no_device")
    (workload,) = summarise(make.view(make.cell("ref", [real]), make.cell("a", [null], 1))).workloads
    assert table_of(workload).notes == ("energy per sample: n/a (no_device, simulated) for every method",)


def test_all_simulated_keeps_its_columns(make: Any) -> None:
    (workload,) = summarise(make.view(make.cell("ref", make.full_numbers(0.3, None, None)))).workloads
    assert "latency_p50_ms" in [column.name for column in table_of(workload).columns]


def test_times_of_several_machines_are_left_out_and_ratios_stay(make: Any) -> None:
    here = make.view(make.cell("ref", machine="aaaaaaaaaaaa"))
    there = make.view(make.cell("ref", machine="bbbbbbbbbbbb"))
    (workload,) = summarise_stores([here, there]).workloads
    names = [column.name for column in columns_of(workload, every=True)]
    assert "speedup" in names
    assert not {"latency_p50_ms", "preparation_s", "latency_p90_ms"} & set(names)
    assert primary_of(workload, "latency").name == "speedup"
    table = table_of(workload)
    assert [row.where for row in table.rows] == ["aaaaaaaa", "bbbbbbbb"]
    assert any("absolute times are not comparable" in line for line in table.caption)


def test_a_caption_says_samples_seeds_place_and_level(typical: Summary) -> None:
    text = " ".join(table_of(typical.workloads[0]).caption)
    assert "n = 64 samples; seeds 0, 1; no subset; device cpu; dtype float32." in text
    assert "AMD EPYC 7B13, 2 cores, 8.3 GB [feedc0ffee12]" in text
    assert "95 % interval (quality: percentile bootstrap over samples; latency: order statistics of the calls)" in text


def test_a_caption_copes_with_an_unknown_machine_and_level(make: Any) -> None:
    from dataclasses import replace

    bare = replace(make.view(make.cell("ref")), lock={}, machines={})
    text = " ".join(table_of(summarise(bare).workloads[0]).caption)
    assert "Machine: unknown [feedc0ffee12]" in text
    assert "[low, high]: confidence interval" in text


def test_what_differs_between_methods_is_said_method_by_method(make: Any) -> None:
    cells = make.cell("ref"), make.cell("a", order=1, n_samples=32), make.cell("b", order=2)
    (workload,) = summarise(make.view(*cells)).workloads
    assert table_of(workload).caption[0].startswith("n = 64 samples (ref, b) / 32 samples (a); ")


def test_the_same_cell_measured_twice_is_told_apart_by_time(make: Any) -> None:
    again = make.view(make.cell("ref", finished_utc="2026-11-23T08:00:00Z"))
    (workload,) = summarise_stores([make.view(make.cell("ref")), again]).workloads
    assert [row.where for row in table_of(workload).rows] == ["2026-11-22 10:05", "2026-11-23 08:00"]
