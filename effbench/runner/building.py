"""The system of a cell, built alike in every process that works on it: loaded, then each link of the chain applied."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from effbench.api import (
    Artifact,
    Context,
    Method,
    PluginError,
    System,
    Unsupported,
)
from effbench.artifacts import Prepared, read_artifact
from effbench.contract.chains import setting_problems, tied_settings
from effbench.contract.outputs import changed_problems, loaded_problems, probe_problems
from effbench.contract.running import run_blind
from effbench.contract.type_names import named_apart
from effbench.runner.jobs import JobSpec
from effbench.store import CellFolder

Progressing = Callable[[float, float, str], None]


def _unheard(done: float, total: float, text: str = "") -> None:
    return None


def context_of(spec: JobSpec, training: int | None = None, progress: Progressing = _unheard) -> Context:
    """Return what the task and the methods are told about this process, and about the training that it is for."""
    return Context(
        spec.device,
        spec.dtype,
        spec.threads,
        seed=training or 0,
        calibration=lambda: spec.task.samples("calibration"),
        run=partial(run_blind, spec.task),
        progress=progress,
    )


def keep_promise(problems: Iterable[str]) -> None:
    """Raise ``PluginError`` with the first of the sentences that a check of the contract yields."""
    for problem in problems:
        raise PluginError(problem)


def loaded(spec: JobSpec) -> System:
    """Return the task's system, which is of the type that the task declares."""
    system: System = spec.task.load(context_of(spec))
    keep_promise(loaded_problems(system, spec.task))
    return system


def probes_of(spec: JobSpec, system: System, batch_size: int) -> list[Callable[[], Any]]:
    """Return what latency times, an item each: the task's probes, of which there is one at least."""
    probes: Any = spec.task.probes(system, batch_size)
    keep_promise(probe_problems(probes, batch_size))
    return list(probes)


def load_and_apply(spec: JobSpec, training: int | None = None) -> tuple[System, dict[str, float], str]:
    """Return (the system of the cell, seconds of its phases, hash of the artifact it was made with).

    ``training`` is the seed whose artifact is used; None: that of the job's first training.
    """
    started = time.perf_counter()
    system = loaded(spec)
    load_s = time.perf_counter() - started
    links, sha256 = prepared_links(spec, training)
    for method, link in zip(spec.chain, links):
        system = apply_link(method, system, link)
    apply_s = time.perf_counter() - started - load_s
    keep_promise(changed_problems(system, spec.task.system_type, f"{spec.chain[-1].name}.apply"))
    for method, link in zip(spec.chain, links):  # a later link may have changed what an earlier one planned for
        keep_promise(setting_problems(method, link.settings, system))
    return system, {"load_s": load_s, "apply_s": apply_s}, sha256


def prepared_links(spec: JobSpec, training: int | None) -> tuple[list[Prepared], str]:
    """Return (what each link of the chain prepared, hash of it); nothing and ``""`` where the chain prepares nothing."""
    if not spec.trainings:
        return [Prepared(Artifact()) for _ in spec.chain], ""
    folder = CellFolder(spec.cell_path)
    return read_artifact(folder.artifact_of(spec.trainings[0] if training is None else training), folder.root)


def apply_link(method: Method, system: System, link: Prepared) -> System:
    """Return what a method makes of a system; raise ``Unsupported`` where it does not accept it.

    Raises ``PluginError`` where its plan was made for other settings.
    """
    if not isinstance(system, tuple(method.accepts)):
        accepted, given = named_apart(method.accepts, type(system))
        raise Unsupported(f"{method.name} accepts {accepted}, got {given}")
    keep_promise(setting_problems(method, link.settings, system))
    changed = method.apply(system, link.artifact)
    keep_promise(changed_problems(changed, System, f"{method.name}.apply"))
    return changed


def tied_to(method: Method, system: System) -> dict[str, Any]:
    """Return the settings that a method's plan is tied to; raise ``Unsupported`` where the system does not say them."""
    try:
        return tied_settings(method, system)
    except KeyError as error:
        raise Unsupported(
            f"{method.name} plans for one {error.args[0]!r}, which {type(system).__name__}.settings() does not say"
        ) from None
