"""``check_method``: whether a method keeps the contract that the runner relies on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from effbench.api import (
    WORK_VARIABLE,
    Artifact,
    Context,
    Method,
    Output,
    Sample,
    StrictParams,
    System,
    Task,
    without_target,
)
from effbench.artifacts import Prepared, is_torch, read_artifact, write_artifact
from effbench.contract import declarations
from effbench.contract.facts import fact_problems
from effbench.contract.outputs import artifact_problems, changed_problems, output_problems
from effbench.contract.running import run_blind
from effbench.contract.type_names import named_apart
from effbench.errors import nearest
from effbench.inside import root_of
from effbench.testing.findings import Findings, Report, Steps, Unavailable
from effbench.testing.fresh_process import importing_is_light
from effbench.testing.outputs import first_difference, mates_matter, rounding

TIMES_OWN_ROUNDING = 10
"""A method runs other operations than the system it is compared with, and as few samples do not show the largest error."""
LARGEST_ROUNDING = 1e-3
"""What a network in float32 makes of the last bit at most; what is more is no rounding."""


class MethodTrial:
    """A method on one task: its artifact, the changed system and that system's outputs, each obtained once."""

    def __init__(
        self,
        method_class: type[Method],
        params: StrictParams | None,
        task: Task,
        context: Context,
        n: int,
        rtol: float | None,
    ) -> None:
        self.method_class, self.params, self.task, self.context = method_class, params, task, context
        self.batch: list[Sample] = list(task.samples("evaluation")[:n])
        self._rtol = rtol
        self.steps = Steps()

    @property
    def rtol(self) -> float:
        """Return how far an output may depend on its batch mates, relative to its norm."""
        if self._rtol is not None:
            return self._rtol
        plain = partial(run_blind, self.task, self.task.load(self.context), seed=0)
        call = "the task's run on the unchanged system"
        rounded = self.steps.obtain(
            call, lambda: rounding(plain, self.batch), "the task must pass check_task by itself"
        )
        if rounded > LARGEST_ROUNDING:
            raise Unavailable(
                f"the unchanged system's own outputs depend on their batch mates ({rounded:.1g} of their norm), which is "
                "more than rounding; see whether the task passes check_task, or pass rtol="
            )
        return TIMES_OWN_ROUNDING * rounded

    @property
    def method(self) -> Method:
        """Return the method."""
        name = f"{self.method_class.__name__}(params)"
        return self.steps.obtain(
            name, lambda: self.method_class(self.params), "a method is built from its Params alone"
        )

    @property
    def raw_artifact(self) -> Any:
        """Return what ``prepare`` leaves, unchecked."""
        self.require_accepted()
        return self.steps.obtain("prepare(system, ctx)", self.prepare, "it must work on every system type it accepts")

    def prepare(self) -> Any:
        """Return what ``prepare`` leaves, of a newly loaded system."""
        with tempfile.TemporaryDirectory() as folder:
            before = os.environ.get(WORK_VARIABLE)
            os.environ[WORK_VARIABLE] = folder
            try:
                return self.method.prepare(self.task.load(self.context), self.context)
            finally:
                os.environ.pop(WORK_VARIABLE)
                os.environ.update({WORK_VARIABLE: before} if before is not None else {})

    @property
    def artifact(self) -> Artifact:
        """Return what ``prepare`` leaves, after a round trip through its file, as every job of a cell gets it."""
        for problem in artifact_problems(self.raw_artifact):
            raise Unavailable(problem)
        return _stored(self.raw_artifact)

    @property
    def system(self) -> System:
        """Return the changed system."""
        return self.steps.obtain("apply(system, artifact)", self.apply, "it must work on every system type it accepts")

    def apply(self) -> System:
        """Return the changed system, from a newly loaded one."""
        return self.method.apply(self.task.load(self.context), self.artifact)

    def run(self, batch: Sequence[Sample]) -> Any:
        """Return what the task makes of a batch with the changed system."""
        for problem in the_task_still_knows_the_system(self):
            raise Unavailable(problem)
        return self.task.run(self.system, [without_target(sample) for sample in batch], seed=0)

    @property
    def raw_outputs(self) -> Any:
        """Return the outputs of the batch, unchecked."""
        call = "the task's run on the changed system"
        return self.steps.obtain(call, partial(self.run, self.batch), "keep what the task needs of the system")

    @property
    def outputs(self) -> list[Output]:
        """Return the outputs of the batch."""
        for problem in the_changed_system_gives_one_output_per_sample(self):
            raise Unavailable(problem)
        return list(cast("Sequence[Output]", self.raw_outputs))

    def require_accepted(self) -> None:
        """Raise ``Unavailable`` where the method does not accept the task's system."""
        for problem in the_task_is_accepted(self):
            raise Unavailable(problem)


def check_method(
    method_class: type[Method],
    *,
    task: Task,
    params: StrictParams | None = None,
    n_samples: int = 3,
    rtol: float | None = None,
    context: Context | None = None,
    fresh_process: bool = True,
) -> Report:
    """Return what was checked; raise ``ConformanceError`` with every violation.

    ``task`` is a task, small and quick, whose system the method accepts. ``n_samples`` of its evaluation samples are
    run, and the same ones again alone, in reverse and on a second system. ``rtol`` is how far an output may depend on
    its batch mates, relative to its norm (0: equal bytes; see ``check_task``); None: ten times what the unchanged system
    does by itself, which is nothing where that gives equal bytes and the rounding of its kernels where a library picks
    them by batch size. A method that rounds activations makes whole steps of differences in the last bit: find out how
    far rounding alone takes it, and allow no more.
    ``fresh_process=False`` skips the check that starts an interpreter.
    """
    if n_samples < 2:
        raise ValueError(f"n_samples is {n_samples}; at least 2 are needed to tell samples apart")
    context = replace(
        context or Context(), calibration=lambda: task.samples("calibration"), run=partial(run_blind, task)
    )
    findings = Findings(f"method {getattr(method_class, 'name', method_class.__name__)!r}")
    findings.run((*declarations.SHARED, *declarations.OF_METHODS), method_class)
    if fresh_process:
        findings.run((importing_is_light,), method_class)
    trial = MethodTrial(method_class, params, task, context, n_samples, rtol)
    findings.run(CHECKS, trial)
    if not findings.violations:
        plain = run_blind(task, task.load(context), trial.batch, 0)
        same = not first_difference(trial.outputs, plain, trial.batch, rtol=0.0)
        findings.notes += ["the outputs are those of the unchanged system, bit by bit"] if same else []
    return findings.conclude()


def declared_params_survive_json(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation unless the parameters come back equal from JSON."""
    yield from declarations.params_survive_json(trial.method.params)


def the_task_is_accepted(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation unless ``accepts`` covers the task's system type."""
    if found := list(declarations.accepts_is_declared(trial.method_class)):
        yield from found
        return
    kind, accepts = trial.task.system_type, trial.method_class.accepts
    if not issubclass(kind, accepts):
        accepted, given = named_apart(accepts, kind)
        yield f"accepts ({accepted}) does not cover {given} of task {trial.task.name!r}; add it or change the task"


def execution_is_real_or_simulated(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation unless ``execution`` returns one of the two words."""
    execution = trial.steps.obtain("execution()", trial.method.execution, 'return "real" or "simulated"')
    yield from declarations.execution_problems(execution)


def prepare_gives_a_storable_artifact(trial: MethodTrial) -> Iterator[str]:
    """Yield violations unless ``prepare`` returns an Artifact that files can hold."""
    yield from artifact_problems(trial.raw_artifact)


def artifacts_come_back_from_files(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation per tensor that safetensors does not give back as it was."""
    stored = trial.artifact
    for name, original in trial.raw_artifact.tensors.items():
        if not _same_tensor(stored.tensors.get(name), original):
            yield f"artifact tensor {name!r} ({original.dtype}) comes back changed from safetensors; convert its dtype"


def preparing_again_gives_the_same(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation where a second preparation under the same seed leaves another artifact."""
    first, again = trial.artifact, _stored(trial.prepare())
    same = first.config == again.config and first.tensors.keys() == again.tensors.keys()
    if not same or not all(_same_tensor(again.tensors[name], tensor) for name, tensor in first.tensors.items()):
        yield (
            "prepare leaves another artifact the second time under the same seed; draw what is random from ctx.seed, and "
            "say random_preparation = True where another seed prepares another artifact"
        )


def facts_are_numbers(trial: MethodTrial) -> Iterator[str]:
    """Yield violations unless what the method computes about its system is finite numbers by name."""
    make = partial(trial.method.facts, trial.system)
    found = trial.steps.obtain("facts(system)", make, "it must take the system that apply returned")
    yield from fact_problems(found, (), trial.task)


def the_plan_holds_for_settings_that_exist(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation where the plan is tied to a setting that the task's system does not say."""
    known = trial.steps.obtain("load(ctx)", lambda: trial.task.load(trial.context), "the task must load").settings()
    for name in trial.method.tied_to:
        if name not in known:
            yield f"tied_to names {name!r}, which the system's settings() do not say{nearest(name, known)}"


def the_task_still_knows_the_system(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation unless the changed system is still one of the task's type."""
    yield from changed_problems(trial.system, trial.task.system_type)


def the_changed_system_gives_one_output_per_sample(trial: MethodTrial) -> Iterator[str]:
    """Yield violations of the form of the changed system's outputs."""
    yield from output_problems(trial.raw_outputs, trial.batch, "the task's run on the changed system")


def apply_is_deterministic(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation where the same artifact on a second system gives other outputs."""
    first = trial.outputs
    again = run_blind(trial.task, trial.apply(), trial.batch, 0)
    found = first_difference(again, first, trial.batch, rtol=0.0 if trial.task.deterministic else trial.rtol)
    if found:
        yield (
            f"apply on a second system gives other outputs ({found}); it runs in every process of a cell: "
            "move what is random into prepare and keep its result in the artifact"
        )


def samples_do_not_see_their_batch(trial: MethodTrial) -> Iterator[str]:
    """Yield a violation where a sample's output depends on its batch mates or its place among them."""
    found = mates_matter(trial.run, trial.batch, together=trial.outputs, rtol=trial.rtol)
    if found:
        yield (
            f"an output depends on its batch mates ({found}, allowed rtol {trial.rtol:g}); keep per-sample state apart "
            "and reset it between calls, and pass rtol= where only rounding differs"
        )


def the_probes_run_on_the_changed_system(trial: MethodTrial) -> Sequence[str]:
    """Return nothing; raise ``Unavailable`` where what latency times does not run twice."""
    make = partial(trial.task.probes, trial.system, 1)
    probes = trial.steps.obtain("the task's probes", make, "keep what the task needs of the system")
    for turn in ("first", "second"):
        trial.steps.obtain(f"the {turn} call of the task's probe", probes[0], "latency times it many times in a row")
    return ()


def _same_tensor(a: Any, b: Any) -> bool:
    if a is None or str(a.dtype) != str(b.dtype) or tuple(a.shape) != tuple(b.shape):
        return False
    if is_torch(b):
        import torch

        codes = [torch.as_tensor(t).contiguous().reshape(-1).view(torch.uint8) for t in (a, b.detach().cpu())]
        return bool(torch.equal(*codes))
    return bool(np.array_equal(a, b, equal_nan=b.dtype.kind == "f"))


def _stored(artifact: Artifact) -> Artifact:
    """Return the artifact after a round trip through its files; its config is known to survive JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artifact"
        write_artifact(path, [Prepared(artifact)])
        return read_artifact(path, root_of(Path(folder)))[0][0].artifact


CHECKS = (
    declared_params_survive_json,
    the_task_is_accepted,
    execution_is_real_or_simulated,
    prepare_gives_a_storable_artifact,
    artifacts_come_back_from_files,
    preparing_again_gives_the_same,
    the_plan_holds_for_settings_that_exist,
    the_task_still_knows_the_system,
    the_changed_system_gives_one_output_per_sample,
    facts_are_numbers,
    apply_is_deterministic,
    samples_do_not_see_their_batch,
    the_probes_run_on_the_changed_system,
)
