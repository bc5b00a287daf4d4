from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from effbench.errors import BadInput
from effbench.report.columns import columns_of, label_of, primary_of
from effbench.report.formats import render
from effbench.report.summarise import Summary, number_of, summarise, summarise_stores
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
    "ci_method",
    "slice",
    "units",
    "by",
    "verification",
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


def names(columns: Any) -> list[str]:
    return [column.name for column in columns]


HEADLINE_NAMES = [
    "clip_score", "speedup", "latency_p50_ms", "peak_rss_growth_mb", "parameter_mb", "gflop_per_sample", "preparation_s",
]  # fmt: skip


def test_the_headline_comes_first_and_everything_else_by_name(typical: Summary) -> None:
    (workload,) = typical.workloads
    assert names(columns_of(workload)) == names(columns_of(workload, ["headline"])) == HEADLINE_NAMES
    assert "latency_p90_ms" in names(columns_of(workload, ["all"]))
    assert names(columns_of(workload, ["speedup", "clip_score", "speedup"])) == ["speedup", "clip_score"]
    assert names(columns_of(workload, ["quality", "headline"])) == [
        "clip_score", "lpips_to_reference", *HEADLINE_NAMES[1:]
    ]  # fmt: skip
    assert table_of(workload).more == 3  # lpips, p90, energy
    assert table_of(workload, ["all"]).more == 0


def test_a_task_without_speed_memory_or_compute_has_a_headline_of_its_quality(make: Any) -> None:
    energy = make.number("energy_error_mha", 0.4, primary=True, unit="mHa", higher_is_better=False)
    nulls = [
        make.number("latency_p50_ms", None, reason="not_requested"),
        make.number("speedup", None, reason="not_requested"),
    ]
    cells = make.cell("fci", [energy, *nulls]), make.cell("hf", [energy, *nulls], 1)
    (workload,) = summarise(make.view(*cells)).workloads
    table = table_of(workload)
    assert names(table.columns) == ["energy_error_mha"]
    assert table.notes == ("n/a for every method: speed-up (not_requested), latency (not_requested)",)


def test_without_a_primary_quality_the_first_one_leads(make: Any) -> None:
    (workload,) = summarise(
        make.view(make.cell("ref", [make.number("gap", 1.0), make.number("solved", 1.0)]))
    ).workloads
    assert names(columns_of(workload)) == ["gap"]


def test_an_unknown_column_names_the_nearest_and_every_human_format_refuses_it(typical: Summary) -> None:
    for name in ("table", "md", "html", "latex"):
        with pytest.raises(BadInput, match=r"--columns: unknown number 'sped_up'; did you mean 'speedup'\?"):
            render(typical, name, picked=["sped_up"])
        assert "lpips" in render(typical, name, picked=["lpips_to_reference"]).lower()


def test_another_batch_size_is_another_number(make: Any) -> None:
    numbers = [make.number("fid", 3.0, primary=True), make.number("latency_p50_ms@b8", 90.0, primary=False)]
    (workload,) = summarise(make.view(make.cell("ref", numbers))).workloads
    assert names(columns_of(workload)) == ["fid"]
    assert names(columns_of(workload, ["latency_p50_ms@b8"])) == ["latency_p50_ms@b8"]


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


def test_what_no_method_has_is_said_once_in_place_of_columns(typical: Summary) -> None:
    table = table_of(typical.workloads[0], ["all"])
    assert not {"energy_j_per_sample", "latency_p90_ms"} & set(names(table.columns))
    assert "n/a for every method: latency p90 (too_few_samples), energy per sample (no_device)" in table.notes


def test_such_a_null_names_every_reason(make: Any) -> None:
    null = make.number("energy_j_per_sample", None, reason="simulated")
    real = make.number("energy_j_per_sample", None, reason="no_device")
    (workload,) = summarise(make.view(make.cell("ref", [real]), make.cell("a", [null], 1))).workloads
    assert table_of(workload, ["energy"]).notes == ("n/a for every method: energy per sample (no_device, simulated)",)


def test_times_of_several_machines_are_left_out_and_ratios_stay(make: Any) -> None:
    here = make.view(make.cell("ref", machine="aaaaaaaaaaaa"))
    there = make.view(make.cell("ref", machine="bbbbbbbbbbbb"))
    (workload,) = summarise_stores([here, there]).workloads
    shown = names(columns_of(workload, ["all"]))
    assert "speedup" in shown
    assert not {"latency_p50_ms", "preparation_s", "latency_p90_ms"} & set(shown)
    assert names(columns_of(workload))[:3] == ["clip_score", "speedup", "peak_rss_growth_mb"]
    assert primary_of(workload, "latency").name == "speedup"
    table = table_of(workload)
    assert [row.where for row in table.rows] == ["aaaaaaaa", "bbbbbbbb"]
    assert any("absolute times are not comparable" in line for line in table.caption)


def test_a_caption_says_samples_seeds_place_and_level(typical: Summary) -> None:
    text = " ".join(table_of(typical.workloads[0], ["all"]).caption)
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


CERTIFICATE = tuple(
    f"{metric}, {split}: held-out tau 0.862 [0.777, 0.930] (random of equal size 0.720); every difference"
    for metric, split in (
        ("clip_score", "random-half"),
        ("lpips_to_reference", "random-half"),
        ("clip_score", "families"),
    )
)


def test_a_certificate_is_one_line_under_the_headline_and_whole_under_all_columns(make: Any) -> None:
    (workload,) = summarise(make.view(make.cell("ref", subset="few", certificate=CERTIFICATE))).workloads
    brief = [line for line in table_of(workload).caption if "Certificate" in line]
    assert brief == [
        "Certificate of the subset, for clip_score, random-half: held-out tau 0.862 [0.777, 0.930]; "
        "families: held-out tau 0.862 [0.777, 0.930]."
    ]
    whole = [line for line in table_of(workload, ["all"]).caption if "Certificate" in line]
    assert whole == [f"Certificate of the subset, for {words}." for words in CERTIFICATE]


def test_a_table_asks_once_per_cell_where_it_ran(monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    """With a thousand methods, asking each against all others took a minute."""
    from effbench.report import summarise as module

    calls = []
    place_of = module.place_of
    monkeypatch.setattr(module, "place_of", lambda cell: calls.append(cell) or place_of(cell))
    cells = [make.cell("reference"), *(make.cell(f"m{i}", make.full_numbers(), i) for i in range(1, 100))]
    (workload,) = module.summarise(make.view(*cells)).workloads
    assert len(table_of(workload).rows) == 100
    assert len(calls) <= 4 * len(cells)


def test_a_thousand_methods_are_not_all_named_in_a_sentence(make: Any) -> None:
    """Each of them stands in the table; a caption of forty kilobytes is read by nobody."""
    cells = [make.cell(f"m{i:03d}", order=i, dtype="float32" if i % 2 else "bfloat16") for i in range(100)]
    cells += [make.failed(f"w{i:02d}", 100 + i, "timeout" if i % 3 else "oom") for i in range(30)]
    (workload,) = summarise(make.view(*cells)).workloads
    table = table_of(workload)
    dtypes = next(part for part in table.caption[0].split("; ") if part.startswith("dtype"))
    assert dtypes.startswith("dtype bfloat16 (m000, m002, ") and dtypes.count("and 30 more") == 2
    failed = [note for note in table.notes if "failed" in note]
    assert len(failed) == 21 and failed[0].startswith("w00 failed in its latency job: oom")
    assert failed[-1] == "10 more failed: timeout 7 times, oom 3 times"


def test_numbers_of_a_name_are_those_of_each_cell_in_turn(typical: Summary) -> None:
    (workload,) = typical.workloads
    for name in ("clip_score", "latency_p50_ms", "unheard_of"):
        assert list(workload.numbers_of(name)) == [number_of(cell, name) for cell in workload.cells]


def test_a_cell_is_found_with_its_raw_parts_its_reference_and_its_store(make: Any) -> None:
    """Two stores hold the same cells: each method was run beside the reference of its own."""
    views = []
    for suite in ("a", "b"):
        reference = make.cell("ref", suite=suite)
        method = make.cell("quick", order=1, suite=suite, reference_cell=reference.id)
        views.append(make.view(reference, method, suite=suite, path=Path("results") / suite))
    (workload,) = summarise_stores(views).workloads
    assert [str(store) for store in workload.folders] == ["results/a", "results/b"] * 2
    for cell, raw in zip(workload.cells, workload.raw):
        assert workload.raw_of(cell) is raw
        reference = workload.reference_of(cell)
        assert reference is not None and reference.record.role == "reference" and reference.record.suite == cell.suite
    alone = make.cell("alone", order=1)
    assert workload.raw_of(alone) is None and workload.reference_of(alone) is None
