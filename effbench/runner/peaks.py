"""The measured peaks of the machine for a run: those known already, or measured now in a worker (no torch in the parent)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from effbench.errors import StoreError
from effbench.measure import roofline
from effbench.measure.noise import FOREIGN_B, NoiseMeter, cpu_seconds
from effbench.runner.isolation import WorkerError
from effbench.runner.jobs import Done, Message
from effbench.runner.plan import TaskPlan

if TYPE_CHECKING:
    from effbench.runner.executor import Executor


def peaks_for(executor: Executor, todo: Sequence[TaskPlan]) -> roofline.Calibration | None:
    """Return the peaks for the tasks that are still to do; None where none uses torch, or the machine is too busy.

    Peaks of a busy machine would be too low, and every share of the roofline too high, so they are not kept then.
    """
    task = next((task for task in todo if "torch" in task.task.preload), None)
    if task is None:
        return None
    known = roofline.load(executor.machine, executor.threads, task.device)
    if known is not None:
        return known
    print("measuring the peaks of this machine, once (effbench calibrate repeats it)", file=sys.stderr)
    meter, before = NoiseMeter(task.device), cpu_seconds([os.getpid()])
    meter.start()
    message = _measure(executor, task)
    foreign = meter.stop(cpu_seconds([os.getpid()]) - before).foreign_share
    if not isinstance(message, Done):
        print(f"the peaks could not be measured: {getattr(message, 'message', message)}", file=sys.stderr)
        return None
    if foreign is not None and foreign > FOREIGN_B:
        print(f"other processes took {foreign:.0%} of the machine: its peaks stay unknown", file=sys.stderr)
        return None
    measured = roofline.Calibration(**message.data)
    try:
        roofline.save(measured, executor.machine)
    except StoreError as error:
        print(f"the peaks are used here and not kept for later runs: {error}", file=sys.stderr)
    return measured


def _measure(executor: Executor, task: TaskPlan) -> Message:
    worker = executor.launcher.start(executor.spec(task, task.cells[0], "calibrate"))
    try:
        return worker.receive(executor.suite.execution.timeout_s)
    except WorkerError as error:
        return error.failure
    finally:
        worker.kill()
