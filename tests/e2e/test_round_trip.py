"""Every embedded task goes round: run, submitted, and scored again from the outputs that were sent in."""

import os

import pytest
from filelock import FileLock
from support import Cli

from effbench import zoo
from effbench.cli.submit import submit
from effbench.cli.verify import verify
from effbench.registry import tasks
from effbench.submission.verifying import verify as levels_of

T2I = "use: t2i, with: {{system: 'zoo:{}', prompts: {}, steps: {}, guidance: {}}}, samples: {{limit: 2}}, batch_size: 2"
TASKS = {
    "digits": (T2I.format("digits-pixart", "digits", 2, 2.5), "fewer-steps"),
    "turbo": (T2I.format("emoji-turbo", "emoji", 2, 1.0), "fewer-steps"),
    "video": ("use: t2v, with: {steps: 2}, samples: {limit: 2}, batch_size: 2", "fewer-steps"),
    "denoiser": ("use: denoiser, with: {blocks: 1, tokens: 256, samples: 2}", "guidance-off"),
    "workload": ("use: workload, with: {units: 2, size: 16}", "planted-twin"),
    "engine": ("use: local-energy, with: {molecule: lih, determinants: 100}, batch_size: 1", "all-pairs"),
    "ranking": ("use: nas-ranking, with: {table: planted, labels: 10}", "best-column"),
    "search": ("use: nas-search, with: {table: planted, budget: 12, repeats: 3}", "local-search"),
    "lidar": ("use: lidar-detection, with: {frames: 2}, batch_size: 1", "lidar-sparse-bev"),
    "solver": ("use: vmc-energy, with: {molecules: [h2, lih]}, batch_size: 1", "nqs-made"),
}
"""Task of the suite -> how it is used, and the method that is submitted."""
MORE = {
    "digits-dit": (T2I.format("digits-dit", "digits", 2, 2.5), "fewer-steps"),
    "emoji": (T2I.format("emoji-pixart", "emoji", 2, 3.0), "fewer-steps"),
    "outliers": (T2I.format("emoji-pixart-outliers", "emoji", 2, 3.0), "fewer-steps"),
    "bos": (T2I.format("emoji-turbo-bos", "emoji", 2, 1.0), "fewer-steps"),
}
"""The same of the systems that are kin to those above."""
METHODS = {
    "fewer-steps": "{id: fewer-steps, use: fewer-steps, with: {steps: 1}",
    "guidance-off": "{use: guidance-off",
    "planted-twin": "{use: planted-twin",
    "all-pairs": "{id: all-pairs, use: local-energy-engine, with: {engine: all-pairs}",
    "best-column": "{id: best-column, use: nas-columns, with: {column: best}",
    "local-search": "{use: local-search",
    "lidar-sparse-bev": "{use: lidar-sparse-bev, with: {execution: sparse}",
    "nqs-made": "{use: nqs-made, with: {steps: 5}",
}


def suite_of(chosen):
    lines = ["schema: effbench/suite/1", "name: round", "tasks:"]
    lines += [f"  - {{id: {name}, {use}}}" for name, (use, _) in chosen.items()]
    lines += ["methods:", "  - {id: reference, use: reference, role: reference}"]
    for method, entry in METHODS.items():
        its = [name for name, (_, of) in chosen.items() if of == method]
        lines += [f"  - {entry}, tasks: {its}}}"] if its else []
    lines += ["measure: {latency: null, memory: false, flops: false, inspect: false}"]
    return "\n".join([*lines, "stats: {resamples: 200}", "output: {outputs: all}", ""])


def store_of(shared, name, chosen):
    """Return the store of some tasks, run once for all workers."""
    folder = shared / f"round-{name}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            (folder / "suite.yaml").write_text(suite_of(chosen))
            result = Cli(folder, dict(os.environ)).on_own_core("run", "suite.yaml", "--store", "store")
            assert result.code == 0, result.err
    return folder / "store"


def goes_round(store, task, method, folder, capsys):
    assert submit(store, method, "CC0-1.0", folder, task=[task]) == 0
    assert verify(folder, "rescore") == 0, capsys.readouterr().err
    assert "rescore: passed" in capsys.readouterr().out
    scored = levels_of(folder, "rescore")[-1]
    assert scored.compared >= 2 and not scored.missing


@pytest.mark.whole
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", TASKS)
def test_a_submission_is_scored_again(shared, tmp_path, task, capsys):
    goes_round(store_of(shared, "all", TASKS), task, TASKS[task][1], tmp_path / "sent", capsys)


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", MORE)
def test_so_is_one_of_a_kindred_system(shared, tmp_path, task, capsys):
    goes_round(store_of(shared, "more", MORE), task, MORE[task][1], tmp_path / "sent", capsys)


def test_no_task_and_no_system_is_left_out():
    uses = [use for use, _ in (TASKS | MORE).values()]
    ours = {entry.name for entry in tasks.entries() if entry.distribution == "effbench"}
    assert ours == {use.partition("use: ")[2].partition(",")[0] for use in uses}
    systems = {name for name in zoo.names() if not name.endswith("-judge")}
    defaults = {"zoo:moving-emoji-latte", "zoo:lidar-detectors"}  # of their tasks, which then need no name
    assert systems - defaults == {use.partition("'")[2].partition("'")[0] for use in uses if "'" in use}
