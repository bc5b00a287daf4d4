from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.report.pairs import SamplePairs, largest, paired_numbers, pairs_of
from effbench.report.samplewise import (
    Values,
    matching,
    numbers_per_sample,
    ordered,
    samplewise,
    slices_by_sample,
)
from effbench.report.scatter import MOST_POINTS, scatter_notes, scatter_of
from effbench.report.summarise import summarise

NAN = float("nan")


def member(make: Any, name: str, order: int, scores: Any, samples: Any = None, **rest: Any) -> Any:
    """A cell with two scores per sample under one seed; of the second one less is better."""
    numbers = [make.number("clip_score", 0.5), make.number("lpips_to_reference", 0.1)]
    cell = make.cell(name, numbers, order, n_samples=len(scores), seeds=(0,))
    both = {"clip_score": scores, "lpips_to_reference": [1 - score for score in scores]}
    return make.Raw(cell, both, samples=samples, **rest)


def workload(make: Any, path: Path, *members: Any) -> Any:
    return summarise(make.raw_store(path, *members)).workloads[0]


def pairs(a: Any, b: Any, seeds: Any = None) -> SamplePairs:
    ids = [f"s{i}" for i in range(len(a))]
    return SamplePairs(np.asarray(a, float), np.asarray(b, float), ids, ids, list(seeds or [0] * len(a)), len(a))


def test_pairs_hold_the_samples_of_both_in_the_order_of_the_first(make: Any, tmp_path: Path) -> None:
    w = workload(
        make, tmp_path, member(make, "a", 0, [0.1, 0.2, 0.3], "xyz"), member(make, "b", 1, [0.6, 0.5, 0.4], "wzy")
    )
    found = pairs_of(*w.raw, w.cells[0].numbers[0])
    assert found is not None
    assert found.keys == [("y", 0), ("z", 0)]
    assert (list(found.a), list(found.b), found.of_a) == ([0.2, 0.3], [0.4, 0.5], 3)


def test_what_is_lost_follows_the_direction_of_the_number() -> None:
    found = pairs([0.5, 0.5, NAN], [0.2, 0.9, 0.1])
    assert list(found.losses(higher_is_better=True)[:2]) == pytest.approx([0.3, -0.4])
    assert list(found.losses(higher_is_better=False)[:2]) == pytest.approx([-0.3, 0.4])
    assert np.isnan(found.losses(higher_is_better=True)[2])


def test_the_largest_losses_come_first_ties_in_order_and_gains_never() -> None:
    assert largest(np.array([0.1, 0.3, -1.0, NAN, 0.3, 0.0]), 10) == [1, 4, 0]
    assert largest(np.array([0.1, 0.3, 0.3]), 1) == [1]


def test_numbers_per_sample_are_those_that_both_have_the_primary_first(make: Any, tmp_path: Path) -> None:
    a, b = member(make, "a", 0, [0.1, 0.2]), member(make, "b", 1, [0.3, 0.4])
    reversed_numbers = a.cell.model_copy(update={"numbers": a.cell.numbers[::-1]})
    b = b._replace(scores={"clip_score": b.scores["clip_score"]})
    of_set = [replace(n, ci_method="bootstrap_centred") if n.name == "clip_score" else n for n in a.cell.numbers]
    c = make.Raw(a.cell.model_copy(update={"numbers": tuple(of_set)}), a.scores)
    w = workload(make, tmp_path / "ab", a._replace(cell=reversed_numbers), b)
    assert [number.name for number in paired_numbers(w.raw[0], w.raw[0])] == ["clip_score", "lpips_to_reference"]
    assert [number.name for number in paired_numbers(*w.raw)] == ["clip_score"]
    nowhere = member(make, "e", 1, [NAN, NAN])
    w = workload(make, tmp_path / "e", member(make, "a", 0, [0.1, 0.2]), nowhere)
    assert paired_numbers(*w.raw) == (), "a score that no sample has is no choice"
    w = workload(make, tmp_path / "c", c, member(make, "d", 1, [0.3, 0.4]))
    assert [n.name for n in numbers_per_sample(w, ["a", "d"])[0]] == ["lpips_to_reference"], (
        "of a set no sample has one"
    )


def test_values_stand_beside_the_first_methods(make: Any, tmp_path: Path) -> None:
    w = workload(
        make,
        tmp_path,
        member(make, "a", 0, [0.5, 0.2]),
        member(make, "b", 1, [0.25, 0.5]),
        make.Raw(make.failed("c", order=2)),
    )
    (number, _), damaged = numbers_per_sample(w, ["a", "b", "c"])
    found = samplewise(w, ["a", "b", "c"], number)
    assert damaged == ()
    assert found.values == {"b": {("s000", 0): Values(0.5, 0.25, 0.25), ("s001", 0): Values(0.2, 0.5, -0.3)}}
    assert found.label == "CLIP score"
    assert list(found.missing) == ["c"] and "no sample" in found.missing["c"]


def test_a_damaged_method_is_named_and_the_others_stand(make: Any, tmp_path: Path) -> None:
    members = [member(make, name, order, [0.5, 0.2]) for order, name in enumerate("abc")]
    w = workload(make, tmp_path, *members)
    (tmp_path / "cells" / w.cells[2].id / "samples").rename(tmp_path / "elsewhere")
    (tmp_path / "cells" / w.cells[2].id / "samples").symlink_to("/")
    numbers, damaged = numbers_per_sample(w, ["a", "b", "c"])
    assert len(numbers) == 2 and len(damaged) == 1
    found = samplewise(w, ["a", "b", "c"], numbers[0])
    assert list(found.pairs) == ["b"] and list(found.missing) == ["c"]
    assert found.missing["c"] == damaged[0]


def test_samples_are_ordered_by_loss_with_those_without_a_score_last() -> None:
    keys = [("c", 0), ("a", 1), ("a", 0), ("b", 0)]
    assert ordered(keys, None) == [("a", 0), ("a", 1), ("b", 0), ("c", 0)]
    assert ordered(keys, {("b", 0): 0.1, ("a", 1): 0.1, ("c", 0): -0.2}) == [("a", 1), ("b", 0), ("c", 0), ("a", 0)]


def test_a_search_wants_every_word_in_prompt_or_id() -> None:
    keys = [("dog-1", 0), ("cat-2", 0)]
    captions = {keys[0]: "A big Dog, running", keys[1]: "a big cat"}
    assert matching(keys, captions, "BIG run") == [keys[0]]
    assert matching(keys, captions, "cat-2") == [keys[1]]
    assert matching(keys, captions, " ") == keys
    assert matching(keys, captions, "bird") == []


def test_slices_name_their_samples(make: Any, tmp_path: Path) -> None:
    sliced = member(make, "a", 0, [0.1, 0.2, 0.3], slices={"species": {"s000": "print", "s002": "mask"}})
    w = workload(make, tmp_path, sliced, member(make, "b", 1, [0.1, 0.2, 0.3]))
    assert slices_by_sample(w, ["b", "a"]) == {"species=mask": {("s002", 0)}, "species=print": {("s000", 0)}}
    assert slices_by_sample(w, ["b"]) == {}


def test_equal_points_are_one_place_with_all_their_samples() -> None:
    found = scatter_of(pairs([1, 1, 0, NAN, 1], [0, 0, 1, 0, 1]))
    assert {(p.first, p.other): p.rows for p in found.points} == {(1, 0): (0, 1), (0, 1): (2,), (1, 1): (4,)}
    assert (found.samples, found.places, found.span) == (4, 3, (0.0, 1.0))
    notes = " ".join(scatter_notes(found, pairs([1, 1, 0, NAN, 1], [0, 0, 1, 0, 1]), "b"))
    assert "how many samples lie on its place" in notes and "1 pair without a score on both sides is left out" in notes


def test_of_many_points_the_largest_differences_are_kept_and_the_rest_is_said() -> None:
    values = np.random.default_rng(0).normal(size=(2, 2 * MOST_POINTS))
    values[1, 7], values[1, 8] = values[0, 7] + 50, values[0, 8] - 50
    many = pairs(*values)
    found = scatter_of(many)
    drawn = {row for point in found.points for row in point.rows}
    assert len(found.points) == MOST_POINTS and {7, 8} <= drawn
    assert any(
        f"{MOST_POINTS} of {2 * MOST_POINTS} places are drawn" in note for note in scatter_notes(found, many, "b")
    )


def test_several_seeds_are_points_of_their_own() -> None:
    two = SamplePairs(np.array([0.1, 0.2]), np.array([0.3, 0.4]), ["s", "s"], ["s", "s"], [0, 1], 2)
    assert len(scatter_of(two).points) == 2
    assert "under each of 2 seeds a point of its own" in scatter_notes(scatter_of(two), two, "b")[0]
