"""What a run says at its end: the table or JSON on stdout, failures and gates on stderr, and the exit code."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.cli.saying import say, tell
from effbench.counted import counted
from effbench.errors import BadInput

if TYPE_CHECKING:
    from effbench.runner.cells import Plan
    from effbench.runner.executor import Outcome
    from effbench.suite import Gate

DONE, SOME_FAILED, GATE_FAILED = 0, 1, 3
"""Exit codes, listed in ``cli.app``; 2 is left out, since a shell's commands mean bad usage by it."""


def close_run(path: Path, outcome: Outcome, gates: Sequence[Gate], as_json: bool) -> int:
    """Print the results of a run and return its exit code."""
    from effbench.report.formats import render
    from effbench.report.summarise import summarise
    from effbench.report.terminal import stdout_look
    from effbench.runner.gates import failed_gates
    from effbench.store import read_store

    view = read_store(path)
    width, colour = stdout_look()
    print(render(summarise(view), "json" if as_json else "table", width=width, colour=colour))
    for label, why in outcome.failed.items():
        tell(f"failed: {label}: {why}")
    broken = failed_gates(view, gates)
    for sentence in broken:
        tell(f"gate failed: {sentence}")
    if not as_json:
        done = counted(len(outcome.done), "cell")
        tell(f"{done} done, {len(outcome.failed)} failed; store: {path}")
        named = shlex.quote(str(path))
        tell(f"next: effbench report {named} --pareto latency,quality   |   effbench board {named}")
    if outcome.failed:
        return SOME_FAILED
    return GATE_FAILED if broken else DONE


def show_plan(plan: Plan, path: Path, as_json: bool) -> int:
    """Print what a run would do, without touching the store."""
    from effbench.parts import read_parts
    from effbench.runner.holdings import committed_rows
    from effbench.runner.jobs import plan_batches
    from effbench.store import SAMPLE_KEY, CellFolder

    rows: list[dict[str, Any]] = []
    for task in plan.tasks:
        for cell in task.cells:
            folder = CellFolder(path / "cells" / cell.id)
            done = committed_rows(read_parts(folder.samples, SAMPLE_KEY))
            left = plan_batches(task.samples, plan.suite.seeds, task.entry.batch_size, done)
            rows.append(
                {
                    "cell": cell.id,
                    "task": cell.task_id,
                    "method": cell.method_id,
                    "execution": cell.execution,
                    "device": task.device,
                    "dtype": task.dtype,
                    "samples": len(task.samples),
                    "batches_left": len(left),
                    "unsupported": cell.unsupported,
                }
            )
    if as_json:
        print(json.dumps({"store": str(path), "cells": rows}, indent=1))
        return DONE
    for row in rows:
        todo = row["unsupported"] or f"{counted(row['batches_left'], 'quality batch', 'quality batches')} left"
        say(f"{row['cell']}  {row['task']}/{row['method']}  {row['execution']}  {row['device']} {row['dtype']}  {todo}")
    return DONE


def require_choice(value: str, valid: Sequence[str], what: str) -> str:
    """Return ``value`` where it is one of ``valid``; raise ``BadInput`` with the nearest otherwise."""
    from effbench.errors import nearest

    if value not in valid:
        raise BadInput(f"{what} {value!r} is not known{nearest(value, valid)}")
    return value
