"""Runs the real command line in a process of its own, with the third-party toy package installed."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from effbench.parts import read_parts
from effbench.store import SAMPLE_KEY, read_store

SUITES = Path(__file__).parent.parent / "plugin_package" / "suites"


@dataclass
class Result:
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


@dataclass
class Cli:
    """`cli("run", suite)` runs the command in `cwd` and returns code, stdout and stderr."""

    cwd: Path
    env: dict

    def argv(self, *args):
        return [sys.executable, "-c", "from effbench.cli import main; main()", *map(str, args)]

    def on_own_core(self, *args, timeout=560):
        """Run a suite of real models on one core, each worker of pytest on another: shared ones take ten times as long."""
        cores = sorted(os.sched_getaffinity(0))
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        alone = ["--set", "execution.threads=1", "--set", f"execution.cpus=[{cores[worker % len(cores)]}]"]
        return self(*args, *alone, timeout=timeout)

    def __call__(self, *args, timeout=120, preexec_fn=None):
        done = subprocess.run(
            self.argv(*args),
            cwd=self.cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            preexec_fn=preexec_fn,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert not re.search(r"Warning|leaked", done.stderr), (
            done.stderr
        )  # a library's, to a user who did nothing wrong
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, *args):
        return subprocess.Popen(
            self.argv(*args),
            cwd=self.cwd,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A shell starts its background jobs with SIGINT ignored, and a test run inside one would pass that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def suite_text(name="small", *, methods, seeds=(0,), latency="null", memory=False, inspect=False, limit=6, extra=""):
    """Return a suite over the optimisation task in which the methods are given as YAML lines.

    An inspection imports torch for every cell, so a suite asks for it only where the test is about it.
    """
    return f"""\
schema: effbench/suite/1
name: {name}
tasks:
  - id: minimise
    use: toy-minimise
    with: {{steps: 8, dim: 2, problems: 12}}
    samples: {{limit: {limit}}}
    batch_size: 2
methods:
  - {{id: reference, use: reference, role: reference}}
{"".join(f"  - {line}{chr(10)}" for line in methods)}seeds: {list(seeds)}
measure: {{latency: {latency}, memory: {str(memory).lower()}, inspect: {str(inspect).lower()}, flops: false}}
stats: {{resamples: 200}}
execution: {{timeout_s: 20}}
{extra}"""


def committed(store: Path) -> dict:
    """Return (task/method, seed, sample) -> output hash of everything a store has committed."""
    rows = {}
    for cell in read_store(store).cells:
        table = read_parts(store / "cells" / cell.id / "samples", SAMPLE_KEY)
        if table is None:
            continue
        columns = (table[name].to_pylist() for name in ("seed", "sample_id", "output_sha256"))
        rows |= {(cell.method_id, seed, sample): sha for seed, sample, sha in zip(*columns)}
    return rows


def quality(store: Path) -> dict:
    """Return (method, number) -> (value, low, high) of all quality numbers."""
    return {
        (cell.method_id, n.name): (n.value, n.ci_low, n.ci_high)
        for cell in read_store(store).cells
        for n in cell.numbers
        if n.axis == "quality"
    }
