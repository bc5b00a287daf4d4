"""The measured peaks of the machine for a run: those known already, or measured now in a worker (no torch in the parent)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from effbench.errors import StoreError
from effbench.measure import roofline
from effbench.measure.noise import NoiseMeter, cpu_seconds
from effbench.readings import FOREIGN_B, Calibration
from effbench.record import Reason
from effbench.runner.cells import TaskPlan
from effbench.runner.jobrunner import JobRunner
from effbench.runner.jobs import Done, Failed, Message
from effbench.runner.launching import WorkerError


def peaks_for(jobs: JobRunner, todo: Sequence[TaskPlan]) -> Calibration | Reason:
    """Return the peaks for the tasks that are still to do, or why there are none (no task uses torch, a busy machine).

    Peaks of a busy machine would be too low, and every share of the roofline too high, so they are not kept then.
    """
    task = next((task for task in todo if "torch" in task.task.preload), None)
    if task is None:
        return "unsupported"
    known = roofline.load(jobs.launcher.machine, jobs.resources.threads, task.device)
    if known is not None:
        return known
    print("measuring the peaks of this machine, once (effbench calibrate repeats it)", file=sys.stderr)
    meter, before = NoiseMeter(task.device), cpu_seconds([os.getpid()])
    meter.start()
    message = _measure(jobs, task)
    foreign = meter.stop(cpu_seconds([os.getpid()]) - before).foreign_share
    if not isinstance(message, Done):
        failure = message if isinstance(message, Failed) else Failed("error", "the worker said something else")
        print(f"the peaks could not be measured: {failure.message}", file=sys.stderr)
        return failure.reason
    if foreign is not None and foreign > FOREIGN_B:
        print(f"other processes took {foreign:.0%} of the machine: its peaks stay unknown", file=sys.stderr)
        return "noisy_machine"
    measured = Calibration(**message.data)
    try:
        roofline.save(measured, jobs.launcher.machine)
    except StoreError as error:
        print(f"the peaks are used here and not kept for later runs: {error}", file=sys.stderr)
    return measured


def _measure(jobs: JobRunner, task: TaskPlan) -> Message:
    try:
        worker = jobs.launcher.start(jobs.spec(task, task.cells[0], "calibrate"))
    except WorkerError as error:
        return error.failure
    try:
        return worker.receive(jobs.suite.execution.timeout_s)
    except WorkerError as error:
        return error.failure
    finally:
        worker.kill()
