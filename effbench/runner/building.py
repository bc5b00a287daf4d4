"""The system of a cell, built alike in every process that works on it: loaded, then each link of the chain applied."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from effbench.api import Artifact, Context, Method, PluginError, System, Unsupported
from effbench.contract.outputs import changed_problems, loaded_problems
from effbench.runner.jobs import JobSpec
from effbench.store import CellFolder


def context_of(spec: JobSpec) -> Context:
    """Return what the task and the methods are told about this process."""
    return Context(spec.device, spec.dtype, spec.threads, seed=0, calibration=lambda: spec.task.samples("calibration"))


def keep_promise(problems: Iterable[str]) -> None:
    """Raise ``PluginError`` with the first of the sentences that a check of the contract yields."""
    for problem in problems:
        raise PluginError(problem)


def loaded(spec: JobSpec) -> System:
    """Return the task's system, which is of the type that the task declares."""
    system: System = spec.task.load(context_of(spec))
    keep_promise(loaded_problems(system, spec.task))
    return system


def probe_of(spec: JobSpec, system: System, batch_size: int) -> Callable[[], Any]:
    """Return what latency times: the task's probe, which can be called."""
    probe: Any = spec.task.probe(system, batch_size)
    if not callable(probe):
        raise PluginError(
            f"probe(system, {batch_size}) returned {type(probe).__name__}; return a call without arguments"
        )
    return probe  # type: ignore[no-any-return]


def load_and_apply(spec: JobSpec) -> tuple[System, dict[str, float], str]:
    """Return (the system of the cell, seconds of its phases, hash of the artifact it was made with)."""
    started = time.perf_counter()
    system = loaded(spec)
    load_s = time.perf_counter() - started
    if needs_preparation(spec.chain):
        artifacts, sha256 = CellFolder(spec.cell_path).read_artifact()
    else:
        artifacts, sha256 = [Artifact() for _ in spec.chain], ""
    for method, artifact in zip(spec.chain, artifacts):
        system = apply_link(method, system, artifact)
    apply_s = time.perf_counter() - started - load_s
    keep_promise(changed_problems(system, spec.task.system_type, f"{spec.chain[-1].name}.apply"))
    return system, {"load_s": load_s, "apply_s": apply_s}, sha256


def needs_preparation(chain: tuple[Method, ...]) -> bool:
    """Return whether any link of the chain prepares anything."""
    return any(type(method).prepare is not Method.prepare for method in chain)


def apply_link(method: Method, system: System, artifact: Artifact) -> System:
    """Return what a method makes of a system; raise ``Unsupported`` where it does not accept it."""
    if not isinstance(system, tuple(method.accepts)):
        accepted = ", ".join(t.__name__ for t in method.accepts)
        raise Unsupported(f"{method.name} accepts {accepted}, got {type(system).__name__}")
    changed = method.apply(system, artifact)
    keep_promise(changed_problems(changed, System, f"{method.name}.apply"))
    return changed
