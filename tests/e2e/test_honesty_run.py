"""Honesty checks in a real run: a method that answers repeated samples from memory loses its latency, nothing else."""

import os

from support import suite_text

from effbench.store import read_store


def test_a_cache_of_answers_is_found_and_its_latency_withdrawn(cli, write_suite):
    task = "with: {steps: 8, dim: 2, problems: 12, step_cost_ms: 1}"
    text = suite_text(
        methods=["{use: toy-remembers}"], latency="{rounds: 1, budget_s: 0.05}", memory=True, inspect=True
    )
    result = cli("run", write_suite(text.replace("with: {steps: 8, dim: 2, problems: 12}", task)))
    assert result.code == 0, result.err
    reference, cheat = read_store(cli.cwd / "results/small").cells
    assert {c.name: c.status for c in reference.checks}["repeats"] == "pass"
    assert {c.name: c.status for c in cheat.checks} == {"same_object": "pass", "repeats": "fail"}
    numbers = {n.name: n for n in cheat.numbers}
    assert (numbers["latency_p50_ms"].value, numbers["latency_p50_ms"].reason) == (None, "unverified")
    assert numbers["gap"].value is not None and numbers["peak_rss_growth_mb"].value is not None


def test_a_run_records_noise_draws_threads_and_cores(cli, write_suite):
    text = suite_text(methods=["{use: toy-momentum}"], latency="{rounds: 1, budget_s: 0.05}")
    core = min(os.sched_getaffinity(0))
    text = text.replace("execution: {", f"execution: {{threads: 1, cpus: [{core}], ")
    assert cli("run", write_suite(text)).code == 0
    for cell in read_store(cli.cwd / "results/small").cells:
        assert cell.noise is not None and cell.noise.grade in "ABC" and cell.noise.clock_spread > 0
        assert (cell.provenance.threads, cell.provenance.cpus) == (1, (core,))
        assert any(name.startswith("draws/") for name in cell.files)


def test_a_core_that_is_not_there_is_refused(cli, write_suite):
    text = suite_text(methods=[]).replace("execution: {", "execution: {cpus: [4096], ")
    refused = cli("run", write_suite(text))
    assert refused.code == 2 and "4096" in refused.err
