"""The system of a cell, built alike in every process that works on it: loaded, then each link of the chain applied."""

from __future__ import annotations

import time

from effbench.api import Artifact, Context, Method, PluginError, System, Unsupported
from effbench.runner.jobs import JobSpec
from effbench.store import CellFolder


def context_of(spec: JobSpec) -> Context:
    """Return what the task and the methods are told about this process."""
    return Context(spec.device, spec.dtype, spec.threads, seed=0, calibration=lambda: spec.task.samples("calibration"))


def load_and_apply(spec: JobSpec) -> tuple[System, dict[str, float], str]:
    """Return (the system of the cell, seconds of its phases, hash of the artifact it was made with)."""
    started = time.perf_counter()
    system: System = spec.task.load(context_of(spec))
    loaded = time.perf_counter()
    if needs_preparation(spec.chain):
        artifacts, sha256 = CellFolder(spec.cell_path).read_artifact()
    else:
        artifacts, sha256 = [Artifact() for _ in spec.chain], ""
    for method, artifact in zip(spec.chain, artifacts):
        system = apply_link(method, system, artifact)
    return system, {"load_s": loaded - started, "apply_s": time.perf_counter() - loaded}, sha256


def needs_preparation(chain: tuple[Method, ...]) -> bool:
    """Return whether any link of the chain prepares anything."""
    return any(type(method).prepare is not Method.prepare for method in chain)


def apply_link(method: Method, system: System, artifact: Artifact) -> System:
    """Return what a method makes of a system; raise ``Unsupported`` where it does not accept it."""
    if not isinstance(system, tuple(method.accepts)):
        accepted = ", ".join(t.__name__ for t in method.accepts)
        raise Unsupported(f"{method.name} accepts {accepted}, got {type(system).__name__}")
    changed = method.apply(system, artifact)
    if not isinstance(changed, System):
        raise PluginError(f"{method.name}.apply returned {type(changed).__name__}, not a System")
    return changed
