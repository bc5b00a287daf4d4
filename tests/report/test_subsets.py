"""What is said of a condensed subset is what its file and the records say; curves only where their data ship."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from effbench.report.subsets import (
    CERTIFICATE_HEADINGS,
    MOST_NAMED,
    certificate_of,
    certificate_rows,
    has_subset,
    manifest_of,
    named,
    resolved_of,
    searched_curves,
    size_curve,
    splits_of,
)
from effbench.report.summarise import WorkloadCells, summarise
from effbench.subset.certificate import FEW
from effbench.subset.manifest import FAMILY, find_subset


def ran_on(make: Any, subset: str | None, **rest: Any) -> WorkloadCells:
    cells = [
        make.cell("ref", [make.number("prompt_accuracy", 0.50, unit="share")], subset=subset, **rest),
        make.cell("near", [make.number("prompt_accuracy", 0.51, unit="share")], 1, subset=subset, **rest),
        make.cell("far", [make.number("prompt_accuracy", 0.60, unit="share")], 2, subset=subset, **rest),
    ]
    (workload,) = summarise(make.view(*cells)).workloads
    return workload


def test_resolutions_in_words_with_the_methods_that_are_too_close(make: Any) -> None:
    workload = ran_on(make, "few@1", resolutions={"prompt_accuracy": 0.04, "other": None, "third": 0.0})
    accuracy, other, third = resolved_of(workload)
    assert (
        accuracy.sentence == "prompt accuracy: differences from 0.04 share on are in the right order for 95 % of pairs."
    )
    assert accuracy.too_close == ("near",)
    assert other.sentence.startswith("other: no difference") and other.too_close == ()
    assert third.sentence.startswith("third: 95 % of all held-out pairs")


def test_a_long_list_of_names_is_counted() -> None:
    names = [f"m{n}" for n in range(MOST_NAMED + 5)]
    assert named(names[:2]) == "m0, m1"
    assert named(names).endswith(f"m{MOST_NAMED - 1} and 5 others")


def test_only_the_very_subset_that_ships_has_a_file(make: Any) -> None:
    assert not has_subset(ran_on(make, None))
    shipped = find_subset("emoji-50")
    workload = ran_on(make, shipped.reference)
    assert has_subset(workload) and manifest_of(workload) == shipped
    assert searched_curves(workload) == tuple(shipped.more_methods)
    other = ran_on(make, "emoji-50@00000000")
    assert has_subset(other) and manifest_of(other) is None
    assert searched_curves(other) == () and size_curve(other, "prompt_accuracy", FEW) is None


def test_the_certificate_is_a_table_where_the_file_says_what_the_records_say(make: Any) -> None:
    manifest = find_subset("emoji-50")
    sentences = tuple(held.sentence for held in manifest.certificate)
    rows = certificate_rows(ran_on(make, manifest.reference, certificate=sentences))
    first, held = rows[0], manifest.certificate[0]
    assert len(rows) == len(sentences) and all(len(row) == len(CERTIFICATE_HEADINGS) for row in rows)
    assert first[:3] == (held.metric, held.split, f"{held.tau:.3f}")
    assert first[4:] == (f"{held.random_tau:.3f}", "173 random samples", "0.02")
    altered = ran_on(make, manifest.reference, certificate=("mine, all: tau 1",))
    assert certificate_rows(altered) == () and certificate_of(altered) == ("mine, all: tau 1",)


def test_the_curve_by_size_is_of_certificates_and_scores_that_ship(make: Any) -> None:
    small, large = find_subset("emoji-20"), find_subset("emoji-50")
    curve = size_curve(ran_on(make, large.reference), "prompt_accuracy", FEW)
    assert curve is not None and large.pool is not None
    expected = [
        next(h for h in m.certificate if (h.metric, h.split) == ("prompt_accuracy", FEW)) for m in (small, large)
    ]
    assert [(p.size, p.name, p.tau, p.ci_low) for p in curve.points] == [
        (20, "emoji-20", expected[0].tau, expected[0].ci_low),
        (50, "emoji-50", expected[1].tau, expected[1].ci_low),
    ]
    assert (curve.chosen, curve.methods, curve.samples) == (50, len(large.pool.methods), 300)
    by_size = dict(curve.random)
    assert by_size[300] == 1.0
    for held, size in zip(expected, (20, 50)):  # the certificate's own baseline is a point of the curve
        assert by_size[size] == pytest.approx(held.random_tau, abs=5e-5)


def test_of_whole_families_there_is_no_curve_of_random_subsets(make: Any) -> None:
    manifest = find_subset("emoji-50")
    assert splits_of(manifest) == (FEW, FAMILY)
    curve = size_curve(ran_on(make, manifest.reference), "alignment", FAMILY)
    assert curve is not None and curve.random == () and len(curve.points) == 2
    assert size_curve(ran_on(make, manifest.reference), "no such metric", FEW) is None
    one = manifest.model_copy(update={"certificate": [held for held in manifest.certificate if held.split == FEW]})
    assert splits_of(one) == (FEW,)


def test_another_pool_of_the_same_metric_lends_no_curve(make: Any) -> None:
    curve = size_curve(ran_on(make, find_subset("moving-emoji-20").reference), "prompt_accuracy", FEW)
    assert curve is not None and [point.name for point in curve.points] == ["moving-emoji-20", "moving-emoji-50"]
    assert dict(curve.random)[20] == pytest.approx(curve.points[0].random_tau, abs=5e-5)
    assert replace(curve, random=()) != curve
