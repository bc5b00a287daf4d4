"""Subsets of a real store through the command line: built and certified, applied, expired when the methods change."""

import json
import re

import numpy as np
import pytest
from support import suite_text

from effbench.parts import read_parts
from effbench.store import SAMPLE_KEY, read_store
from effbench.subset.manifest import make_manifest, read_manifest, write_manifest

BETAS = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]


@pytest.mark.proof
def test_a_subset_is_built_applied_and_expires_with_its_methods(cli, write_suite):
    def run(betas):
        suite = write_suite(suite_text(methods=[f"{{use: toy-momentum, matrix: {{beta: {betas}}}}}"], limit=12))
        assert cli("run", suite).code == 0

    run(BETAS[:9])
    asked = ("--from", "results/small", "--metric", "gap")
    built = cli("subset", "build", *asked, "--size", 4, "--name", "four")
    assert built.code == 0 and "held-out tau" in built.out and "4 of 12 samples, 10 methods" in built.out
    manifest = read_manifest(cli.cwd / "four.yaml")
    assert len(manifest.ids) == 4 and manifest.chosen.selector == "soft" and len(manifest.pool.methods) == 10
    applied = cli("subset", "apply", "four.yaml", "--from", "results/small")
    assert applied.code == 0 and applied.out.startswith("gap: tau ") and applied.out.count("minimise/") == 10
    held = cli("subset", "check", "four.yaml", "--from", "results/small")
    assert held.code == 0 and "the certificate holds" in held.out

    run(BETAS)
    expired = cli("subset", "check", "four.yaml", "--from", "results/small")
    assert expired.code == 3 and "1 method is new" in expired.err
    assert "over the 1 that" not in cli("subset", "apply", "four.yaml", "--from", "results/small").out

    for wrong, said in (
        (("--metric", "gap", "--size", 13), "cannot be chosen from a pool of 12"),
        (("--metric", "gpa", "--size", 4), "no score per sample of 'gpa'; did you mean 'gap'"),
        (("--metric", "gap", "--size", 4, "--task", "minimize"), "did you mean 'minimise'"),
        (("--metric", "gap", "--size", 4, "--selector", "sofft"), "did you mean 'soft'"),
    ):
        refused = cli("subset", "build", "--from", "results/small", *wrong)
        assert refused.code == 2 and said in refused.err and len(refused.err.strip().splitlines()) == 1, refused.err


@pytest.mark.whole
def test_too_few_methods_to_hold_any_out_is_one_sentence(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum, matrix: {beta: [0.1, 0.3, 0.5, 0.8]}}"]))
    assert cli("run", suite).code == 0
    refused = cli("subset", "build", "--from", "results/small", "--metric", "gap", "--size", 2)
    assert refused.code == 2 and "5 methods are too few to hold two out and search with four" in refused.err


MOMENTUM = "{use: toy-momentum, matrix: {beta: [0.3, 0.8]}}"


def on_subset(name, methods=(MOMENTUM,), more=""):
    return suite_text(methods=methods).replace("samples: {limit: 6}", f"samples: {{subset: {name}{more}}}")


def gaps(store, method):
    cell = next(cell for cell in read_store(store).cells if cell.method_id == method)
    table = read_parts(store / "cells" / cell.id / "samples", SAMPLE_KEY)
    return cell, dict(zip(table["sample_id"].to_pylist(), table["score.gap"].to_pylist()))


@pytest.mark.whole
def test_a_suite_runs_on_a_weighted_subset_and_every_number_counts_the_weights(cli, write_suite):
    assert cli("run", write_suite(suite_text(methods=[MOMENTUM], limit=12))).code == 0
    _, everything = gaps(cli.cwd / "results/small", "toy-momentum(beta=0.3)")
    ids = sorted(everything)[::2] + sorted(everything)[1:4:2]
    weight = dict(zip(ids, (5.0, 1.0, 1.0, 0.5, 0.5, 2.0, 1.0, 3.0)))
    write_manifest(cli.cwd / "eight.yaml", make_manifest("eight", ids, [weight[i] for i in ids], metrics=["gap"]))
    store = cli.cwd / "condensed"
    assert cli("run", write_suite(on_subset("eight.yaml")), "--store", store).code == 0

    def expected(scores):
        return np.average([scores[i] for i in ids], weights=[weight[i] for i in ids])

    means = {}
    for method in ("reference", "toy-momentum(beta=0.3)", "toy-momentum(beta=0.8)"):
        cell, scores = gaps(store, method)
        assert set(scores) == set(ids) and cell.n_samples == 8 and cell.has_weights
        assert cell.subset == read_manifest(cli.cwd / "eight.yaml").reference
        number = next(n for n in cell.numbers if n.name == "gap")
        assert number.value == pytest.approx(expected(scores), abs=1e-12)
        assert abs(number.value - np.mean(list(scores.values()))) > 1e-3, "the weights must matter here"
        assert number.ci_low <= number.value <= number.ci_high
        means[method] = number.value
    pair = ("toy-momentum(beta=0.8)", "toy-momentum(beta=0.3)")
    compared = json.loads(cli("compare", store, *pair, "--metric", "gap", "--json").out)
    assert compared["numbers"][0]["value"] == pytest.approx(means[pair[0]] - means[pair[1]], abs=1e-12)
    assert compared["numbers"][0]["how"] == "paired resamples"


@pytest.mark.proof
def test_other_weights_on_the_same_samples_are_another_plan(cli, write_suite):
    assert cli("run", write_suite(suite_text(methods=[MOMENTUM]))).code == 0
    _, scores = gaps(cli.cwd / "results/small", "reference")
    ids, store = sorted(scores), cli.cwd / "again"
    for first in (1.0, 9.0):
        write_manifest(cli.cwd / "six.yaml", make_manifest("six", ids, [first, 1, 1, 1, 1, 1.5], metrics=["gap"]))
        assert cli("run", write_suite(on_subset("six.yaml")), "--store", store).code == 0
        cell, scores = gaps(store, "reference")
        number = next(n for n in cell.numbers if n.name == "gap")
        assert number.value == pytest.approx(
            np.average([scores[i] for i in ids], weights=[first, 1, 1, 1, 1, 1.5]), abs=1e-12
        )


@pytest.mark.whole
def test_the_certificate_of_a_suite_s_subset_stands_under_its_table(cli, write_suite):
    every = write_suite(suite_text(methods=[f"{{use: toy-momentum, matrix: {{beta: {BETAS[:5]}}}}}"], limit=12))
    assert cli("run", every).code == 0
    asked = ("--from", "results/small", "--metric", "gap", "--size", 6, "--name", "six")
    assert cli("subset", "build", *asked).code == 0
    ran = cli("run", write_suite(on_subset("six.yaml")), "--store", cli.cwd / "condensed")
    assert ran.code == 0
    shown = " ".join(ran.out.split())
    assert f"subset {read_manifest(cli.cwd / 'six.yaml').reference}" in shown
    assert re.search(
        r"Certificate of the subset, for gap, leave-few-out \(\d+ methods searched, \d+ searches, \d+ pairs\): "
        r"held-out tau \S+ \[\S+, \S+\]\.",
        shown,
    )


def test_a_subset_that_a_suite_cannot_run_on_is_one_sentence(cli, write_suite):
    write_manifest(cli.cwd / "others.yaml", make_manifest("others", ["nowhere-1", "nowhere-2"], metrics=["gap"]))
    for text, said in (
        (on_subset("others.yaml"), "2 of its 2 samples are not among those of task 'minimise', first 'nowhere-1'"),
        (on_subset("missing.yaml"), "cannot read the subset"),
        (on_subset("emoji-5"), "task 'minimise' has no subset 'emoji-5', and no condensed subset of that name ships"),
        (on_subset("others.yaml", more=", limit: 1"), "certified as a whole; remove `limit`"),
    ):
        refused = cli("run", write_suite(text))
        assert refused.code == 2 and said in refused.err and len(refused.err.strip().splitlines()) == 1, refused.err
        assert "tasks[0].samples.subset" in refused.err.replace("tasks.0", "tasks[0]"), refused.err
