"""The passes of a cell, each in a process of its own so that no probe disturbs another: prepare, quality, memory, ..."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from effbench.api import Artifact, Output, PluginError, Sample, Scores, System, Unsupported, reproducible
from effbench.contract.outputs import artifact_problems, output_problems
from effbench.contract.samples import ids_sha256
from effbench.contract.scores import score_problems
from effbench.digest import digest
from effbench.errors import one_line
from effbench.parts import KeptOutputs, score_columns, write_outputs, write_part
from effbench.runner.building import apply_link, context_of, keep_promise, load_and_apply, loaded, probe_of
from effbench.runner.jobs import Batch, Done, JobSpec, Progress, Turn
from effbench.store import CellFolder


def prepare(spec: JobSpec, connection: Connection) -> Done:
    """Prepare every link on the system that the links before it produced, and store the artifacts."""
    context = context_of(spec)
    system = loaded(spec)
    artifacts: list[Artifact] = []
    seconds = 0.0
    for position, method in enumerate(spec.chain):
        if position:
            system = apply_link(spec.chain[position - 1], system, artifacts[-1])
        started = time.perf_counter()
        artifact = method.prepare(system, context)
        seconds += time.perf_counter() - started
        keep_promise(f"{method.name}: {problem}" for problem in artifact_problems(artifact))
        artifacts.append(artifact)
    sha256 = CellFolder(spec.cell_path).write_artifact(artifacts)
    return Done({"seconds": seconds, "artifact_sha256": sha256})


def quality(spec: JobSpec, connection: Connection) -> Done:
    """Run and score every batch, committing each; then hash a probe output."""
    folder = CellFolder(spec.cell_path)
    system, phases, artifact = load_and_apply(spec)
    reference = KeptOutputs(spec.reference_outputs) if spec.reference_outputs else None
    model_s = score_s = 0.0
    names: frozenset[str] | None = None
    _require_listed(spec)
    loop_started = time.perf_counter()
    for batch in spec.batches:
        own = copy.deepcopy(batch.samples)  # what changes them must change no other seed's samples, nor what scores see
        started = time.perf_counter()
        outputs = spec.task.run(system, own, batch.seed)
        seconds = time.perf_counter() - started
        model_s += seconds
        names = _require_outputs(outputs, batch, names)
        ids = [sample.id for sample in batch.samples]
        theirs = reference.batch(ids, batch.seed) if reference else None
        hashes = _hashes(outputs)
        started = time.perf_counter()
        scores = _scored(spec, outputs, batch, theirs)
        score_s += time.perf_counter() - started
        if spec.keep_outputs and hashes != _hashes(outputs):
            raise PluginError(
                "score changes the outputs that it is given, which are kept for comparison; copy them first"
            )
        if spec.keep_outputs:
            captions = [_caption(spec, sample) for sample in batch.samples]
            write_outputs(folder.outputs, batch.key, ids, batch.seed, outputs, captions)
        columns: dict[str, Any] = {
            "sample_id": ids,
            "seed": [batch.seed] * len(ids),
            "batch": [batch.key] * len(ids),
            "output_sha256": hashes,
            "batch_s": [seconds] * len(ids),
        }
        metadata = {"code_version": spec.code_version, "reference": spec.reference_cell}
        write_part(folder.samples, batch.key, columns | score_columns(scores), metadata)
        with contextlib.suppress(ValueError, OSError):  # the method may have closed the log; the part is saved
            print(f"committed {batch.key}", flush=True)
        connection.send(Progress("batch", {"key": batch.key, "n": len(ids)}))
    spent = {"model_s": model_s, "score_s": score_s, "loop_s": time.perf_counter() - loop_started}
    probe = probe_of(spec, system, spec.probe_batch_size)
    return Done({**phases, **spent, "artifact_sha256": artifact, "probe_sha256": digest(probe())})


def _require_listed(spec: JobSpec) -> None:
    """Raise ``PluginError`` where this process lists other samples than the one that planned: no id could be trusted."""
    if spec.listed and ids_sha256(spec.task.samples("evaluation")) != spec.listed:
        raise PluginError(
            "samples('evaluation') gives other ids in another process; ids must never change: derive them from the "
            "data, never from hash(), a set's order or an unseeded generator"
        )


def _require_outputs(outputs: Any, batch: Batch, names: frozenset[str] | None) -> frozenset[str]:
    """Return the names of the arrays; raise ``PluginError`` where outputs break the contract or the names change."""
    keep_promise(output_problems(outputs, batch.samples, "run"))
    found = frozenset(outputs[0])
    if names is not None and found != names:
        raise PluginError(
            f"run names the arrays of {batch.samples[0].id!r} {sorted(found)} and others {sorted(names)}; agree"
        )
    return found


def _scored(spec: JobSpec, outputs: Sequence[Output], batch: Batch, theirs: Sequence[Output] | None) -> Scores:
    """Return the scores of a batch; raise ``PluginError`` where they break the contract."""
    try:
        scores = spec.task.score(outputs, copy.deepcopy(batch.samples), theirs)
    except (ValueError, KeyError, IndexError) as error:
        differs = _first_mismatch(outputs, theirs, batch) if theirs else ""
        if not differs:
            raise
        raise PluginError(f"score raised {one_line(error)}; {differs}") from error
    task = spec.task
    keep_promise(
        score_problems(
            task.metrics,
            scores,
            batch.samples,
            with_reference=theirs is not None,
            random_weights=task.random_weights,
        )
    )
    return scores


def _first_mismatch(outputs: Sequence[Output], theirs: Sequence[Output], batch: Batch) -> str:
    """Return the first array whose shape is not that of the reference's, or ""."""
    for sample, ours, other in zip(batch.samples, outputs, theirs):
        for name in sorted(ours.keys() | other.keys()):
            shapes = [list(output[name].shape) if name in output else None for output in (ours, other)]
            if shapes[0] != shapes[1]:
                said = " against ".join("nothing" if shape is None else str(shape) for shape in shapes)
                return f"{name!r} of sample {sample.id!r} is {said} of the reference"
    return ""


def _hashes(outputs: Sequence[Output]) -> list[str]:
    return [digest(reproducible(output)) for output in outputs]


def _caption(spec: JobSpec, sample: Sample) -> str:
    caption: Any = spec.task.caption(sample)
    if not isinstance(caption, str):
        raise PluginError(f"caption() returned {type(caption).__name__} for {sample.id!r}; return a string")
    return caption


def memory(spec: JobSpec, connection: Connection) -> Done:
    """Build the system in this otherwise idle process, run its probe, and report what that took."""
    from dataclasses import asdict

    from effbench.measure.memory import measure_memory

    seen: dict[str, str] = {}

    def build() -> tuple[System, Callable[[], Any]]:
        system, _, seen["artifact_sha256"] = load_and_apply(spec)
        probe = probe_of(spec, system, spec.probe_batch_size)

        def call() -> None:
            seen["probe_sha256"] = digest(probe())

        return system, call

    use = measure_memory(build, spec.device)
    return Done({**asdict(use), **seen})


def latency(spec: JobSpec, connection: Connection) -> Done:
    """Warm up, then time calls whenever the parent gives a turn, until it says that is enough."""
    from effbench.measure.latency import Stopwatch

    system, phases, artifact = load_and_apply(spec)
    watch = Stopwatch(probe_of(spec, system, spec.probe_batch_size), spec.device)
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
    used = measure_energy(probe_of(spec, system, spec.probe_batch_size), counter)
    return Done({**asdict(used), "batch_size": spec.probe_batch_size, "artifact_sha256": artifact})


def calibrate(spec: JobSpec, connection: Connection) -> Done:
    """Measure the peaks of this machine in a worker, since the parent never loads torch."""
    from dataclasses import asdict

    from effbench.measure import roofline

    return Done(asdict(roofline.calibrate(spec.threads, spec.device)))
