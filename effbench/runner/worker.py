"""The process that does one job of a cell: load, apply the chain, and prepare, run, weigh or time it.

A worker writes the parts it finishes itself and tells the parent about each; it dies with its parent.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from effbench.api import Artifact, Context, Method, Output, PluginError, Scores, System, Unsupported
from effbench.digest import digest
from effbench.errors import StoreError
from effbench.parts import KeptOutputs, score_columns, write_outputs, write_part
from effbench.runner.jobs import Batch, Done, Failed, JobSpec, Progress, Turn
from effbench.store import CellFolder


def worker_main(connection: Connection, spec: JobSpec, parent_pid: int) -> None:
    """Run one job and answer over ``connection``; never raises."""
    _die_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; a terminal sends it to everybody
    try:
        _redirect_output(spec.cell_path / "log.txt", spec.kind)
        _limit_memory(spec.max_memory_bytes)
        _set_threads(spec)
        connection.send(JOBS[spec.kind](spec, connection))
    except StoreError as error:
        connection.send(Failed("error", str(error), store=True))
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is recorded as what it is
        connection.send(classify(error))
    except SystemExit as error:
        connection.send(Failed("error", f"the method called exit({error.code!r})"))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    connection.close()


def classify(error: Exception) -> Failed:
    """Return what a raised exception means for the cell."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    stack = "".join(traceback.format_exception(error))
    print(stack, file=sys.stderr, flush=True)
    is_oom = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if is_oom or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)):
        return Failed("oom", " ".join(text.split())[:300], stack)
    if isinstance(error, Unsupported):
        return Failed("unsupported", str(error))
    if isinstance(error, PluginError):
        return Failed("error", str(error))
    return Failed("error", " ".join(text.split())[:300], stack)


def _die_with_parent(parent_pid: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent_pid and not Path(f"/proc/{parent_pid}").exists():
        os._exit(1)  # the parent died before the request above took effect


def _redirect_output(log: Path, kind: str) -> None:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise StoreError(f"{log}: cannot be written: {error.strerror or error}") from None
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    print(f"--- {kind} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} pid {os.getpid()}", flush=True)
    faulthandler.enable(2, all_threads=False)


def _limit_memory(limit: int | None) -> None:
    if limit is None or sys.platform != "linux":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _set_threads(spec: JobSpec) -> None:
    os.environ["OMP_NUM_THREADS"] = str(spec.threads)
    if "torch" in spec.task.preload:
        import torch

        torch.set_num_threads(spec.threads)
        torch.set_grad_enabled(True)


def _context(spec: JobSpec) -> Context:
    return Context(spec.device, spec.dtype, spec.threads, seed=0, calibration=lambda: spec.task.samples("calibration"))


def load_and_apply(spec: JobSpec) -> tuple[System, dict[str, float], str]:
    """Return (the system of the cell, seconds of its phases, hash of the artifact it was made with)."""
    started = time.perf_counter()
    system: System = spec.task.load(_context(spec))
    loaded = time.perf_counter()
    if needs_preparation(spec.chain):
        artifacts, sha256 = CellFolder(spec.cell_path).read_artifact()
    else:
        artifacts, sha256 = [Artifact() for _ in spec.chain], ""
    for method, artifact in zip(spec.chain, artifacts):
        system = _apply(method, system, artifact)
    return system, {"load_s": loaded - started, "apply_s": time.perf_counter() - loaded}, sha256


def needs_preparation(chain: tuple[Method, ...]) -> bool:
    """Return whether any link of the chain prepares anything."""
    return any(type(method).prepare is not Method.prepare for method in chain)


def _apply(method: Method, system: System, artifact: Artifact) -> System:
    if not isinstance(system, tuple(method.accepts)):
        accepted = ", ".join(t.__name__ for t in method.accepts)
        raise Unsupported(f"{method.name} accepts {accepted}, got {type(system).__name__}")
    changed = method.apply(system, artifact)
    if not isinstance(changed, System):
        raise PluginError(f"{method.name}.apply returned {type(changed).__name__}, not a System")
    return changed


def prepare(spec: JobSpec, connection: Connection) -> Done:
    """Prepare every link on the system that the links before it produced, and store the artifacts."""
    context = _context(spec)
    system: System = spec.task.load(context)
    artifacts: list[Artifact] = []
    seconds = 0.0
    for position, method in enumerate(spec.chain):
        if position:
            system = _apply(spec.chain[position - 1], system, artifacts[-1])
        started = time.perf_counter()
        artifact = method.prepare(system, context)
        seconds += time.perf_counter() - started
        artifacts.append(artifact)
    sha256 = CellFolder(spec.cell_path).write_artifact(artifacts)
    return Done({"seconds": seconds, "artifact_sha256": sha256})


def quality(spec: JobSpec, connection: Connection) -> Done:
    """Run and score every batch, committing each; then hash a probe output and count FLOPs."""
    folder = CellFolder(spec.cell_path)
    system, phases, artifact = load_and_apply(spec)
    reference = KeptOutputs(spec.reference_outputs) if spec.reference_outputs else None
    model_s = 0.0
    for batch in spec.batches:
        started = time.perf_counter()
        outputs = spec.task.run(system, batch.samples, batch.seed)
        seconds = time.perf_counter() - started
        model_s += seconds
        check_outputs(outputs, batch)
        ids = [sample.id for sample in batch.samples]
        theirs = reference.batch(ids, batch.seed) if reference else None
        scores = spec.task.score(outputs, batch.samples, theirs)
        _check_scores(scores, batch)
        if spec.keep_outputs:
            write_outputs(folder.outputs, batch.key, ids, batch.seed, outputs)
        columns: dict[str, Any] = {
            "sample_id": ids,
            "seed": [batch.seed] * len(ids),
            "batch": [batch.key] * len(ids),
            "output_sha256": [digest(output) for output in outputs],
            "batch_s": [seconds] * len(ids),
        }
        metadata = {"code_version": spec.code_version, "reference": spec.reference_cell}
        write_part(folder.samples, batch.key, columns | score_columns(scores), metadata)
        print(f"committed {batch.key}", flush=True)
        connection.send(Progress("batch", {"key": batch.key, "n": len(ids)}))
    probe = spec.task.probe(system, spec.probe_batch_size)
    data: dict[str, Any] = {**phases, "artifact_sha256": artifact, "probe_sha256": digest(probe()), "model_s": model_s}
    if spec.count_flops and "torch" in spec.task.preload:
        from effbench.measure.flops import count_flops

        data["flops"] = count_flops(spec.task.probe(system, 1))
    return Done(data)


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
    warm = watch.warm_up(spec.budget_s)
    probe_sha256 = digest(watch.last_output)
    connection.send(Progress("ready", {"iterations": warm}))
    while isinstance(request := connection.recv(), Turn):
        connection.send(Progress("turn", {"iterations": watch.turn(request.seconds)}))
    return Done({**phases, "artifact_sha256": artifact, "probe_sha256": probe_sha256, "flags": watch.flags})


JOBS = {"prepare": prepare, "quality": quality, "memory": memory, "latency": latency}
