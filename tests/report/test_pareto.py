from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.report.pareto import front, parse_axes, picture_of, pictures_of
from effbench.report.pareto_choices import choices_of, default_choice
from effbench.report.pareto_table import picture_text, rows_of
from effbench.report.summarise import Summary, summarise, summarise_stores

POINTS = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (3.0, 4.0), (4.0, 4.0), (2.0, 3.0)]


@pytest.mark.parametrize(
    ("higher_x", "higher_y", "ahead"),
    [
        (False, True, [0, 1, 3, 5]),  # (2, 3) stands twice and both stay; (4, 4) loses to (3, 4)
        (False, False, [0]),
        (True, True, [4]),
        (True, False, [0, 2, 4]),  # (3, 4) loses to (3, 2)
    ],
)
def test_front_of_a_case_done_by_hand(higher_x: bool, higher_y: bool, ahead: list[int]) -> None:
    assert [i for i, is_ahead in enumerate(front(POINTS, higher_x, higher_y)) if is_ahead] == ahead


@pytest.mark.parametrize("seed", range(20))
def test_front_is_what_the_definition_says_point_by_point(seed: int) -> None:
    """No other point at least as good on both axes and better on one; few values, so that many are equal on an axis."""
    rng = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in rng.integers(0, 8, (40, 2))]
    higher_x, higher_y = bool(seed % 2), bool(seed // 2 % 2)
    signed = [(x if higher_x else -x, y if higher_y else -y) for x, y in points]
    expected = tuple(not any(o[0] >= p[0] and o[1] >= p[1] and o != p for o in signed) for p in signed)
    assert front(points, higher_x, higher_y) == expected


def test_front_of_nothing_of_one_and_of_equal_points() -> None:
    assert front([], True, True) == ()
    assert front([(1.0, 2.0)], True, False) == (True,)
    assert front([(1.0, 2.0)] * 3, True, False) == (True, True, True)


def quality_and_latency(make: Any, *values: tuple[float, float]) -> Summary:
    cells = [
        make.cell(f"m{i}", [make.number("clip_score", q), make.number("latency_p50_ms", t)], i)
        for i, (t, q) in enumerate(values)
    ]
    return summarise(make.view(*cells))


def test_staircase_turns_at_the_worse_of_both(make: Any) -> None:
    (workload,) = quality_and_latency(make, (1.0, 1.0), (3.0, 4.0), (2.0, 3.0), (4.0, 2.0)).workloads
    assert picture_of(workload, ("latency", "quality")).staircase == ((1, 1), (2, 1), (2, 3), (3, 3), (3, 4))
    assert picture_of(workload, ("quality", "latency")).staircase == ((1, 1), (1, 2), (3, 2), (3, 3), (4, 3))


def test_cells_without_both_numbers_are_named_with_their_reason(typical: Summary) -> None:
    (picture,) = pictures_of(typical, ("latency", "quality"))
    assert [point.name for point in picture.points] == ["reference", "fewer-steps"]
    assert picture.left_out == (("int8-simulated", "latency simulated"), ("w4a4", "failed: oom"))


def test_intervals_that_are_not_known_shrink_to_the_value(make: Any) -> None:
    (workload,) = quality_and_latency(make, (1.0, 1.0)).workloads
    (point,) = picture_of(workload, ("latency", "quality")).points
    assert (point.across, point.upright) == ((1.0, 1.0), (1.0, 1.0))


def test_all_simulated_leaves_a_picture_without_points(make: Any) -> None:
    cells = [make.cell(m, make.full_numbers(0.3, None, None), i, execution="simulated") for i, m in enumerate("ab")]
    (picture,) = pictures_of(summarise(make.view(*cells)), ("latency", "quality"))
    assert picture.points == ()
    assert [name for name, _ in picture.left_out] == ["a", "b"]


def test_latency_of_several_machines_is_the_ratio(make: Any) -> None:
    views = [make.view(make.cell("ref", machine=name * 12)) for name in "ab"]
    (picture,) = pictures_of(summarise_stores(views), ("latency", "quality"))
    assert picture.x.name == "speedup"
    assert [point.name for point in picture.points] == ["ref aaaaaaaa", "ref bbbbbbbb"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quality", "takes two axes as X,Y, not 'quality'"),
        ("latency,latency", "two different axes"),
        ("a,b,c", "takes two axes"),
    ],
)
def test_axes_that_make_no_sense_are_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_axes(text)


@pytest.mark.parametrize(
    ("axes", "message"),
    [(("quality", "speed"), "unknown axis or number 'speed'"), (("qualty", "latency"), "did you mean 'quality'")],
)
def test_an_axis_that_is_none_is_refused_with_the_nearest(make: Any, axes: tuple[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pictures_of(quality_and_latency(make, (1.0, 1.0)), axes)


def test_a_number_is_an_axis_by_its_name(make: Any) -> None:
    summary = summarise(make.view(*make.typical_cells()))
    (picture,) = pictures_of(summary, ("gflop_per_sample", "lpips_to_reference"))
    assert (picture.x.name, picture.y.name) == ("gflop_per_sample", "lpips_to_reference")
    assert not picture.y.higher_is_better
    assert [point.name for point in picture.points] == ["reference", "fewer-steps", "int8-simulated"]


def test_an_axis_nobody_recorded_is_refused(make: Any) -> None:
    with pytest.raises(BadInput, match="no comparable memory number"):
        pictures_of(quality_and_latency(make, (1.0, 1.0)), ("memory", "quality"))


def test_axes_may_have_spaces() -> None:
    assert parse_axes("quality, latency") == ("quality", "latency")


def test_methods_of_one_reason_stand_in_one_sentence_and_of_many_the_first(make: Any) -> None:
    cells = [make.cell("ref"), *(make.failed(f"m{i}", i + 1, reason="too_few_samples") for i in range(15))]
    (picture,) = pictures_of(summarise(make.view(*cells)), ("latency", "quality"))
    first = ", ".join(f"m{i}" for i in range(12))
    assert picture.not_drawn == (f"Not drawn: {first} and 3 others (failed: too few samples).",)


def test_two_numbers_of_one_axis_are_told_apart_where_one_is_missing(make: Any) -> None:
    cells = [make.cell("ref"), make.cell("a", [make.number("clip_score", 0.3)], 1)]
    (picture,) = pictures_of(summarise(make.view(*cells)), ("clip_score", "lpips_to_reference"))
    assert picture.left_out == (("a", "LPIPS to reference not recorded"),)


def test_what_can_be_chosen_has_its_unit_and_somebody_who_has_it(make: Any) -> None:
    (workload,) = summarise(make.view(*make.typical_cells())).workloads
    choices = choices_of(workload)
    assert choices["latency p50 (ms)"].name == "latency_p50_ms"
    assert choices["CLIP score"].name == "clip_score"
    assert "energy_j_per_sample" not in {column.name for column in choices.values()}
    assert default_choice(workload, choices) == ("latency p50 (ms)", "CLIP score")


def test_numbers_of_one_label_are_told_apart_and_slices_come_last(make: Any) -> None:
    numbers = [
        make.number("clip_score[hue=red]", 0.2, primary=False, slice="hue=red"),
        make.number("size_mb", 1.0, axis="facts", unit="MB"),
        make.number("size_mb_", 2.0, axis="facts", unit="MB", higher_is_better=False),
        make.number("clip_score", 0.3),
        make.number("gflop_per_sample", 3.0),
    ]
    (workload,) = summarise(make.view(make.cell("ref", numbers))).workloads
    choices = choices_of(workload)
    assert [column.name for column in choices.values()] == [
        "clip_score", "gflop_per_sample", "size_mb", "size_mb_", "clip_score[hue=red]"
    ]  # fmt: skip
    assert len(choices) == 5
    assert default_choice(workload, choices) == ("compute per sample (GFLOP)", "CLIP score")


@pytest.mark.parametrize("names", [("clip_score", "lpips_to_reference"), ("parameter_mb", "gflop_per_sample")])
def test_the_default_are_two_different_numbers_whatever_was_measured(make: Any, names: tuple[str, str]) -> None:
    (workload,) = summarise(make.view(make.cell("ref", [make.number(name, 1.0) for name in names]))).workloads
    choices = choices_of(workload)
    assert {choices[text].name for text in default_choice(workload, choices)} == set(names)


def test_the_table_has_the_front_first_with_digits_that_intervals_support(typical: Summary) -> None:
    (picture,) = pictures_of(typical, ("compute", "quality"))
    rows = rows_of(picture)
    assert [row.name for row in rows] == ["reference", "int8-simulated", "fewer-steps"]
    assert (rows[0].x, rows[0].y, rows[0].front, rows[0].probability) == (
        ("3.218", ""), ("0.301", "[0.289, 0.313]"), "yes", "–"
    )  # fmt: skip
    assert [row.kind for row in rows] == ["reference", "simulated", ""]
    assert "On the front: reference." in picture_text(picture)
