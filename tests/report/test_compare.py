from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.report.compare import Comparison, ComparisonRow, compare
from effbench.report.comparison_text import SCHEMA, comparison_json, render_comparison
from effbench.report.verdict import verdict
from effbench.stats.paired import paired_difference, samples_needed

SCORES = np.random.default_rng(3).normal(0.5, 0.2, 60)
REFERENCE = {"r001": [10.0, 10.1], "r002": [11.0], "r003": [10.5], "r004": [10.2]}
SLOWER = {"r001": [11.2], "r002": [12.5], "r003": [11.6], "r004": [11.5]}


def member(
    make: Any,
    name: str,
    order: int,
    scores: Sequence[float] = SCORES,
    rounds: Any = None,
    distance: float | None = None,
    parameters: float = 8.0,
    **rest: Any,
) -> Any:
    """A cell with a score per sample, maybe a distance of the whole set with draws, and times."""
    numbers = [make.number("clip_score", float(np.mean(scores)), 0.0, 1.0, ci_method="bootstrap_percentile")]
    draws = {}
    if distance is not None:
        more = {"ci_method": "bootstrap_centred", "higher_is_better": False, "primary": False}
        numbers.append(make.number("kernel_distance", distance, distance - 1, distance + 1, **more))
        draws["kernel_distance"] = distance + 0.5 + np.random.default_rng(9).normal(0, 0.1, 1000) * (1 + order)
    times = [calls for found in (rounds or {}).values() for calls in found]
    numbers.append(make.number("latency_p50_ms", float(np.median(times)) if times else None))
    numbers += [make.number("peak_rss_growth_mb", 20.0 + order), make.number("parameter_mb", parameters)]
    given = {"n_samples": len(scores), "seeds": (0,), **rest}
    cell = make.cell(name, numbers, order, **given)
    return make.Raw(cell, {"clip_score": scores}, draws, rounds or {})


def rows_of(comparison: Comparison) -> dict[str, ComparisonRow]:
    return {row.number: row for row in comparison.rows}


@pytest.fixture
def planted(make: Any, tmp_path: Path) -> Any:
    """Reference, and a method that is worse by 0.1 and slower by about a tenth."""
    noise = np.random.default_rng(4).normal(0, 0.05, 60)
    return make.raw_store(
        tmp_path,
        member(make, "reference", 0, SCORES, REFERENCE, 1.0),
        member(make, "worse", 1, SCORES - 0.1 + noise, SLOWER, 1.3, parameters=4.0),
        member(make, "copy", 2, SCORES, {name: [1.001 * v for v in REFERENCE[name]] for name in REFERENCE}, 1.0),
    )


def test_quality_is_compared_in_pairs(planted: Any) -> None:
    row = rows_of(compare(planted, "worse", "reference"))["clip_score"]
    assert (row.kind, row.how, row.units, row.n) == ("difference", "paired samples", "samples", 60)
    assert row.value == pytest.approx(-0.1, abs=0.02)
    assert -0.13 < row.ci_low < row.value < row.ci_high < -0.07  # unpaired, the spread of 0.2 would give +-0.07
    assert row.p < 0.001
    assert row.effect == pytest.approx(-2, abs=0.5)
    assert row.outcome(0.95) == "worse"


def test_differences_turn_round_with_the_methods(planted: Any) -> None:
    here, there = (rows_of(compare(planted, *pair)) for pair in (("worse", "reference"), ("reference", "worse")))
    assert here["clip_score"].value == pytest.approx(-there["clip_score"].value)
    assert here["latency_p50_ms"].value == pytest.approx(1 / there["latency_p50_ms"].value)
    assert here["parameter_mb"].value == 0.5
    assert there["parameter_mb"].value == 2.0


def test_metrics_of_a_set_are_compared_by_joint_resamples(planted: Any) -> None:
    row = rows_of(compare(planted, "worse", "reference"))["kernel_distance"]
    # Draws are 0.1 z and 0.2 z around their means: the difference is 0.1 z, whose spread pairing has not doubled.
    assert row.how == "paired resamples"
    assert row.value == pytest.approx(0.3)
    assert (row.ci_high - row.ci_low) / 2 == pytest.approx(1.96 * 0.1, rel=0.12)
    assert row.p == pytest.approx(0.004, abs=0.004)
    assert row.outcome(0.95) == "worse"


def test_draws_of_a_set_are_moved_onto_the_difference_measured(make: Any, tmp_path: Path) -> None:
    def of_set(name: str, order: int, distance: float, offset: float) -> Any:
        raw = member(make, name, order, distance=distance)
        bare = [replace(n, ci_method="") for n in raw.cell.numbers if n.name == "kernel_distance"]
        draws = {"kernel_distance": distance + offset + np.random.default_rng(order).normal(0, 0.1, 1000)}
        return make.Raw(raw.cell.model_copy(update={"numbers": tuple(bare)}), draws=draws)

    view = make.raw_store(tmp_path, of_set("ref", 0, 1.0, 0.0), of_set("a", 1, 1.0, 5.0))
    (row,) = compare(view, "a", "ref").rows
    assert row.value == 0.0
    assert row.ci_low == pytest.approx(-row.ci_high, abs=0.1)
    assert row.p > 0.5


def test_time_is_a_ratio_of_shared_rounds_with_its_test(planted: Any) -> None:
    row = rows_of(compare(planted, "worse", "reference"))["latency_p50_ms"]
    logs = [np.log(np.median(SLOWER[name]) / np.median(REFERENCE[name])) for name in REFERENCE]
    assert row.value == pytest.approx(np.exp(np.mean(logs)))
    assert row.ci_low < row.value < row.ci_high
    assert (row.how, row.units, row.n) == ("shared rounds", "rounds", 4)
    assert row.outcome(0.95) == "worse"


def test_what_was_measured_once_is_a_bare_ratio_without_an_outcome(planted: Any) -> None:
    row = rows_of(compare(planted, "worse", "reference"))["peak_rss_growth_mb"]
    assert row.value == pytest.approx(21 / 20)
    assert (row.how, row.p, row.ci_low, row.outcome(0.95)) == ("bare ratio", None, None, "unknown")


def test_holm_runs_over_all_tests_of_the_comparison(planted: Any) -> None:
    rows = [row for row in compare(planted, "worse", "reference").rows if row.p is not None]
    assert len(rows) == 3
    smallest = min(rows, key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(3 * smallest.p)
    (alone,) = compare(planted, "worse", "reference", metrics=["kernel_distance"]).rows
    assert alone.p_holm == alone.p
    assert alone.n_needed == samples_needed(alone.effect, 0.95)
    among_three = rows_of(compare(planted, "worse", "reference"))["kernel_distance"]
    assert among_three.n_needed == samples_needed(alone.effect, 1 - 0.05 / 3) > alone.n_needed


def test_equal_methods_are_undecided_and_say_that_nothing_differs(planted: Any) -> None:
    row = rows_of(compare(planted, "copy", "reference"))["clip_score"]
    assert (row.value, row.p, row.ci_low, row.n_needed) == (0.0, 1.0, None, None)
    assert "the same on all 60 samples" in row.reason
    assert row.outcome(0.95) == "undecided"


def test_shares_that_agree_on_every_sample_keep_an_exact_bound(make: Any, tmp_path: Path) -> None:
    right = [1.0] * 39 + [0.0]
    view = make.raw_store(tmp_path, member(make, "ref", 0, right), member(make, "a", 1, right))
    row = rows_of(compare(view, "a", "ref"))["clip_score"]
    # 0 of 40 samples differ: at the bound, that has a chance of 2.5 % on either side.
    assert row.value == 0
    assert (1 - row.ci_high) ** 40 == pytest.approx(0.025)
    assert row.ci_low == -row.ci_high


def test_seeds_of_a_sample_are_one_sample(make: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    ours = np.concatenate([SCORES[:20], SCORES[:20] + 0.01])
    theirs = ours + np.tile(generator.normal(0, 0.1, 20), 2)
    both = {"n_samples": 20, "seeds": (0, 1)}
    view = make.raw_store(tmp_path, member(make, "ref", 0, theirs, **both), member(make, "a", 1, ours, **both))
    row = rows_of(compare(view, "a", "ref"))["clip_score"]
    expected = paired_difference(ours, theirs, clusters=[f"s{i:03d}" for i in range(20)] * 2)
    assert (row.n, row.value, row.p) == (20, pytest.approx(expected.value), expected.p)
    assert (row.ci_low, row.ci_high) == pytest.approx(expected.interval)


def test_missing_pairs_and_scores_are_null_with_the_reason(make: Any, tmp_path: Path) -> None:
    whole = member(make, "ref", 0)
    half = member(make, "half", 1, SCORES[:30], n_samples=60)
    holed = member(make, "holed", 2, [float("nan"), *SCORES[1:]])
    holed = holed._replace(cell=holed.cell.model_copy(update={"numbers": whole.cell.numbers}))
    view = make.raw_store(tmp_path, whole, half, holed)
    row = rows_of(compare(view, "half", "ref"))["clip_score"]
    assert (row.value, row.reason) == (None, "half and ref share only 30 of 60 samples")
    row = rows_of(compare(view, "holed", "ref"))["clip_score"]
    assert (row.value, row.reason) == (None, "1 of 60 pairs have no score")
    assert "cannot be compared with ref in CLIP score" in verdict(compare(view, "holed", "ref"))


def test_a_simulated_method_is_compared_in_quality_only(make: Any, tmp_path: Path) -> None:
    simulated = member(
        make, "simulated", 1, SCORES + 0.01 * np.random.default_rng(1).normal(size=60), execution="simulated"
    )
    numbers = [n if n.axis == "quality" else replace(n, value=None, reason="simulated") for n in simulated.cell.numbers]
    simulated = simulated._replace(cell=simulated.cell.model_copy(update={"numbers": tuple(numbers)}))
    view = make.raw_store(tmp_path, member(make, "ref", 0, rounds=REFERENCE), simulated)
    rows = rows_of(compare(view, "simulated", "ref"))
    assert rows["clip_score"].value is not None
    for name in ("latency_p50_ms", "parameter_mb", "peak_rss_growth_mb"):
        assert (rows[name].value, rows[name].reason) == (None, "simulated: simulated")
    said = verdict(compare(view, "simulated", "ref"))
    assert "cannot be compared in speed (simulated: simulated)" in said
    assert "what it wins is not known" in said


def test_times_of_other_machines_are_not_compared(make: Any, tmp_path: Path) -> None:
    other = member(make, "a", 1, rounds=REFERENCE, machine="anotherplace")
    view = make.raw_store(tmp_path, member(make, "ref", 0, rounds=REFERENCE), other)
    rows = rows_of(compare(view, "a", "ref"))
    assert rows["latency_p50_ms"].value is None
    assert "different machines: anotherplace and feedc0ffee12" in rows["latency_p50_ms"].reason
    assert rows["parameter_mb"].value == 1.0


def test_a_withdrawn_number_is_not_compared_although_its_times_are_there(make: Any, tmp_path: Path) -> None:
    cheat = member(make, "cheat", 1, rounds=SLOWER)
    numbers = [replace(n, value=None, reason="unverified") if n.axis == "latency" else n for n in cheat.cell.numbers]
    cheat = cheat._replace(cell=cheat.cell.model_copy(update={"numbers": tuple(numbers)}))
    view = make.raw_store(tmp_path, member(make, "ref", 0, rounds=REFERENCE), cheat)
    row = rows_of(compare(view, "cheat", "ref"))["latency_p50_ms"]
    assert (row.value, row.reason) == (None, "cheat: unverified")


def test_methods_timed_apart_are_joined_through_the_reference(make: Any, tmp_path: Path) -> None:
    reference = {**REFERENCE, "r005": [10.0], "r006": [10.6], "r007": [10.3]}
    later = {"r005": [5.0], "r006": [5.2], "r007": [5.3]}
    members = member(make, "ref", 0, rounds=reference), member(make, "a", 1, rounds=SLOWER)
    view = make.raw_store(tmp_path, *members, member(make, "b", 2, rounds=later))
    row = rows_of(compare(view, "a", "b"))["latency_p50_ms"]
    assert row.how == "rounds with the reference"
    assert row.value == pytest.approx(2.2, abs=0.1)


def test_a_failed_method_is_said_to_have_failed(make: Any, tmp_path: Path) -> None:
    view = make.raw_store(tmp_path, member(make, "ref", 0), make.Raw(make.failed("w4a4", order=1)))
    comparison = compare(view, "w4a4", "ref")
    assert all(row.value is None for row in comparison.rows)
    assert rows_of(comparison)["clip_score"].reason == "w4a4: oom"
    assert verdict(comparison) == "w4a4 failed (oom), so it cannot be compared with ref."


def test_few_samples_have_a_difference_and_no_interval(make: Any, tmp_path: Path) -> None:
    view = make.raw_store(
        tmp_path, member(make, "ref", 0, SCORES[:3]), member(make, "a", 1, SCORES[:3] + np.array([0.1, 0.2, 0.1]))
    )
    row = rows_of(compare(view, "a", "ref"))["clip_score"]
    assert row.value == pytest.approx(0.4 / 3)
    assert (row.ci_low, row.n_needed, row.reason) == (None, None, "3 samples are too few for an interval")
    assert row.p == 0.25
    assert row.outcome(0.95) == "undecided"


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("wors", "reference"), {}, r"no method 'wors' in .*; did you mean 'worse'\?"),
        (("worse", "refrence"), {}, r"did you mean 'reference'\?"),
        (("worse", "worse"), {}, "two different methods"),
        (("worse", "reference"), {"task": "t2x"}, r"no finished cell of task 't2x' in .*; did you mean 't2i'\?"),
        (
            ("worse", "reference"),
            {"metrics": ["clip_scor"]},
            r"--metric: no number 'clip_scor' .* did you mean 'clip_score'\?",
        ),
        (("worse", "reference"), {"metrics": ["speedup"]}, "no number 'speedup' to compare"),
    ],
)
def test_bad_input_is_one_sentence(planted: Any, names: tuple[str, str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        compare(planted, *names, **options)


def test_an_unfinished_method_is_named(planted: Any) -> None:
    with pytest.raises(BadInput, match="t2i/w8 is not finished yet"):
        compare(replace(planted, unfinished=("t2i/w8",)), "w8", "reference")


def test_the_task_is_asked_for_only_where_both_ran_on_several(make: Any, tmp_path: Path) -> None:
    members = [member(make, name, i) for i, name in enumerate(("ref", "a"))]
    members += [member(make, name, i, SCORES + i, task="t2v") for i, name in enumerate(("ref", "a", "b"))]
    view = make.raw_store(tmp_path, *members)
    assert compare(view, "b", "ref").task == "t2v"
    with pytest.raises(BadInput, match="a and ref both ran on t2i, t2v; choose one with --task"):
        compare(view, "a", "ref")
    assert rows_of(compare(view, "a", "ref", task="t2v"))["clip_score"].value == pytest.approx(1.0)
    with pytest.raises(BadInput, match="no method 'b'"):
        compare(view, "b", "ref", task="t2i")


def test_json_is_machine_readable(planted: Any) -> None:
    content = json.loads(comparison_json(compare(planted, "worse", "reference")))
    assert list(content) == ["schema", "suite", "task", "a", "b", "level", "numbers", "verdict"]
    assert (content["schema"], content["a"]["method"], content["level"]) == (SCHEMA, "worse", 0.95)
    row = content["numbers"][0]
    assert row["number"] == "clip_score"
    assert {"value", "ci_low", "ci_high", "p", "p_holm", "effect", "n", "n_needed", "how", "reason", "outcome"} <= set(
        row
    )


def test_the_table_shows_numbers_whole_and_ends_with_the_verdict(planted: Any) -> None:
    comparison = compare(planted, "worse", "reference")
    for width in (60, 140):
        text = render_comparison(comparison, width)
        assert "…" not in text
        assert "0.5x" in text
    assert " ".join(text.split()).endswith(verdict(comparison))
    assert "\x1b[" not in text
    assert "\x1b[" in render_comparison(comparison, colour=True)
