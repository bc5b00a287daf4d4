"""SIGKILL of the parent and of a worker at random points, then the same command again: nothing committed is lost."""

import os
import random
import shutil
import signal
import time

import psutil
import pytest
from support import committed, quality, suite_text

METHODS = ["{use: toy-momentum}", "{use: toy-tuned-step}"]
TASK = "with: {steps: 8, dim: 2, problems: 12}"
SLOW_TASK = "with: {steps: 8, dim: 2, problems: 12, step_cost_ms: 1}"


@pytest.fixture
def suite(write_suite):
    text = suite_text(methods=METHODS, latency="{rounds: 2, budget_s: 0.1}", memory=True, limit=8, seeds=[0, 1])
    return write_suite(text.replace(TASK, SLOW_TASK))


def parts(store):
    """Return every committed part by name, which holds its content's hash."""
    return {p.name: p for p in store.glob("cells/*/samples/*.parquet")}


def kill_once(cli, suite, store, generator, *more):
    """Start the run, kill parent or worker after a random while, and return (who, what was committed then)."""
    process = cli.popen("run", suite, "--store", store, *more)
    parent = psutil.Process(process.pid)
    time.sleep(generator.uniform(0.3, 3.5))
    who = generator.choice(["parent", "worker"])
    try:
        workers = [p for p in parent.children(recursive=True) if not p.children() and p.pid != process.pid]
        victim = process.pid if who == "parent" or not workers else generator.choice(workers).pid
        os.kill(victim, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass  # it had finished already
    process.wait(60)
    time.sleep(0.05)  # orphans are killed by the kernel as their server goes
    return parts(cli.cwd / store)


def check_kills(cli, suite, rounds, *more):
    """Kill and resume ``rounds`` times, each from a store of its own; return how often everything was right."""
    assert cli("run", suite, "--store", "undisturbed").code == 0
    expected = committed(cli.cwd / "undisturbed"), quality(cli.cwd / "undisturbed")
    right = 0
    for number in range(rounds):
        generator = random.Random(number)
        store = f"store-{number}"
        before = kill_once(cli, suite, store, generator, *more)
        result = cli("run", suite, "--store", store, *more)
        assert result.code == 0, (number, result.err)
        assert (committed(cli.cwd / store), quality(cli.cwd / store)) == expected, number
        computed = _batches_computed(cli.cwd / store)
        assert all(times == 1 for key, times in computed.items() if key in _keys(before)), (number, computed)
        right += 1
        shutil.rmtree(cli.cwd / store)
    return right


def _keys(names):
    return {
        (path.parent.parent.name, name.split(".")[0]) for name, path in names.items() if not name.startswith("merged")
    }


def _batches_computed(store):
    """Return (cell, batch) -> how often a worker said it had committed that batch."""
    counts = {}
    for log in store.glob("cells/*/log.txt"):
        for line in log.read_text().splitlines():
            if line.startswith("committed "):
                key = (log.parent.name, line.split()[1])
                counts[key] = counts.get(key, 0) + 1
    return counts


@pytest.mark.whole
@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.proof)])
def test_kill_and_resume(cli, suite, kills):
    assert check_kills(cli, suite, kills) == kills


@pytest.mark.whole
@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_kill_and_resume_where_cells_are_side_by_side(cli, suite, kills):
    assert check_kills(cli, suite, kills, "--set", "execution.jobs=2", "--set", "execution.threads=1") == kills


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kill_and_resume_50_times(cli, suite):
    right = check_kills(cli, suite, 50)
    print(f"\nkill and resume: {right} of 50")
    assert right == 50
