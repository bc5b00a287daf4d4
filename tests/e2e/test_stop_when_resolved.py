"""``stats: {stop: when_resolved}`` through the command line: what runs, what is decided, and what every view says of it."""

import pytest
from support import committed, quality, suite_text

from effbench.runner.stopping import looks_at
from effbench.store import read_store

POOL = 120
FAR, NEAR = "{id: far, use: toy-momentum, with: {beta: 0.8}}", "{id: near, use: toy-momentum, with: {beta: 0.5}}"


def stopping_suite(methods, more="", seeds=(0,)):
    text = suite_text(methods=methods, seeds=seeds).replace("problems: 12", f"problems: {POOL}")
    text = text.replace("    samples: {limit: 6}\n", "").replace("batch_size: 2", "batch_size: 40")
    return text.replace("stats: {resamples: 200}", f"stats: {{resamples: 200, stop: when_resolved{more}}}")


def records(cli):
    return {cell.method_id: cell for cell in read_store(cli.cwd / "results/small").cells}


def ran(cli):
    rows = list(committed(cli.cwd / "results/small"))
    return {method: len({sample for other, _, sample in rows if other == method}) for method, _, _ in rows}


def test_looks_grow_and_end_with_the_pool():
    assert looks_at(20) == [20] and looks_at(25) == [25] and looks_at(120) == [25, 38, 56, 84, 120]


@pytest.mark.whole
def test_a_method_runs_until_its_difference_is_decided_and_the_reference_as_far_as_any_method(cli, write_suite):
    suite = write_suite(stopping_suite([FAR, NEAR]))
    done = cli("run", suite)
    assert done.code == 0, done.err
    assert "minimise/far: gap is worse after 25 samples" in done.err
    assert ran(cli) == {"reference": POOL, "far": 25, "near": POOL}
    far, near, reference = (records(cli)[name] for name in ("far", "near", "reference"))
    assert (far.n_samples, near.n_samples, reference.n_samples) == (25, POOL, POOL) and reference.stopping is None
    assert far.stopping.verdict == "worse" and far.stopping.ci_low > 0  # a smaller gap is better
    assert far.stopping.comparisons == 2 and far.stopping.how == "asymptotic"
    assert near.stopping.verdict == "undecided" and near.stopping.n == POOL
    assert near.stopping.ci_low < 0 < near.stopping.ci_high

    table = cli("report", "results/small", "--format", "md").out
    assert "Sampling stopped when the difference in gap to the reference was decided: far worse by" in table
    assert "after 25 of 120 samples; near undecided by" in table and "after all 120 samples" in table

    compared = cli("compare", "results/small", "far", "reference", "--json").json()
    row = next(row for row in compared["numbers"] if row["number"] == "gap")
    assert (row["value"], row["ci_high"], row["n"]) == (far.stopping.value, far.stopping.ci_high, 25)
    assert row["how"] == "confidence sequence" and row["p"] is None and "whenever one stops" in row["reason"]
    turned = cli("compare", "results/small", "reference", "far", "--json").json()
    row = next(row for row in turned["numbers"] if row["number"] == "gap")
    assert (row["value"], row["ci_low"]) == (-far.stopping.value, -far.stopping.ci_high)
    other = next(row for row in compared["numbers"] if row["number"] == "solved")
    assert other["n"] == 25 and "do not know that sampling stopped on gap" in other["reason"]


@pytest.mark.whole
def test_a_second_run_computes_nothing_and_an_interrupted_one_decides_the_same(cli, write_suite):
    suite = write_suite(stopping_suite([FAR, NEAR]))
    assert cli("run", suite).code == 0
    before, numbers = committed(cli.cwd / "results/small"), quality(cli.cwd / "results/small")
    again = cli("run", suite)
    assert again.code == 0 and "worse after" not in again.err
    assert committed(cli.cwd / "results/small") == before
    for name in ("cell.json", "jobs/quality.json"):
        for cell in records(cli).values():
            path = cli.cwd / "results/small/cells" / cell.id / name
            if name == "cell.json" or path.is_file():
                path.unlink(missing_ok=True)
    assert cli("run", suite).code == 0
    assert committed(cli.cwd / "results/small") == before and quality(cli.cwd / "results/small") == numbers


@pytest.mark.proof
def test_another_method_shares_the_level_and_the_reference_goes_on_where_it_must(cli, write_suite):
    assert cli("run", write_suite(stopping_suite([FAR]))).code == 0
    assert ran(cli) == {"reference": 25, "far": 25} and records(cli)["reference"].n_samples == 25
    wide = records(cli)["far"].stopping
    assert cli("run", write_suite(stopping_suite([FAR, NEAR]))).code == 0
    assert ran(cli) == {"reference": POOL, "far": 25, "near": POOL} and records(cli)["reference"].n_samples == POOL
    shared = records(cli)["far"].stopping
    assert (wide.comparisons, shared.comparisons) == (1, 2) and shared.ci_low < wide.ci_low
    assert cli("run", write_suite(stopping_suite([FAR, NEAR])), "--only", "far").code == 0
    assert records(cli)["far"].stopping == shared


def test_a_difference_within_the_resolution_is_decided_as_none(cli, write_suite):
    assert cli("run", write_suite(stopping_suite([NEAR.replace("0.5", "0.001")], ", resolution: 0.5"))).code == 0
    found = records(cli)["near"].stopping
    assert found.verdict == "within resolution" and found.n == 25 and -0.5 <= found.ci_low < found.ci_high <= 0.5
    assert "or certain to be within ±0.5" in cli("report", "results/small", "--format", "md").out


def test_shares_are_decided_by_betting_and_seeds_of_a_sample_are_one(cli, write_suite):
    assert cli("run", write_suite(stopping_suite([FAR], ", stop_on: solved", seeds=(0, 1)))).code == 0
    found = records(cli)["far"].stopping
    assert (
        found.metric == "solved" and found.how == "betting" and -1 <= found.ci_low <= found.value <= found.ci_high <= 1
    )


def test_a_number_of_a_whole_set_is_withheld_from_a_part(cli, write_suite):
    text = """\
schema: effbench/suite/1
name: small
tasks:
  - {id: rank, use: toy-rank, with: {items: 100}, batch_size: 50}
methods:
  - {id: reference, use: reference, role: reference}
  - {id: coarse, use: toy-rounded, with: {bits: 1}}
measure: {latency: null, memory: false, flops: false}
stats: {resamples: 200, stop: when_resolved}
"""
    done = cli("run", write_suite(text))
    assert done.code == 0, done.err
    coarse = records(cli)["coarse"]
    assert coarse.stopping.metric == "abs_error" and coarse.stopping.verdict == "worse" and coarse.n_samples < 100
    numbers = {number.name: number for number in coarse.numbers}
    assert numbers["kendall_tau"].value is None and numbers["kendall_tau"].reason == "too_few_samples"
    assert numbers["abs_error"].n == coarse.n_samples


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((", role: reference", ""), "give one method of the task `role: reference`"),
        (
            ("when_resolved", "when_resolved, stop_on: gpa"),
            "no metric 'gpa' with a score per sample of its own; did",
        ),
        (
            ("when_resolved", "when_resolved, stop_on: distance_to_reference"),
            "no metric 'distance_to_reference' with",
        ),
        (("stop: when_resolved", "resolution: 0.1"), "resolution needs stop: when_resolved"),
        (("when_resolved", "when_resolvd"), "when_resolved"),
        (("when_resolved", "when_resolved, resolution: 0"), "resolution"),
    ],
)
def test_what_cannot_be_resolved_is_one_sentence(cli, write_suite, change, said):
    text = stopping_suite([FAR])
    assert change[0] in text
    refused = cli("run", write_suite(text.replace(*change)))
    assert refused.code == 2 and said in refused.err and len(refused.err.strip().splitlines()) == 1, refused.err
