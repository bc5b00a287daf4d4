from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.api import Claim
from effbench.errors import BadInput
from effbench.record import Link
from effbench.report.claims import LedgerRow, count_claims, ledger_of
from effbench.report.formats import render
from effbench.report.markdown import claims_table
from effbench.report.summarise import summarise
from effbench.report.tables import table_of
from effbench.report.terminal import render_terminal


def claim(number: str = "speedup", value: float = 2.0, unit: str = "x", **rest: Any) -> dict[str, Any]:
    return asdict(Claim(rest.pop("metric", "speed-up"), value, unit, "batch 1", "Table 2", number=number, **rest))


def ledger(make: Any, *claims: dict[str, Any], **rest: Any) -> list[LedgerRow]:
    """Claims of a method beside the reference; its speed-up is 2.02 [1.96, 2.10], its parameters take 10.52 MB."""
    rest.setdefault("numbers", make.full_numbers(0.2874, 403.1, 2.02))
    given = {"order": 1, "claims": claims, "reference_cell": make.cell_id("t2i", "ref")} | rest
    (workload,) = summarise(make.view(make.cell("ref"), make.cell("quick", given.pop("numbers"), **given))).workloads
    return list(ledger_of(workload))


@pytest.mark.parametrize(
    ("value", "status"), [(1.5, "reproduced"), (2.02, "reproduced"), (2.1, "reproduced"), (2.11, "not reproduced")]
)
def test_a_claim_inside_the_interval_or_on_its_worse_side_is_reproduced(make: Any, value: float, status: str) -> None:
    (row,) = ledger(make, claim(value=value))
    assert (row.status, row.why, row.measured) == (status, "", 2.02)
    assert row.ci_low == pytest.approx(2.02 * 0.97)


@pytest.mark.parametrize(("value", "status"), [(300.0, "not reproduced"), (396.0, "reproduced"), (900.0, "reproduced")])
def test_lower_is_better_turns_it_round(make: Any, value: float, status: str) -> None:
    (row,) = ledger(make, claim("latency_p50_ms", value, "ms"))  # 403.1 [395.0, 411.2]
    assert row.status == status


@pytest.mark.parametrize(
    ("value", "status"), [(10.42, "reproduced"), (10.40, "not reproduced"), (11.0, "reproduced"), (10.52, "reproduced")]
)
def test_without_an_interval_one_percent_decides(make: Any, value: float, status: str) -> None:
    (row,) = ledger(make, claim("parameter_mb", value, "MB"))
    assert (row.status, row.ci_low) == (status, None)


def test_a_text_makes_a_claim_not_comparable_for_good(make: Any) -> None:
    (row,) = ledger(make, claim(not_comparable="FID needs Inception weights"))
    assert row.verdict == "not comparable (FID needs Inception weights)"
    assert row.measured == 2.02  # shown beside the claim all the same


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"dtype": "float16"}, "it holds for dtype = float16, not float32"),
        ({"task": "t2v"}, "it holds for task = t2v, not t2i"),
        ({"steps": 50}, "it holds for steps = 50, not 20"),
        ({"bits": 4}, "it holds for bits = 4, not 8"),
        ({"group": 32}, "it holds for group = 32, not 64"),
        ({"batch": 16}, "it holds for batch = 16, and this cell has no batch"),
        ({"bits": 4, "steps": 50}, "it holds for bits = 4, not 8; it holds for steps = 50, not 20"),
    ],
)
def test_a_fact_that_differs_is_named_with_what_was_expected(make: Any, facts: dict[str, Any], why: str) -> None:
    (row,) = ledger(make, claim(holds_for=facts))
    assert (row.status, row.why) == ("not comparable", why)


@pytest.mark.parametrize("more", [{}, {"steps": 50}])
def test_what_is_claimed_of_another_kind_of_device_was_not_measured_here(make: Any, more: dict[str, Any]) -> None:
    """The speed-up of a CPU is no number to set beside a GPU's, whatever else differs."""
    (row,) = ledger(make, claim(holds_for={"device_class": "cuda", **more}))
    assert (row.verdict, row.measured_text) == ("not measured (needs GPU)", "–")
    (row,) = ledger(make, claim(holds_for={"device_class": "cuda"}, not_comparable="another task"))
    assert row.verdict == "not comparable (another task)"


def test_of_cells_that_no_claim_compares_with_the_nearest_setting_is_the_one_shown(make: Any) -> None:
    """A claim of 25 labels on data that is not here stands beside our 25 labels, not beside the first budget of the store."""
    theirs = claim(holds_for={"steps": 25}, not_comparable="its data is not here")
    cells = [make.cell(name, params={"steps": steps}, claims=(theirs,)) for name, steps in (("few", 10), ("ref", 25))]
    rows = [ledger_of(summarise(make.view(cell)).workloads[0])[0] for cell in cells]
    assert [row.why for row in rows] == [
        "its data is not here; it holds for steps = 25, not 10", "its data is not here",
    ]  # fmt: skip


def test_facts_that_hold_do_not_stand_in_the_way(make: Any) -> None:
    facts = {"device_class": "cpu", "dtype": "float32", "task": "t2i", "steps": 20, "bits": 8.0, "group": 64}
    assert ledger(make, claim(value=1.9, holds_for=facts))[0].status == "reproduced"
    listed = make.cell("ref", params={"size": [32, 32]}, claims=(claim(value=0.9, holds_for={"size": (32, 32)}),))
    assert ledger_of(summarise(make.view(listed)).workloads[0])[0].status == "reproduced"


@pytest.mark.parametrize(
    ("expected", "why"),
    [
        ({"mean_bits": 4.5}, ""),
        ({"mean_bits": 4}, "it holds for mean_bits = 4, not 4.5"),
        ({"group": 64, "bits": 8}, ""),
        ({"group": 32}, "it holds for group = 32, not 64"),
        ({"clip_score": 0.2874}, "it holds for clip_score = 0.2874, and this cell has no clip_score"),
    ],
)
def test_a_claim_can_hold_for_what_a_method_computes_about_itself(make: Any, expected: Any, why: str) -> None:
    """Facts are conditions, a parameter hides one of its name, and what was measured is none."""
    facts = [
        make.number(name, value, axis="facts", unit="bit") for name, value in (("mean_bits", 4.5), ("group", 32.0))
    ]
    numbers = [*make.full_numbers(0.2874, 403.1, 2.02), *facts]
    assert ledger(make, claim(holds_for=expected), numbers=numbers)[0].why == why


def test_a_claim_of_a_link_is_not_that_of_its_chain(make: Any) -> None:
    cell = make.cell("a+b", make.full_numbers(0.3, 400.0, 2.0), 1, claims=(claim(),))
    chain = (Link(use="a"), Link(use="b"))
    cell = cell.model_copy(update={"identity": cell.identity.model_copy(update={"chain": chain})})
    (row,) = ledger_of(summarise(make.view(cell)).workloads[0])
    assert row.verdict == "not comparable (it is about one method, and this is the chain a+b)"


@pytest.mark.parametrize(
    ("number", "rest", "why"),
    [
        ("", {}, "no number here measures this"),
        ("clip_iqa", {}, "clip_iqa was not recorded"),
        ("energy_j_per_sample", {}, "no_device"),
        ("speedup", {"execution": "simulated"}, "simulated"),
    ],
)
def test_what_was_not_measured_says_why(make: Any, number: str, rest: dict[str, Any], why: str) -> None:
    if rest:
        rest["numbers"] = make.full_numbers(0.3, None, None)
    (row,) = ledger(make, claim(number), **rest)
    assert (row.status, row.why, row.measured, row.measured_text) == ("not measured", why, None, "–")


def test_a_failed_cell_measured_nothing(make: Any) -> None:
    (workload,) = summarise(make.view(make.failed("a", claims=(claim(),)))).workloads
    assert ledger_of(workload)[0].verdict == "not measured (oom)"


def test_another_unit_is_never_compared(make: Any) -> None:
    (row,) = ledger(make, claim("parameter_mb", 10.52, "GB"))
    assert row.verdict == "not comparable (claimed in GB, measured in MB)"
    assert ledger(make, claim(unit="×", value=1.9))[0].status == "reproduced"


def test_a_ratio_divides_by_the_reference(make: Any) -> None:
    numbers = [*make.full_numbers(0.2874, 403.1, 2.02)]
    numbers = [replace(n, value=2.63) if n.name == "parameter_mb" else n for n in numbers]
    (row,) = ledger(make, claim("parameter_mb", 0.25, "x", as_ratio=True), numbers=numbers)
    assert row.measured == pytest.approx(0.25)
    assert (row.status, row.measured_unit, row.what) == ("reproduced", "x", "speed-up (ratio to the reference)")


def test_a_ratio_of_latencies_is_that_within_rounds(make: Any) -> None:
    (row,) = ledger(make, claim("latency_p50_ms", 0.45, "x", as_ratio=True))
    assert row.measured == pytest.approx(1 / 2.02)  # not 403.1 / 812.4
    assert (row.ci_low, row.ci_high) == pytest.approx((1 / (2.02 * 1.04), 1 / (2.02 * 0.97)))
    assert row.status == "not reproduced"


def test_a_ratio_of_qualities_takes_its_interval_from_joint_resamples(make: Any, tmp_path: Path) -> None:
    base = np.random.default_rng(1).normal(0.5, 0.05, 2000)

    def member(name: str, order: int, value: float, draws: Any, **rest: Any) -> Any:
        number = make.number("clip_score", value, value - 0.1, value + 0.1, ci_method="bootstrap_percentile")
        return make.Raw(make.cell(name, [number], order, **rest), draws={"clip_score": draws})

    kept = claim("clip_score", 0.98, "", as_ratio=True, metric="quality kept")
    better = member("quick", 1, 0.49, 0.98 * base, claims=(kept, claim("clip_score", 0.99, "", as_ratio=True)))
    (workload,) = summarise(make.raw_store(tmp_path, member("ref", 0, 0.5, base), better)).workloads
    first, second = ledger_of(workload)
    assert first.measured == pytest.approx(0.98)
    assert (first.ci_low, first.ci_high) == pytest.approx((0.98, 0.98))  # both move together: the ratio does not move
    assert (first.status, second.status) == ("reproduced", "not reproduced")


def test_a_ratio_without_a_reference_is_not_measured(make: Any) -> None:
    (row,) = ledger(make, claim("parameter_mb", 0.5, as_ratio=True), reference_cell=None)
    assert row.verdict == "not measured (no_reference)"


def test_records_of_before_claims_said_what_they_compare_with(make: Any) -> None:
    old = {"metric": "fid", "value": 3.1, "unit": "", "setting": "COCO", "source": "Tab. 2"}
    (row,) = ledger(make, old)
    assert row.verdict == "not measured (no number here measures this)"


@pytest.mark.parametrize("name", ["table", "md", "html", "latex"])
def test_the_ledger_stands_below_the_table(make: Any, name: str) -> None:
    cells = (
        make.cell("ref"),
        make.cell("quick", order=1, claims=(claim(value=1.0), claim(value=7.0, holds_for={"device_class": "cuda"}))),
    )
    text = " ".join(render(summarise(make.view(*cells)), name, width=400).split()).replace("\\_", "_")
    for expected in ("Table 2", "batch 1", "reproduced", "1 published claim is of another setting"):
        assert expected in text
    assert "device_class = cuda" not in text, "what compares with nothing here is counted, not shown"
    assert text.index("Table 2") > text.index("95 ")
    bare = render(summarise(make.view(make.cell("ref"))), name)
    assert "measured here" not in bare


def test_numbers_of_the_ledger_are_never_wrapped(make: Any) -> None:
    cells = make.cell("quick", make.full_numbers(0.3, 400.0, 2.02), claims=(claim(value=123.25),))
    text = render(summarise(make.view(cells)), "table", width=60)
    assert "123.25 x" in text
    assert "2.02 x [1.96, 2.10]" in text


def test_json_carries_the_ledger(make: Any) -> None:
    cells = make.cell("ref"), make.cell("quick", make.full_numbers(0.3, 400.0, 2.02), order=1, claims=(claim(),))
    (row,) = json.loads(render(summarise(make.view(*cells)), "json"))["claims"]
    assert (row["method"], row["claimed"], row["measured"], row["status"]) == ("quick", 2.0, 2.02, "reproduced")
    assert {"metric", "setting", "source", "unit", "ci_low", "ci_high", "why", "number", "task"} <= set(row)


def test_the_table_of_one_method_for_its_readme(make: Any) -> None:
    claims = claim(value=1.9), claim("", 3.0)
    summary = summarise(
        make.view(make.cell("ref"), make.cell("quick", make.full_numbers(0.3, 400.0, 2.02), 1, claims=claims))
    )
    lines = claims_table(summary, "quick").splitlines()
    assert lines[0] == "| claim | setting | source | claimed | measured here | status |"
    assert lines[2] == r"| speed-up | batch 1 | Table 2 | 1.9 x | 2.02 x \[1.96, 2.10\] | reproduced |"
    assert len(lines) == 6
    assert claims_table(summary, "ref") == "ref makes no claims.\n"
    with pytest.raises(BadInput, match=r"--claims: no method 'quik' in this store; did you mean 'quick'\?"):
        claims_table(summary, "quik")


def test_the_name_of_a_method_stands_for_its_variants_but_not_for_chains(make: Any) -> None:
    def variant(name: str, order: int, *uses: str) -> Any:
        cell = make.cell(name, make.full_numbers(0.3, 400.0, 2.02), order, claims=(claim(),))
        chain = tuple(Link(use=use) for use in uses)
        return cell.model_copy(update={"identity": cell.identity.model_copy(update={"chain": chain})})

    cells = variant("w(bits=4)", 1, "w"), variant("w(bits=8)", 2, "w"), variant("w+x", 3, "w", "x")
    summary = summarise(make.view(*cells))
    text = claims_table(summary, "w")
    assert text.startswith("| method | claim |")
    assert text.count("| w(bits=") == 2
    assert "w+x" not in text
    assert "chain w+x" in claims_table(summary, "w+x")


def test_a_claim_that_compares_with_no_variant_stands_once(make: Any) -> None:
    elsewhere = claim(value=9.0, holds_for={"device_class": "cuda"})
    far = claim(holds_for={"bits": 2, "steps": 7}), claim(value=1.9), elsewhere
    near = claim(holds_for={"bits": 2}), claim(value=1.9), elsewhere

    def variant(name: str, order: int, claims: tuple[dict[str, Any], ...]) -> Any:
        cell = make.cell(name, make.full_numbers(0.3, 400.0, 2.02), order, claims=claims)
        return cell.model_copy(update={"identity": cell.identity.model_copy(update={"chain": (Link(use="w"),)})})

    summary = summarise(make.view(variant("far", 1, far), variant("near", 2, near)))
    lines = claims_table(summary, "w").splitlines()[2:-2]
    assert [line.split("|")[1].strip() for line in lines] == ["far", "far", "near", "near"]
    assert ["not comparable" in line for line in lines] == [False, False, True, False]
    assert ["needs GPU" in line for line in lines] == [False, True, False, False]


@pytest.mark.parametrize("value", [0.3012, 0.0, 1e-320])
def test_what_compares_is_told_without_measuring_and_the_first_rows_are_those_of_the_whole(
    make: Any, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reference's value: a ratio to nearly nothing is larger than any number, and then there is none."""
    claims = [
        claim(number, 2.0, unit, as_ratio=as_ratio, **more)
        for number in ("", "clip_score", "speedup", "parameter_mb", "latency_p50_ms", "unheard_of")
        for unit in ("", "x", "ms", "%")
        for as_ratio in (False, True)
        for more in ({}, {"not_comparable": "another task"}, {"holds_for": {"steps": 7}}, {"holds_for": {"steps": 20}})
    ]
    numbers = make.full_numbers(0.2874, 403.1, 2.02)
    cells = [make.cell("ref", make.full_numbers(value)), make.cell("quick", numbers, 1, claims=claims)]
    cells[1] = cells[1].model_copy(update={"reference_cell": cells[0].id})
    (workload,) = summarise(make.view(*cells)).workloads
    compared = [row for row in ledger_of(workload) if row.status != "not comparable"]
    assert 0 < len(compared) < len(claims)
    assert count_claims(workload) == (len(compared), len(claims) - len(compared))
    table = table_of(workload)
    assert (table.ledger, table.claim_count) == (tuple(compared), len(compared))
    assert table.first_claims(3) == tuple(compared[:3])
    monkeypatch.setattr("effbench.report.terminal.MOST_CLAIMS", 3)
    text = render(summarise(make.view(*cells)), "table")
    assert text.count("Table 2") == 3
    assert f"{len(compared) - 3} more claims: effbench report STORE --claims METHOD" in text
    two = render_terminal([table, table])
    assert two.count("Table 2") == 3 and f"{len(compared)} more claims: " in two


def test_a_table_needs_no_resample_and_its_ledger_does(make: Any, tmp_path: Path) -> None:
    """A page of two thousand methods must not open two thousand files for claims that it may not show."""
    claims = (claim("clip_score", 0.9, "", as_ratio=True),)
    quality = np.array([0.3, 0.31, 0.28, 0.33, 0.3, 0.29])
    members = [
        make.Raw(
            make.cell(name, order=order, claims=claims[:order], n_samples=6), draws={"clip_score": quality - order / 9}
        )
        for order, name in enumerate(("ref", "quick"))
    ]
    view = make.raw_store(tmp_path / "store", *members)
    (draws,) = (tmp_path / "store" / "cells" / view.cells[1].id / "draws").iterdir()
    damaged = draws.with_name(f"quality.{hashlib.sha256(b'x').hexdigest()[:16]}.parquet")
    draws.unlink()
    damaged.write_bytes(b"x")
    table = table_of(summarise(view).workloads[0])
    assert (table.claim_count, len(table.rows)) == (1, 2)
    (row,) = table.ledger
    assert row.status == "not measured" and "damaged" in row.why
