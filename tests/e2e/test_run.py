"""A suite from the command line: run, run again, extend, choose, override, report."""

import time

import pytest
from support import SUITES, committed, quality, suite_text

from effbench.store import read_store


@pytest.mark.whole
def test_both_toy_tasks_run_without_any_change_to_effbench(cli):
    result = cli("run", SUITES / "toy.yaml", "--json", "--set", "measure.inspect=false")
    assert result.code == 0, result.err
    numbers = {(n["task"], n["method"], n["name"]): n for n in result.json()["numbers"]}
    assert numbers["minimise", "toy-momentum+toy-half-steps", "gap"]["value"] is not None
    tau = numbers["rank", "reference", "kendall_tau"]
    assert tau["ci_low"] < tau["value"] < tau["ci_high"]
    assert numbers["rank", "toy-rounded", "latency_p50_ms"]["reason"] == "simulated"
    assert numbers["rank", "toy-rounded", "kendall_tau"]["value"] is not None
    assert numbers["minimise", "toy-half-steps", "speedup"]["value"] > 0
    assert numbers["minimise", "toy-tuned-step", "preparation_s"]["value"] > 0
    said = "a problem would need more steps"  # the task's remarks
    cells = {(cell.task_id, cell.method_id): cell for cell in read_store(cli.cwd / "stores/toy").cells}
    flags = {number.name: number.flags for number in cells["minimise", "reference"].numbers}
    assert flags["gap"] == (said,) and flags["solved"] == ()
    assert said in " ".join(cli("report", "stores/toy", "--format", "md").out.split())


@pytest.mark.timing
def test_nothing_left_is_a_no_op(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum}"]))
    assert cli("run", suite).code == 0
    before = {p: p.stat().st_mtime_ns for p in (cli.cwd / "results/small/cells").rglob("*") if p.is_file()}
    fastest = min(_timed(lambda: cli("run", suite)) for _ in range(3))
    after = {p: p.stat().st_mtime_ns for p in (cli.cwd / "results/small/cells").rglob("*") if p.is_file()}
    assert after == before
    assert fastest < 2.0


def _timed(call):
    started = time.perf_counter()
    assert call().code == 0
    return time.perf_counter() - started


@pytest.mark.whole
def test_adding_a_seed_and_a_method_extends_the_store(cli, write_suite):
    cli("run", write_suite(suite_text(methods=["{use: toy-momentum}"])))
    store = cli.cwd / "results/small"
    first = committed(store)
    reference = next((store / "cells").glob("*/cell.json")).parent
    logs_before = reference.joinpath("log.txt").read_text().count("--- quality")
    result = cli("run", write_suite(suite_text(methods=["{use: toy-momentum}", "{use: toy-half-steps}"], seeds=[0, 1])))
    assert result.code == 0, result.err
    second = committed(store)
    assert first.items() <= second.items()
    assert len(second) == 3 * 2 * 6
    assert reference.joinpath("log.txt").read_text().count("--- quality") == logs_before + 1


@pytest.mark.whole
def test_a_longer_sample_list_computes_the_new_samples_only(cli, write_suite):
    cli("run", write_suite(suite_text(methods=["{use: toy-momentum}"], limit=5)))
    first = committed(cli.cwd / "results/small")
    cli("run", write_suite(suite_text(methods=["{use: toy-momentum}"], limit=8)))
    second = committed(cli.cwd / "results/small")
    assert first.items() <= second.items()
    assert len(second) == 2 * 8


@pytest.mark.whole
def test_a_method_added_later_is_timed_beside_the_reference(cli, write_suite):
    latency = "{rounds: 2, budget_s: 0.05}"
    cli("run", write_suite(suite_text(methods=["{use: toy-momentum}"], latency=latency)))
    result = cli(
        "run",
        write_suite(suite_text(methods=["{use: toy-momentum}", "{use: toy-half-steps}"], latency=latency)),
        "--json",
    )
    numbers = {(n["method"], n["name"]): n for n in result.json()["numbers"]}
    assert numbers["toy-half-steps", "speedup"]["n"] == 2
    assert numbers["reference", "speedup"]["n"] == 4
    assert numbers["toy-momentum", "speedup"]["n"] == 2


def test_only_runs_the_chosen_cells_and_their_reference(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum}", "{use: toy-half-steps}"]))
    assert cli("run", suite, "--only", "toy-half*").code == 0
    view = read_store(cli.cwd / "results/small")
    assert [c.method_id for c in view.cells] == ["reference", "toy-half-steps"]
    assert view.unfinished == ("minimise/toy-momentum",)
    refused = cli("run", suite, "--only", "toy-momentun")
    assert refused.code == 2 and "toy-momentum" in refused.err


def test_set_overrides_and_dry_run_touches_nothing(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum}"]))
    result = cli("run", suite, "--dry-run", "--set", "tasks.minimise.batch_size=3", "--json")
    assert [row["batches_left"] for row in result.json()["cells"]] == [2, 2]
    assert not (cli.cwd / "results").exists()


@pytest.mark.whole
def test_fresh_moves_aside_and_computes_the_same_again(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum}"]))
    cli("run", suite)
    store = cli.cwd / "results/small"
    first = committed(store), quality(store)
    assert cli("run", suite, "--fresh").code == 0
    assert (committed(store), quality(store)) == first
    assert len(list((store / "aside").iterdir())) == 2


def test_another_suite_name_is_refused(cli, write_suite):
    cli("run", write_suite(suite_text(methods=[])), "--store", "here")
    refused = cli("run", write_suite(suite_text("other", methods=[])), "--store", "here")
    assert refused.code == 2
    assert "'small'" in refused.err and "'other'" in refused.err


def test_a_gate_that_fails_exits_3(cli, write_suite):
    extra = "gates:\n  - {metric: gap, method: reference, max: -1000}\n"
    result = cli("run", write_suite(suite_text(methods=[], extra=extra)))
    assert result.code == 3
    assert "minimise/reference: gap is" in result.err


def test_a_method_that_the_task_does_not_give_is_unsupported_and_others_go_on(cli, write_suite):
    result = cli("run", write_suite(suite_text(methods=["{use: toy-noisy}", "{use: toy-momentum}"])), "--json")
    assert result.code == 1
    numbers = {(n["method"], n["name"]): n for n in result.json()["numbers"]}
    assert numbers["toy-noisy", "gap"]["reason"] == "unsupported"
    assert numbers["toy-momentum", "gap"]["value"] is not None


@pytest.mark.whole
def test_changed_plugin_code_is_refused_until_accepted(cli, write_suite, tmp_path, toy_plugin):
    import shutil

    own = tmp_path / "plugins"
    shutil.copytree(toy_plugin, own)
    cli.env["PYTHONPATH"] = str(own)
    suite = write_suite(suite_text(methods=["{use: toy-momentum}"]))
    assert cli("run", suite).code == 0
    with (own / "effbench_toyplugin" / "solver_methods.py").open("a") as file:
        file.write("# another version\n")
    refused = cli("run", suite)
    assert refused.code == 2 and "--accept-code-change" in refused.err
    assert cli("run", suite, "--accept-code-change").code == 0
    assert cli("run", suite, "--fresh").code == 0


@pytest.mark.whole
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_fork_and_spawn_give_the_same_numbers(cli, write_suite, start):
    suite = write_suite(suite_text(methods=["{use: toy-tuned-step}"]))
    cli("run", suite, "--store", "fork")
    assert cli("run", suite, "--store", start + "2", "--set", f"execution.start={start}").code == 0
    assert committed(cli.cwd / "fork") == committed(cli.cwd / f"{start}2")
    assert quality(cli.cwd / "fork") == quality(cli.cwd / f"{start}2")


@pytest.mark.whole
def test_side_by_side_gives_the_same_numbers(cli, write_suite):
    """Three cells at two at a time, from a first run and from one that another left half done."""
    methods = ["{use: toy-momentum}", "{use: toy-tuned-step}", "{use: toy-half-steps}"]
    suite = write_suite(suite_text(methods=methods, memory=True))
    beside = ("--set", "execution.jobs=2", "--set", "execution.threads=1")
    cli("run", suite, "--store", "one")
    assert cli("run", suite, "--store", "two", *beside).code == 0
    assert committed(cli.cwd / "one") == committed(cli.cwd / "two")
    assert quality(cli.cwd / "one") == quality(cli.cwd / "two")
    assert cli("run", suite, "--store", "half", "--only", "toy-momentum").code == 0
    assert cli("run", suite, "--store", "half", *beside).code == 0
    assert quality(cli.cwd / "half") == quality(cli.cwd / "one")
    again = cli("run", suite, "--store", "two", *beside)
    assert again.code == 0 and ": quality" not in again.err


def test_two_runs_at_once_do_not_corrupt_the_store(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum}", "{use: toy-half-steps}"]))
    both = [cli.popen("run", suite), cli.popen("run", suite)]
    codes = sorted(process.wait(60) for process in both)
    assert codes in ([0, 2], [0, 0])
    assert cli("run", suite).code == 0
    assert len(committed(cli.cwd / "results/small")) == 3 * 6


def test_list_describe_doctor_validate(cli, write_suite):
    listed = {row["name"] for row in cli("list", "methods", "--json").json()}
    assert {"reference", "int8-dynamic", "toy-momentum"} <= listed
    assert "learning_rate" in cli("describe", "toy-minimise").out or "steps" in cli("describe", "toy-minimise").out
    assert cli("doctor", "--json").json()["broken_plugins"] == {}
    assert "valid" in cli("validate", write_suite(suite_text(methods=[]))).out
    unknown = cli("describe", "toy-momentun")
    assert unknown.code == 2 and "toy-momentum" in unknown.err
