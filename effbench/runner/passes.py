"""The passes of a cell, each in a process of its own so that no probe disturbs another: prepare, quality, memory, ..."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from effbench.api import WORK_VARIABLE, System, Unsupported
from effbench.artifacts import Prepared, write_artifact
from effbench.contract.outputs import artifact_problems
from effbench.digest import digest
from effbench.runner.building import (
    apply_link,
    context_of,
    keep_promise,
    load_and_apply,
    loaded,
    probes_of,
    tied_to,
)
from effbench.runner.jobs import Done, JobSpec, Progress, Turn
from effbench.store import CellFolder

SAYS_EVERY_S = 0.5
"""How often a preparation's progress crosses the pipe at most: it may report from an inner loop."""


def prepare(spec: JobSpec, connection: Connection) -> Done:
    """Prepare every link on the system that the links before it produced, and store the artifacts.

    A link that was prepared by a process that was killed finds its checkpoints; links before it are prepared again, unless
    they keep checkpoints too.
    """
    (training,) = spec.trainings
    folder, work = CellFolder(spec.cell_path), Path(os.environ[WORK_VARIABLE])
    system, links, seconds = loaded(spec), list[Prepared](), 0.0
    for position, method in enumerate(spec.chain):
        if position:
            system = apply_link(spec.chain[position - 1], system, links[-1])
        os.environ[WORK_VARIABLE] = str(work / f"{position}-{method.name}")
        context = context_of(spec, training, _reporter(connection, method.name))
        settings = tied_to(method, system)
        started = time.perf_counter()
        artifact = method.prepare(system, context)
        seconds += time.perf_counter() - started
        keep_promise(f"{method.name}: {problem}" for problem in artifact_problems(artifact))
        links.append(Prepared(artifact, settings, method.name))
    sha256 = write_artifact(folder.artifact_of(training), links)
    shutil.rmtree(work, ignore_errors=True)
    return Done({"seconds": seconds, "artifact_sha256": sha256})


def _reporter(connection: Connection, name: str) -> Callable[[float, float, str], None]:
    """Return what tells the parent that a preparation moves: where more is done than before, at most twice a second.

    One that says the same again and again does not move, and is ended like one that says nothing.
    """
    told_at, told = 0.0, -math.inf

    def progress(done: float, total: float, text: str = "") -> None:
        nonlocal told_at, told
        now = time.monotonic()
        if done > told and (now - told_at >= SAYS_EVERY_S or done >= total):
            told_at, told = now, done
            connection.send(Progress("moves", {"done": float(done), "total": float(total), "text": f"{name}: {text}"}))

    return progress


def memory(spec: JobSpec, connection: Connection) -> Done:
    """Build the system in this otherwise idle process, call every probe, and report what that took."""
    from dataclasses import asdict

    from effbench.measure.memory import measure_memory

    seen: dict[str, str] = {}

    def build() -> tuple[System, Callable[[], Any]]:
        system, _, seen["artifact_sha256"] = load_and_apply(spec)
        probes = probes_of(spec, system, spec.probe_batch_size)

        def call() -> None:
            seen["probe_sha256"] = digest(probes[0]())
            for probe in probes[1:]:
                probe()

        return system, call

    use = measure_memory(build, spec.device)
    return Done({**asdict(use), **seen})


def latency(spec: JobSpec, connection: Connection) -> Done:
    """Warm up, then time calls of an item whenever the parent gives a turn, until it says that is enough."""
    from effbench.measure.latency import Stopwatch

    system, phases, artifact = load_and_apply(spec)
    probes = probes_of(spec, system, spec.probe_batch_size)
    watch = Stopwatch(probes[0], spec.device)
    warm = watch.warm_up(spec.warmup_s)
    probe_sha256 = digest(watch.last_output)
    connection.send(Progress("ready", {"iterations": warm, "items": len(probes)}))
    while isinstance(request := connection.recv(), Turn):
        watch.call = probes[request.item]
        connection.send(Progress("turn", {"iterations": watch.turn(request.seconds)}))
    return Done({**phases, "artifact_sha256": artifact, "probe_sha256": probe_sha256, "flags": watch.flags})


def energy(spec: JobSpec, connection: Connection) -> Done:
    """Run the probes over windows of several seconds between two readings of the energy counter."""
    from dataclasses import asdict

    from effbench.measure.energy import find_counter, measure_energy

    counter = find_counter(spec.device)
    if counter is None:
        raise Unsupported("the energy counter that the parent found cannot be read in the worker")
    system, _, artifact = load_and_apply(spec)
    probes = probes_of(spec, system, spec.probe_batch_size)

    def call() -> None:
        for probe in probes:
            probe()

    used = measure_energy(call, counter)
    batch_size = spec.probe_batch_size * len(probes)
    return Done({**asdict(used), "batch_size": batch_size, "artifact_sha256": artifact})


def calibrate(spec: JobSpec, connection: Connection) -> Done:
    """Measure the peaks of this machine in a worker, since the parent never loads torch."""
    from dataclasses import asdict

    from effbench.measure import roofline

    return Done(asdict(roofline.calibrate(spec.threads, spec.device)))
