"""Groups and trainings in tables, comparisons and pictures: n counts what is independent, and one training says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.raw import ratio_interval
from effbench.report.compare import ComparisonRow, compare
from effbench.report.comparison_text import comparison_json, render_comparison
from effbench.report.joint import quality_replicates
from effbench.report.summarise import summarise
from effbench.report.tables import FLAG_TEXT, table_of
from effbench.report.verdict import verdict
from effbench.stats.bootstrap import centred
from effbench.stats.paired import paired_difference
from effbench.stats.resampled import Resampled, combined, resample, resampled_interval, resampled_p

IDS = [f"s{i:03d}" for i in range(40)]
GROUPS = {sample: f"scene{i % 8}" for i, sample in enumerate(IDS)}
SEEDS = (0, 1, 2, 3, 4)
ONCE = "trained once: this holds for this one training"


def member(make: Any, name: str, order: int, scores: Any, seeds: Any = (0,), trainings: Any = (), **rest: Any) -> Any:
    flags = ("one_training",) if len(trainings) == 1 else ()
    how = rest.pop("how", "bootstrap_percentile")
    number = make.number("clip_score", float(np.mean(scores)), 0.1, 0.9, ci_method=how, flags=flags, n=len(scores))
    facts = {"seeds": seeds, "trainings": trainings, "n_samples": 40, "n_groups": 8}
    cell = make.cell(name, [number], order, **facts)
    return make.Raw(cell, {"clip_score": scores}, samples=IDS, groups=GROUPS, **rest)


def row_of(view: Any, a: str = "a", b: str = "ref") -> ComparisonRow:
    (row,) = compare(view, a, b).rows
    return row


def test_samples_of_a_group_are_one_in_a_comparison(make: Any, tmp_path: Path) -> None:
    by_scene = np.random.default_rng(1).normal(0.05, 0.1, 8)
    difference = np.array([by_scene[i % 8] for i in range(40)])  # five samples of a scene say the same
    theirs = np.random.default_rng(2).normal(0.5, 0.2, 40)
    view = make.raw_store(tmp_path, member(make, "ref", 0, theirs), member(make, "a", 1, theirs + difference))
    row = row_of(view)
    known = paired_difference(theirs + difference, theirs, clusters=[GROUPS[name] for name in IDS])
    assert (row.n, row.units, row.n_text, row.trainings) == (8, "groups", "8 groups", 0)
    assert (row.value, row.p) == (pytest.approx(by_scene.mean()), known.p)
    assert (row.ci_low, row.ci_high) == pytest.approx(known.interval)
    alone = paired_difference(theirs + difference, theirs)
    assert alone.interval.high - alone.interval.low < 0.6 * (row.ci_high - row.ci_low)


def trained(make: Any, path: Path, between: float, **rest: Any) -> tuple[Any, Any, Any, list[int]]:
    """A reference that is not trained and a method of five trainings that differ by ``between``: view, scores, seeds."""
    generator = np.random.default_rng(3)
    theirs = np.tile(generator.normal(0.5, 0.2, 40), 5)
    ours = theirs + np.repeat(generator.normal(0.1, between, 5), 40) + generator.normal(0, 0.01, 200)
    view = make.raw_store(path, member(make, "ref", 0, theirs, SEEDS), member(make, "a", 1, ours, SEEDS, SEEDS, **rest))
    return view, ours, theirs, [seed for seed in SEEDS for _ in IDS]


def test_trainings_enter_the_interval_and_p_of_a_comparison(make: Any, tmp_path: Path) -> None:
    view, ours, theirs, seeds = trained(make, tmp_path, 0.1)
    groups = [GROUPS[name] for name in IDS] * 5
    known = paired_difference(ours, theirs, clusters=groups, trainings=seeds)
    row = row_of(view)
    assert (row.n_text, row.trainings, row.how) == ("8 groups, 5 trainings", 5, "paired samples")
    assert (row.value, row.p) == (pytest.approx(float((ours - theirs).mean())), pytest.approx(known.p))
    assert (row.ci_low, row.ci_high) == pytest.approx(known.interval)
    as_if_one = paired_difference(ours, theirs, clusters=groups)
    assert row.ci_high - row.ci_low > 5 * (as_if_one.interval.high - as_if_one.interval.low)
    assert row.n_needed is None or row.n_needed == known.needed(0.95)
    text = render_comparison(compare(view, "a", "ref"), 160)
    assert "8 groups, 5 trainings" in " ".join(text.split()) and "from training to training" in text
    (number,) = json.loads(comparison_json(compare(view, "a", "ref")))["numbers"]
    assert (number["n"], number["units"], number["trainings"]) == (8, "groups", 5)


def test_one_training_says_that_it_is_one_in_tables_and_comparisons(make: Any, tmp_path: Path) -> None:
    scores = np.random.default_rng(4).normal(0.5, 0.2, 40)
    once = member(make, "a", 1, scores + 0.1 * np.arange(40) / 40, trainings=(0,))
    view = make.raw_store(tmp_path, member(make, "ref", 0, scores), once)
    table = table_of(summarise(view).workloads[0])
    assert [text for _, text in table.footnotes] == [ONCE] and table.rows[1].entries[0].marks == "a"
    assert not table.rows[0].entries[0].marks
    assert ONCE in row_of(view).reason and row_of(view).value is not None
    assert verdict(compare(view, "a", "ref")).endswith("; a trained once, so this holds for that training.")


def test_a_table_without_a_quality_still_says_that_a_method_was_trained_once(make: Any) -> None:
    cells = make.cell("ref"), make.cell("a", order=1, trainings=(7,))
    (workload,) = summarise(make.view(*cells)).workloads
    assert f"a {ONCE}" in table_of(workload, ["speedup"]).notes
    assert not any("trained once" in note for note in table_of(summarise(make.view(cells[0])).workloads[0]).notes)


def test_captions_say_n_with_its_units(make: Any, tmp_path: Path) -> None:
    view, *_ = trained(make, tmp_path, 0.1, how="bootstrap_percentile_and_trainings")
    (workload,) = summarise(view).workloads
    caption = " ".join(table_of(workload, ["all"]).caption)
    assert caption.startswith("n = 40 samples in 8 groups, 5 trainings (a); seeds 0, 1, 2, 3, 4; ")
    assert "(quality: percentile bootstrap over groups, of several trainings with what those add)" in caption
    only = summarise(make.view(next(cell for cell in view.cells if cell.trainings))).workloads[0]
    assert "(quality: percentile bootstrap over groups with what trainings add)" in " ".join(
        table_of(only, ["all"]).caption
    )
    both = make.view(*(make.cell(name, order=i, trainings=SEEDS, n_groups=64) for i, name in enumerate("ab")))
    assert table_of(summarise(both).workloads[0]).caption[0].startswith("n = 64 samples, 5 trainings; ")


def of_set(make: Any, name: str, order: int, how: str, shift: float, trainings: Any = ()) -> Any:
    """A squared mean over a set, which also has a score of its name per sample that is something else."""
    generator = np.random.default_rng(10 + order)
    seeds = SEEDS if trainings else (0,)
    scores = np.tile(np.random.default_rng(9).normal(1.0, 0.3, 40), len(seeds)) + shift
    scores = scores + np.repeat(generator.normal(0, 0.1 if trainings else 0, len(seeds)), 40)
    groups = [GROUPS[sample] for sample in IDS] * len(seeds)
    rows = np.repeat(seeds, 40) if trainings else None
    found = resample(lambda w: {"clip_score": float((w * scores).sum() / w.sum()) ** 2}, groups, 500, trainings=rows)[
        "clip_score"
    ]
    number = make.number("clip_score", found.value, 0.0, 9.0, ci_method=how, n=40)
    cell = make.cell(name, [number], order, seeds=seeds, trainings=trainings, n_samples=40, n_groups=8)
    mean = np.full(len(scores), 3.0 + order)
    return make.Raw(cell, {"clip_score": mean}, {"clip_score": found}, samples=IDS, groups=GROUPS), found


@pytest.mark.parametrize("how", ["bootstrap_centred", "bootstrap_centred_root"])
def test_a_metric_of_a_set_is_never_compared_by_scores_of_its_name(make: Any, tmp_path: Path, how: str) -> None:
    (ref, _), (a, _) = (of_set(make, name, i, how, 0.1 * i) for i, name in enumerate(("ref", "a")))
    row = row_of(make.raw_store(tmp_path, ref, a))
    assert row.how == "paired resamples" and row.units == "groups"
    assert row.value == pytest.approx(a.cell.numbers[0].value - ref.cell.numbers[0].value)  # not 1, as the scores say
    assert row.p < 0.05  # the least that 500 resamples of 8 groups can say is 0.031


def test_trainings_enter_the_difference_of_a_metric_of_a_set(make: Any, tmp_path: Path) -> None:
    ref, theirs = of_set(make, "ref", 0, "bootstrap_centred", 0.0)
    a, ours = of_set(make, "a", 1, "bootstrap_centred_and_trainings", 0.3, SEEDS)
    ref = ref._replace(
        cell=ref.cell.model_copy(update={"seeds": SEEDS}),
        scores={"clip_score": np.tile(ref.scores["clip_score"], 5)},
    )
    view = make.raw_store(tmp_path, ref, a)
    row = row_of(view)
    difference = combined(ours, theirs)
    known = resampled_interval(difference, 0.95, clusters=8, is_set=True)
    assert (row.trainings, row.n_text) == (5, "8 groups, 5 trainings")
    assert (row.ci_low, row.ci_high) == pytest.approx(known)
    assert row.p == pytest.approx(resampled_p(difference, 0.95, clusters=8))
    bare = Resampled(difference.value, difference.replicates, np.zeros(0), np.zeros((0, 0)))
    alone = resampled_interval(bare, 0.95, clusters=8, is_set=True)
    assert row.ci_high - row.ci_low > 2 * (alone.high - alone.low)  # pairs vary by training only
    (workload,) = summarise(view).workloads
    values = quality_replicates(workload.raw, "clip_score").values
    assert values is not None
    assert values[0] == pytest.approx(centred(theirs.replicates, theirs.value, False))
    assert values[1].std() > 1.05 * ours.replicates.std()
    assert values[1].mean() == pytest.approx(ours.value, abs=0.02)


def test_a_root_is_placed_on_its_scale_with_trainings_too(make: Any, tmp_path: Path) -> None:
    a, ours = of_set(make, "a", 0, "bootstrap_centred_root_and_trainings", 0.0, SEEDS)
    (workload,) = summarise(make.raw_store(tmp_path, a)).workloads
    values = quality_replicates(workload.raw, "clip_score").values
    assert values is not None
    assert np.corrcoef(values[0], centred(ours.replicates, ours.value, True))[0, 1] > 0.8
    assert values[0].mean() == pytest.approx(ours.value, rel=0.05)


def test_cells_of_other_numbers_of_trainings_are_not_joint(make: Any, tmp_path: Path) -> None:
    def cell(name: str, order: int, trainings: int) -> Any:
        raw, found = of_set(make, name, order, "bootstrap_centred_and_trainings", 0.1 * order, SEEDS)
        fewer = replace(found, left_out=found.left_out[:trainings], crossed=found.crossed[:trainings])
        return raw._replace(draws={"clip_score": fewer})

    row = row_of(make.raw_store(tmp_path, cell("ref", 0, 5), cell("a", 1, 3)))
    assert row.value is not None and row.ci_low is None and "other samples" in row.reason


def test_a_ratio_to_the_reference_knows_trainings(make: Any, tmp_path: Path) -> None:
    (ref, theirs), (a, ours) = of_set(make, "ref", 0, "bootstrap_centred", 0.0), of_set(
        make, "a", 1, "bootstrap_centred_and_trainings", 0.3, SEEDS
    )  # fmt: skip
    ref = ref._replace(cell=ref.cell.model_copy(update={"seeds": SEEDS}), scores={})
    (workload,) = summarise(make.raw_store(tmp_path, ref, a)).workloads
    beside, raw = workload.raw
    found = ratio_interval(raw, beside, raw.record.numbers[0], beside.record.numbers[0], 0.95)
    logs = combined(ours, theirs, lambda x, y: np.log(x / y))
    known = resampled_interval(logs, 0.95, clusters=8, is_set=True)
    assert found == pytest.approx((np.exp(known.low), np.exp(known.high)))
    assert found.low < ours.value / theirs.value < found.high


def test_every_flag_that_the_numbers_set_has_its_words() -> None:
    from effbench.numbers.quality import ONE_TRAINING

    assert {ONE_TRAINING, "noisy_machine", "probe_differs", "varies_by_sample", "peak_includes_load"} <= set(FLAG_TEXT)
