"""The passes of a cell, each in a process of its own so that no probe disturbs another: prepare, quality, memory, ..."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from effbench.api import Artifact, Output, PluginError, Scores, System, Unsupported, reproducible
from effbench.digest import digest
from effbench.parts import KeptOutputs, score_columns, write_outputs, write_part
from effbench.runner.building import apply_link, context_of, load_and_apply
from effbench.runner.jobs import Batch, Done, JobSpec, Progress, Turn
from effbench.store import CellFolder


def prepare(spec: JobSpec, connection: Connection) -> Done:
    """Prepare every link on the system that the links before it produced, and store the artifacts."""
    context = context_of(spec)
    system: System = spec.task.load(context)
    artifacts: list[Artifact] = []
    seconds = 0.0
    for position, method in enumerate(spec.chain):
        if position:
            system = apply_link(spec.chain[position - 1], system, artifacts[-1])
        started = time.perf_counter()
        artifact = method.prepare(system, context)
        seconds += time.perf_counter() - started
        artifacts.append(artifact)
    sha256 = CellFolder(spec.cell_path).write_artifact(artifacts)
    return Done({"seconds": seconds, "artifact_sha256": sha256})


def quality(spec: JobSpec, connection: Connection) -> Done:
    """Run and score every batch, committing each; then hash a probe output."""
    folder = CellFolder(spec.cell_path)
    system, phases, artifact = load_and_apply(spec)
    reference = KeptOutputs(spec.reference_outputs) if spec.reference_outputs else None
    model_s = score_s = 0.0
    loop_started = time.perf_counter()
    for batch in spec.batches:
        started = time.perf_counter()
        outputs = spec.task.run(system, batch.samples, batch.seed)
        seconds = time.perf_counter() - started
        model_s += seconds
        check_outputs(outputs, batch)
        ids = [sample.id for sample in batch.samples]
        theirs = reference.batch(ids, batch.seed) if reference else None
        started = time.perf_counter()
        scores = spec.task.score(outputs, batch.samples, theirs)
        score_s += time.perf_counter() - started
        _check_scores(scores, batch)
        if spec.keep_outputs:
            captions = [spec.task.caption(sample) for sample in batch.samples]
            write_outputs(folder.outputs, batch.key, ids, batch.seed, outputs, captions)
        columns: dict[str, Any] = {
            "sample_id": ids,
            "seed": [batch.seed] * len(ids),
            "batch": [batch.key] * len(ids),
            "output_sha256": [digest(reproducible(output)) for output in outputs],
            "batch_s": [seconds] * len(ids),
        }
        metadata = {"code_version": spec.code_version, "reference": spec.reference_cell}
        write_part(folder.samples, batch.key, columns | score_columns(scores), metadata)
        print(f"committed {batch.key}", flush=True)
        connection.send(Progress("batch", {"key": batch.key, "n": len(ids)}))
    spent = {"model_s": model_s, "score_s": score_s, "loop_s": time.perf_counter() - loop_started}
    probe = spec.task.probe(system, spec.probe_batch_size)
    return Done({**phases, **spent, "artifact_sha256": artifact, "probe_sha256": digest(probe())})


def check_outputs(outputs: Any, batch: Batch) -> None:
    """Raise ``PluginError`` where outputs are not one mapping of finite arrays per sample."""
    if len(outputs) != len(batch.samples):
        raise PluginError(f"returned {len(outputs)} outputs for a batch of {len(batch.samples)} samples")
    for sample, output in zip(batch.samples, outputs):
        _check_output(sample.id, output)


def _check_output(sample_id: str, output: Output) -> None:
    for name, array in output.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise PluginError(
                f"output {name!r} of sample {sample_id!r} has {bad} of {array.size} values NaN or infinite"
            )


def _check_scores(scores: Scores, batch: Batch) -> None:
    for name, values in {**scores.scalars, **scores.arrays}.items():
        if len(values) != len(batch.samples):
            raise PluginError(f"score {name!r} has {len(values)} values for {len(batch.samples)} samples")


def memory(spec: JobSpec, connection: Connection) -> Done:
    """Build the system in this otherwise idle process, run its probe, and report what that took."""
    from dataclasses import asdict

    from effbench.measure.memory import measure_memory

    seen: dict[str, str] = {}

    def build() -> tuple[System, Callable[[], Any]]:
        system, _, seen["artifact_sha256"] = load_and_apply(spec)
        probe = spec.task.probe(system, spec.probe_batch_size)

        def call() -> None:
            seen["probe_sha256"] = digest(probe())

        return system, call

    use = measure_memory(build, spec.device)
    return Done({**asdict(use), **seen})


def latency(spec: JobSpec, connection: Connection) -> Done:
    """Warm up, then time calls whenever the parent gives a turn, until it says that is enough."""
    from effbench.measure.latency import Stopwatch

    system, phases, artifact = load_and_apply(spec)
    watch = Stopwatch(spec.task.probe(system, spec.probe_batch_size), spec.device)
    warm = watch.warm_up(spec.warmup_s)
    probe_sha256 = digest(watch.last_output)
    connection.send(Progress("ready", {"iterations": warm}))
    while isinstance(request := connection.recv(), Turn):
        connection.send(Progress("turn", {"iterations": watch.turn(request.seconds)}))
    return Done({**phases, "artifact_sha256": artifact, "probe_sha256": probe_sha256, "flags": watch.flags})


def energy(spec: JobSpec, connection: Connection) -> Done:
    """Run the probe over windows of several seconds between two readings of the energy counter."""
    from dataclasses import asdict

    from effbench.measure.energy import find_counter, measure_energy

    counter = find_counter(spec.device)
    if counter is None:
        raise Unsupported("the energy counter that the parent found cannot be read in the worker")
    system, _, artifact = load_and_apply(spec)
    used = measure_energy(spec.task.probe(system, spec.probe_batch_size), counter)
    return Done({**asdict(used), "batch_size": spec.probe_batch_size, "artifact_sha256": artifact})


def calibrate(spec: JobSpec, connection: Connection) -> Done:
    """Measure the peaks of this machine in a worker, since the parent never loads torch."""
    from dataclasses import asdict

    from effbench.measure import roofline

    return Done(asdict(roofline.calibrate(spec.threads, spec.device)))
