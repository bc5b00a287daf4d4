from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.report.columns import primary_of
from effbench.report.joint import joint_replicates, quality_replicates, speed_replicates, stability_of
from effbench.report.pareto import picture_of, probability_text
from effbench.report.summarise import WorkloadCells, summarise
from effbench.stats.ratio import geometric_mean_ratio

REFERENCE = {"r001": [10.0], "r002": [11.0], "r003": [10.5], "r004": [10.2]}
FASTER = {"r001": [5.2], "r002": [5.4], "r003": [5.1], "r004": [5.3]}


def workload_of(make: Any, path: Path, *members: Any) -> WorkloadCells:
    (workload,) = summarise(make.raw_store(path, *members)).workloads
    return workload


def quality(make: Any, value: float, how: str = "bootstrap_percentile", **rest: Any) -> Any:
    return make.number("clip_score", value, value - 0.1, value + 0.1, ci_method=how, **rest)


def timed(make: Any, name: str, order: int, rounds: Mapping[str, Sequence[float]], **rest: Any) -> Any:
    numbers = [quality(make, 0.5), make.number("latency_p50_ms", 10.0)]
    return make.Raw(make.cell(name, numbers, order), rounds=rounds, **rest)


def test_speed_draws_follow_the_t_interval_of_the_speedup(make: Any, tmp_path: Path) -> None:
    workload = workload_of(make, tmp_path, timed(make, "ref", 0, REFERENCE), timed(make, "fast", 1, FASTER))
    joint = speed_replicates(workload.raw, "latency_p50_ms", resamples=200_000)
    assert joint.values is not None
    ratio = geometric_mean_ratio([v[0] for v in REFERENCE.values()], [v[0] for v in FASTER.values()], 0.95)
    assert (joint.values[0] == 0).all()
    low, middle, high = np.exp(np.quantile(joint.values[1], [0.025, 0.5, 0.975]))
    assert middle == pytest.approx(ratio.value, rel=1e-3)
    assert (low, high) == pytest.approx(ratio.interval, rel=5e-3)


def test_methods_that_share_rounds_share_their_luck_and_others_do_not(make: Any, tmp_path: Path) -> None:
    twin = {name: [2 * calls[0]] for name, calls in FASTER.items()}
    later = {f"r1{name[2:]}": calls for name, calls in FASTER.items()}
    reference = {**REFERENCE, **{f"r1{name[2:]}": calls for name, calls in REFERENCE.items()}}
    members = [timed(make, "ref", 0, reference), timed(make, "a", 1, FASTER), timed(make, "b", 2, twin)]
    workload = workload_of(make, tmp_path, *members, timed(make, "c", 3, later))
    values = speed_replicates(workload.raw, "latency_p50_ms").values
    assert values is not None
    assert values[1] - values[2] == pytest.approx(np.log(2))
    assert abs(np.corrcoef(values[1], values[3])[0, 1]) < 0.1


def test_speed_needs_three_rounds_beside_the_reference(make: Any, tmp_path: Path) -> None:
    two = {name: FASTER[name] for name in ("r001", "r002")}
    workload = workload_of(make, tmp_path, timed(make, "ref", 0, REFERENCE), timed(make, "fast", 1, two))
    joint = speed_replicates(workload.raw, "speedup")
    assert (joint.values, joint.missing) == (None, "fast shares fewer than 3 rounds with the reference")


def drawn(make: Any, name: str, order: int, draws: Sequence[float], gflop: float, **rest: Any) -> Any:
    number = quality(make, float(np.nanmean(draws)), rest.pop("how", "bootstrap_percentile"), n=rest.pop("n", 64))
    numbers = [number, make.number("gflop_per_sample", gflop)]
    return make.Raw(make.cell(name, numbers, order), draws={"clip_score": draws}, **rest)


def test_draws_are_joint_only_on_the_same_samples_and_resamples(make: Any, tmp_path: Path) -> None:
    same = [drawn(make, name, i, [0.1, 0.2, 0.3], 1.0) for i, name in enumerate("ab")]
    workload = workload_of(make, tmp_path / "same", *same)
    joint = quality_replicates(workload.raw, "clip_score")
    assert joint.values is not None
    assert joint.values.tolist() == [[0.1, 0.2, 0.3]] * 2
    for where, other in (
        ("samples", drawn(make, "b", 1, [0.1, 0.2, 0.3], 1.0, samples=["x", "y"])),
        ("rows", drawn(make, "b", 1, [0.1, 0.2], 1.0)),
    ):
        workload = workload_of(make, tmp_path / where, same[0], other)
        joint = quality_replicates(workload.raw, "clip_score")
        assert (joint.values, joint.missing) == (None, "b ran on other samples than a")
    workload = workload_of(make, tmp_path / "none", same[0], make.Raw(make.cell("b", order=1)))
    assert quality_replicates(workload.raw, "clip_score").missing == "b kept no resamples"


def test_resamples_without_a_value_are_left_out_of_all_rows_or_make_it_missing(make: Any, tmp_path: Path) -> None:
    rows = [float(i) for i in range(200)]
    holed = [float("nan"), *rows[1:]]
    workload = workload_of(make, tmp_path / "few", drawn(make, "a", 0, rows, 1.0), drawn(make, "b", 1, holed, 1.0))
    joint = quality_replicates(workload.raw, "clip_score")
    assert joint.values is not None
    assert joint.values.shape == (2, 199)
    holed = [float("nan")] * 3 + rows[3:]
    workload = workload_of(make, tmp_path / "many", drawn(make, "a", 0, rows, 1.0), drawn(make, "b", 1, holed, 1.0))
    assert "not defined" in quality_replicates(workload.raw, "clip_score").missing


def test_draws_of_a_set_are_moved_onto_its_value(make: Any, tmp_path: Path) -> None:
    number = quality(make, 1.0, "bootstrap_centred")
    raw = make.Raw(make.cell("a", [number]), draws={"clip_score": [2.0, 4.0]})
    workload = workload_of(make, tmp_path, raw)
    values = quality_replicates(workload.raw, "clip_score").values
    assert values is not None
    assert values.tolist() == [[0.0, 2.0]]


def test_chance_of_being_on_the_front_is_the_share_of_resamples(make: Any, tmp_path: Path) -> None:
    # b costs more: it is on the front only where its quality is better, which it is in 3 of 10 resamples.
    a, b = [0.5] * 10, [0.6] * 3 + [0.4] * 7
    workload = workload_of(make, tmp_path, drawn(make, "a", 0, a, 1.0), drawn(make, "b", 1, b, 2.0))
    picture = picture_of(workload, ("compute", "quality"))
    assert [point.probability for point in picture.points] == [1.0, pytest.approx(0.3)]
    assert [point.label for point in picture.points] == ["a · >0.99", "b · 0.30"]
    assert picture.note.startswith("Behind a name: the probability")


def test_speed_decides_the_chance_where_quality_is_equal(make: Any, tmp_path: Path) -> None:
    same = {"clip_score": [0.5] * 1000}
    members = [timed(make, "ref", 0, REFERENCE, draws=same), timed(make, "fast", 1, FASTER, draws=same)]
    picture = picture_of(workload_of(make, tmp_path, *members), ("latency", "quality"))
    chances = {point.name: point.probability for point in picture.points}
    assert chances["fast"] > 0.99
    assert chances["ref"] < 0.01


@pytest.mark.parametrize(
    ("axes", "why"),
    [
        (("memory", "quality"), "peak RSS growth was measured once"),
        (("preparation", "quality"), "preparation was measured"),
    ],
)
def test_what_was_measured_once_gives_no_chance_and_says_so(
    make: Any, tmp_path: Path, axes: tuple[str, str], why: str
) -> None:
    def member(name: str, order: int) -> Any:
        numbers = [quality(make, 0.5), make.number("peak_rss_growth_mb", 5.0), make.number("preparation_s", 1.0)]
        return make.Raw(make.cell(name, numbers, order), draws={"clip_score": [0.1, 0.2]})

    picture = picture_of(workload_of(make, tmp_path, member("a", 0), member("b", 1)), axes)
    assert [point.probability for point in picture.points] == [None, None]
    assert why in picture.note


def test_a_store_without_draws_has_a_picture_without_chances(make: Any) -> None:
    (workload,) = summarise(make.view(*make.typical_cells())).workloads
    picture = picture_of(workload, ("latency", "quality"))
    assert [point.label for point in picture.points] == ["reference", "fewer-steps"]
    assert "No probabilities of being on the front" in picture.note


@pytest.mark.parametrize("how", ["wilson", "wilson_effective_and_trainings", "bootstrap_percentile"])
def test_a_share_of_one_in_every_resample_is_not_taken_for_certain(make: Any, tmp_path: Path, how: str) -> None:
    def all_right(name: str, order: int) -> Any:
        numbers = [quality(make, 1.0, how, n=40, unit="share"), make.number("gflop_per_sample", float(order + 1))]
        return make.Raw(make.cell(name, numbers, order), draws={"clip_score": [1.0] * 2000})

    workload = workload_of(make, tmp_path, *(all_right(name, order) for order, name in enumerate("ab")))
    chances = [point.probability for point in picture_of(workload, ("compute", "quality")).points]
    assert chances[0] == 1.0  # cheaper, whatever the quality
    assert chances[1] == pytest.approx(0.5, abs=0.05)  # no sample says which of the two is better
    column = primary_of(workload, "quality")
    assert column is not None
    joint = joint_replicates(workload.raw, column)
    assert joint.values is not None
    assert joint.values.min() >= 40 / 41  # one more sample of unknown outcome, not more


def test_rank_stability_is_the_share_of_resamples(make: Any, tmp_path: Path) -> None:
    members = [drawn(make, "a", 0, [0.9, 0.9, 0.9, 0.1], 1.0), drawn(make, "b", 1, [0.5] * 4, 1.0)]
    workload = workload_of(make, tmp_path, *members, make.Raw(make.failed("w4a4", order=2)))
    column = primary_of(workload, "quality")
    assert column is not None
    assert stability_of(workload, column).values == (0.75, 0.75, None)


@pytest.mark.parametrize(
    ("chance", "text"), [(0.0, "<0.01"), (0.004, "<0.01"), (0.005, "0.01"), (0.5, "0.50"), (1.0, ">0.99")]
)
def test_a_resampled_chance_is_never_shown_as_certain(chance: float, text: str) -> None:
    assert probability_text(chance) == text


def test_items_are_shared_by_methods_and_widen_what_each_is(make: Any, tmp_path: Path) -> None:
    """Both methods are as much faster on one item as on the other; alone either is uncertain, together they are not."""
    rounds = [f"r{r:03d}" for r in range(1, 7)]
    items = {name: [0, 1, 2, 3] for name in rounds}
    factors = [1.0, 2.0, 4.0, 8.0]

    def member(name: str, order: int, scale: float) -> Any:
        jitter = np.random.default_rng(order).normal(1, 0.001, (6, 4))
        times = [100 / (scale * (factor if order else 1)) for factor in factors]
        calls = {name: [time * j for time, j in zip(times, jitter[r])] for r, name in enumerate(rounds)}
        return timed(make, name, order, calls, items=items)

    workload = workload_of(make, tmp_path, member("ref", 0, 1.0), member("a", 1, 1.0), member("b", 2, 1.1))
    joint = speed_replicates(workload.raw, "latency_p50_ms", resamples=20_000)
    assert joint.values is not None
    logs = np.log(factors)
    assert joint.values[1].mean() == pytest.approx(logs.mean(), abs=0.02)
    low, high = np.quantile(joint.values[1], [0.025, 0.975])
    assert (high - low) / 2 == pytest.approx(3.182 * logs.std(ddof=1) / 2, rel=0.05)  # t of 3 degrees, of 4 items
    assert (joint.values[2] > joint.values[1]).mean() > 0.99


def test_numbers_that_are_not_primary_have_probabilities_where_they_were_resampled(make: Any, tmp_path: Path) -> None:
    """A metric beside the primary one against what a method says of itself, which is taken as it is."""

    def member(name: str, order: int, draws: Sequence[float]) -> Any:
        numbers = [
            quality(make, 0.5),
            make.number("lpips_to_reference", 0.2, 0.1, 0.3, primary=False, ci_method="bootstrap_percentile"),
            make.number("size_mb", float(1 + order), axis="facts", unit="MB", higher_is_better=False),
        ]
        return make.Raw(make.cell(name, numbers, order), draws={"clip_score": [0.5] * 4, "lpips_to_reference": draws})

    workload = workload_of(make, tmp_path, member("a", 0, [0.3] * 4), member("b", 1, [0.2, 0.4, 0.4, 0.4]))
    picture = picture_of(workload, ("size_mb", "lpips_to_reference"))
    assert [point.probability for point in picture.points] == [1.0, 0.25]
    without = picture_of(workload, ("size_mb", "size_mb"))
    assert without.note == "No probabilities of being on the front: neither number was sampled."


def test_of_more_methods_than_are_read_the_nearest_to_the_front_have_probabilities(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOST_METHODS", "NEAREST"):
        monkeypatch.setattr(f"effbench.report.joint.{name}", 2)
    members = [drawn(make, name, i, [q] * 10, cost) for i, (name, q, cost) in enumerate(
        [("behind", 0.2, 3.0), ("good", 0.9, 2.0), ("cheap", 0.4, 1.0)]
    )]  # fmt: skip
    picture = picture_of(workload_of(make, tmp_path, *members), ("compute", "quality"))
    assert {point.name: point.probability for point in picture.points} == {"behind": None, "good": 1.0, "cheap": 1.0}
    assert "among the 2 methods nearest to the front" in picture.note


def test_a_store_of_many_resamples_is_cut_to_as_many_as_tell_a_hundredth(make: Any, tmp_path: Path) -> None:
    many = [0.5] * 2000 + [0.1] * 8000
    members = [drawn(make, "a", 0, [0.4] * 10_000, 1.0), drawn(make, "b", 1, many, 2.0)]
    picture = picture_of(workload_of(make, tmp_path, *members), ("compute", "quality"))
    assert picture.points[1].probability == 1.0  # of the first 2,000
