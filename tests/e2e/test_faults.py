"""Methods that fail in every way: each is recorded as what it is, and no other cell is touched by it."""

import os
import resource
import signal
import time

import pytest
from support import SUITES, committed, suite_text

from effbench.store import read_store

EXPECTED = {
    "toy-raises": ("quality", "error", "RuntimeError"),
    "raises-late": ("quality", "error", "RuntimeError"),
    "raises-in-prepare": ("prepare", "error", "RuntimeError"),
    "raises-in-apply": ("quality", "error", "RuntimeError"),
    "raises-in-probe": ("quality", "error", "RuntimeError"),
    "toy-segfault": ("quality", "signal", "SIGSEGV"),
    "toy-kills-itself": ("quality", "signal", "SIGKILL"),
    "toy-hangs": ("quality", "timeout", "no answer"),
    "toy-allocates": ("quality", "oom", "MemoryError"),
    "toy-wrong-count": ("quality", "error", "returned 2 outputs for 3 samples"),
    "toy-nan": ("quality", "error", "NaN"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory, toy_plugin):
    from support import Cli

    cli = Cli(tmp_path_factory.mktemp("faults"), {**os.environ, "PYTHONPATH": str(toy_plugin)})
    result = cli("run", SUITES / "faults.yaml", "--store", "st", "--json")
    return result, {cell.method_id: cell for cell in read_store(cli.cwd / "st").cells}


@pytest.mark.whole
@pytest.mark.parametrize("method", EXPECTED)
def test_each_fault_is_recorded_as_what_it_is(faulty, method):
    _, cells = faulty
    job, reason, text = EXPECTED[method]
    failed = [a for a in cells[method].attempts if a.status == "failed"]
    assert [(a.job, a.reason) for a in failed][:1] == [(job, reason)]
    assert text in failed[0].message
    assert cells[method].status == "failed"
    assert {n.reason for n in cells[method].numbers if n.axis == "latency"} == {reason}


def test_the_others_go_on_and_the_exit_code_says_so(faulty):
    result, cells = faulty
    assert result.code == 1
    assert cells["reference"].status == "complete"
    assert all(n.value is not None for n in cells["reference"].numbers if n.primary and n.axis in ("quality", "memory"))


def test_on_error_stop_ends_the_run_but_keeps_the_store(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-raises}", "{use: toy-momentum}"]))
    result = cli("run", suite, "--set", "execution.on_error=stop")
    assert result.code == 1
    assert {c.method_id for c in read_store(cli.cwd / "results/small").cells} <= {"reference", "toy-raises"}
    assert cli("run", suite).code == 1
    assert len(committed(cli.cwd / "results/small")) >= 12


@pytest.mark.whole
def test_a_failed_cell_is_tried_again_and_its_committed_batches_are_kept(cli, write_suite):
    suite = write_suite(suite_text(methods=["{id: late, use: toy-raises, with: {after: 1}}"]))
    assert cli("run", suite).code == 1
    store = cli.cwd / "results/small"
    cell = next(c for c in read_store(store).cells if c.method_id == "late")
    kept = sorted((store / "cells" / cell.id / "samples").glob("*.parquet"))
    assert len(kept) == 1
    assert cli("run", suite).code == 1
    assert len(committed(store)) == 6 + 2 * 2


def test_an_unwritable_store_is_one_sentence(cli, write_suite):
    (cli.cwd / "file").write_text("in the way")
    refused = cli("run", write_suite(suite_text(methods=[])), "--store", "file/store")
    assert refused.code == 2
    assert len(refused.err.strip().splitlines()) == 1


def test_a_full_disk_ends_the_run_with_one_sentence_and_nothing_half_written(cli, write_suite):
    suite = write_suite(suite_text(methods=["{use: toy-momentum}"]))

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    refused = cli("run", suite, preexec_fn=small_files_only)
    assert refused.code == 2
    assert "cannot be saved" in refused.err
    assert not list((cli.cwd / "results").rglob("*.tmp"))
    assert cli("run", suite).code == 0


@pytest.mark.whole
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_exits_130_and_the_rest_is_done_later(cli, write_suite, sign):
    task = "    with: {steps: 8, dim: 2, problems: 12, step_cost_ms: 20}"
    text = suite_text(methods=["{use: toy-momentum}"]).replace("    with: {steps: 8, dim: 2, problems: 12}", task)
    suite = write_suite(text)
    process = cli.popen("run", suite)
    deadline = time.monotonic() + 30
    while not list(cli.cwd.glob("results/small/cells/*/samples/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sign)
    assert process.wait(20) == 130
    assert cli("run", suite).code == 0
    assert len(committed(cli.cwd / "results/small")) == 12


@pytest.mark.parametrize(
    ("edit", "place", "hint"),
    [
        (("use: toy-minimise", "use: toy-minimize"), "suite.yaml:5:5", "toy-minimise"),
        (("use: reference", "use: referense"), "suite.yaml:10:21", "'reference'"),
        (("steps: 8", "stepz: 8"), "suite.yaml:6:12", "'steps'"),
        (("steps: 8", "steps: zero"), "suite.yaml:6:12", "zero"),
        (("name: small", "name: small\nname: again"), "suite.yaml:3:1", "twice"),
        (("batch_size: 2", "batch_size: [2"), "suite.yaml", "malformed"),
    ],
)
def test_bad_suites_are_one_sentence_with_place_and_hint(cli, write_suite, edit, place, hint):
    refused = cli("run", write_suite(suite_text(methods=[]).replace(*edit)))
    assert refused.code == 2
    (line,) = refused.err.strip().splitlines()
    assert place in line and hint in line


@pytest.mark.parametrize("arguments", [["rum"], ["run"], ["run", "x.yaml", "--nope"], ["run", "no-such-file.yaml"]])
def test_a_bad_command_line_is_one_sentence(cli, arguments):
    refused = cli(*arguments)
    assert refused.code == 2
    assert len(refused.err.strip().splitlines()) == 1
