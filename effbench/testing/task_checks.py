"""``check_task``: whether a task keeps the contract that the runner relies on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

from effbench.api import Context, Output, Sample, Split, StrictParams, System, Task, without_target
from effbench.contract import declarations
from effbench.contract.facts import threshold_problems
from effbench.contract.outputs import loaded_problems, only_times_problems, output_problems, probe_problems
from effbench.contract.running import run_blind
from effbench.contract.samples import (
    repeated_id_problems,
    sample_list_problems,
    shared_group_problems,
    shared_id_problems,
)
from effbench.testing import scoring_checks
from effbench.testing.findings import Findings, Report, Steps, Unavailable
from effbench.testing.fresh_process import importing_is_light, samples_elsewhere
from effbench.testing.outputs import first_difference, mates_matter

SPLITS: tuple[Split, ...] = ("calibration", "evaluation")
"""Those that every task has."""
VALIDATED = 50
"""Samples of the validation split that are run: fewer may hold one class only, on which no threshold can be chosen."""


class TaskTrial:
    """A task with its first samples, its system and that system's outputs, each obtained once, when first asked for."""

    def __init__(
        self, task_class: type[Task], params: StrictParams | None, context: Context, n_samples: int, rtol: float
    ) -> None:
        self.task_class, self.params, self.context = task_class, params, context
        self.n_samples, self.rtol = n_samples, rtol
        self.steps = Steps()

    @property
    def task(self) -> Task:
        """Return the task."""
        name = f"{self.task_class.__name__}(params)"
        return self.steps.obtain(name, lambda: self.task_class(self.params), "a task is built from its Params alone")

    @property
    def splits(self) -> tuple[Split, ...]:
        """Return the splits that the task has: a validation split where it freezes thresholds there."""
        return (*SPLITS, "validation") if type(self.task).thresholds is not Task.thresholds else SPLITS

    def samples(self, split: Split) -> list[Sample]:
        """Return all samples of a split, of which there is at least one."""
        call = f"samples({split!r})"
        samples = self.steps.obtain(call, lambda: self.task.samples(split), "return every split")
        for problem in sample_list_problems(samples, call):
            raise Unavailable(problem)
        if not samples:
            raise Unavailable(f"{call} is empty; every split needs samples, with ids of their own")
        return list(samples)

    @property
    def batch(self) -> list[Sample]:
        """Return the first evaluation samples."""
        return self.samples("evaluation")[: self.n_samples]

    @property
    def system(self) -> System:
        """Return the loaded system."""
        return self.steps.obtain("load(ctx)", self.load, "load must work with its default parameters on a CPU")

    def load(self) -> System:
        """Return a newly loaded system."""
        return self.task.load(self.context)

    def run(self, batch: Sequence[Sample], seed: int = 0) -> Any:
        """Return what the task makes of a batch with the one loaded system."""
        return self.task.run(self.system, [without_target(sample) for sample in batch], seed=seed)

    @property
    def raw_outputs(self) -> Any:
        """Return the outputs of the batch with seed 0, unchecked."""
        return self.steps.obtain("run(system, batch, seed=0)", lambda: self.run(self.batch), "run must take any batch")

    @property
    def outputs(self) -> list[Output]:
        """Return the outputs of the batch with seed 0."""
        for problem in output_problems(self.raw_outputs, self.batch, "run"):
            raise Unavailable(problem)
        return list(cast("Sequence[Output]", self.raw_outputs))

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Return what the task freezes on the first samples of its validation split; nothing where it has none."""
        if "validation" not in self.splits:
            return {}
        samples = self.samples("validation")[: max(self.n_samples, VALIDATED)]

        def freeze() -> Mapping[str, float]:
            return self.task.thresholds(self.task.score(self.run(samples), samples, None))

        return self.steps.obtain("thresholds(scores)", freeze, "it must take the scores of any part of the split")


def check_task(
    task_class: type[Task],
    params: StrictParams | None = None,
    *,
    n_samples: int = 3,
    rtol: float = 0.0,
    context: Context | None = None,
    fresh_process: bool = True,
) -> Report:
    """Return what was checked; raise ``ConformanceError`` with every violation.

    ``params`` should make the system small. ``n_samples`` evaluation samples are run, and the same ones again alone, in
    reverse, on a second system and under another seed. ``rtol`` is how far an output may depend on its batch mates,
    relative to its norm: 0 means equal bytes; where a library picks its kernels by batch size, allow about 1e-4.
    ``fresh_process=False`` skips the two checks that start an interpreter.
    """
    if n_samples < 2:
        raise ValueError(f"n_samples is {n_samples}; at least 2 are needed to tell samples apart")
    context = context or Context()
    findings = Findings(f"task {getattr(task_class, 'name', task_class.__name__)!r}")
    findings.run((*declarations.SHARED, *declarations.OF_TASKS), task_class)
    if fresh_process:
        findings.run((importing_is_light,), task_class)
    trial = TaskTrial(task_class, params, context, n_samples, rtol)
    findings.run((declared_params_survive_json, *SAMPLE_CHECKS), trial)
    if fresh_process:
        findings.run((ids_are_the_same_in_another_process,), trial)
    findings.run((*RUN_CHECKS, probes_can_be_called_twice), trial)
    findings.run((thresholds_are_numbers,), trial)
    scored = scoring_checks.ScoreTrial(
        lambda: trial.task, lambda: trial.batch, lambda: trial.outputs, lambda: trial.thresholds
    )
    findings.run(scoring_checks.CHECKS, scored)
    findings.notes += _notes(trial, scored) if not findings.violations else []
    return findings.conclude()


def declared_params_survive_json(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation unless the parameters come back equal from JSON."""
    yield from declarations.params_survive_json(trial.task.params)


def every_split_has_samples(trial: TaskTrial) -> Sequence[str]:
    """Return nothing; raise ``Unavailable`` where a split is empty or holds something else than samples."""
    for split in trial.splits:
        trial.samples(split)
    return ()


def ids_and_groups_are_unique(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation where an id stands for two samples, or an id or a group is in two splits."""
    splits: dict[str, list[Sample]] = {split: trial.samples(split) for split in trial.splits}
    for split, samples in splits.items():
        yield from repeated_id_problems(samples, f"samples({split!r})")
    yield from list(shared_id_problems(splits)) or shared_group_problems(splits)


def thresholds_are_numbers(trial: TaskTrial) -> Iterator[str]:
    """Yield violations unless what is frozen on the validation split is finite numbers by name."""
    yield from threshold_problems(trial.thresholds)


def samples_are_stable(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation where a second call gives other ids or another order."""
    for split in trial.splits:
        first, second = trial.samples(split), list(trial.task.samples(split))
        if [sample.id for sample in first] != [sample.id for sample in second]:
            yield f"samples({split!r}) gives other ids or another order the second time; fix the order"


def sample_data_is_json(trial: TaskTrial) -> Iterator[str]:
    """Yield the first sample whose data JSON cannot hold."""
    for sample in (sample for split in trial.splits for sample in trial.samples(split)):
        try:
            json.dumps(dict(sample.data), allow_nan=False)
        except (TypeError, ValueError) as error:
            yield f"the data of sample {sample.id!r} is not JSON ({error}); keep names and numbers there, load in run"
            return


def ids_are_the_same_in_another_process(trial: TaskTrial) -> Iterator[str]:
    """Yield violations where another process gets other samples, or heavy imports with them."""
    yield from samples_elsewhere(trial.task, {split: [s.id for s in trial.samples(split)] for split in trial.splits})


def load_gives_the_system_type(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation unless ``load`` returns the declared type."""
    yield from loaded_problems(trial.system, trial.task)


def run_gives_one_output_per_sample(trial: TaskTrial) -> Iterator[str]:
    """Yield violations of the form of the outputs."""
    problems = list(output_problems(trial.raw_outputs, trial.batch, "run"))
    yield from problems or only_times_problems(trial.raw_outputs)


def the_same_seed_gives_the_same_bytes(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation where a second run with the same seed differs."""
    first = trial.outputs
    found = first_difference(trial.run(trial.batch), first, trial.batch, rtol=0.0)
    if found:
        yield f"the same seed gives other outputs ({found}); draw all noise from a generator seeded by noise_seed"


def a_second_load_gives_the_same_bytes(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation where a newly loaded system behaves differently."""
    first = trial.outputs
    again = run_blind(trial.task, trial.load(), trial.batch, 0)
    found = first_difference(again, first, trial.batch, rtol=0.0)
    if found:
        yield f"a second load gives other outputs ({found}); every process of a cell must load the same system"


def samples_do_not_see_their_batch(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation where a sample's output depends on its batch mates or its place among them."""
    found = mates_matter(trial.run, trial.batch, together=trial.outputs, rtol=trial.rtol)
    if found:
        yield (
            f"an output depends on its batch mates ({found}, allowed rtol {trial.rtol:g}); seed each sample's noise by "
            "noise_seed(sample.id, seed), and pass rtol= where only rounding differs"
        )


def probes_can_be_called_twice(trial: TaskTrial) -> Iterator[str]:
    """Yield a violation unless probes are calls without arguments that can be repeated, for batches of 1 and 2."""
    for size in (1, 2):
        make = partial(trial.task.probes, trial.system, size)
        probes = trial.steps.obtain(f"probes(system, {size})", make, "return a list of calls without arguments")
        found = list(probe_problems(probes, size))
        yield from found
        if found:
            return
        for turn in ("first", "second"):
            advice = "latency times it many times in a row"
            trial.steps.obtain(f"the {turn} call of probes(system, {size})[0]", probes[0], advice)


def _notes(trial: TaskTrial, scored: scoring_checks.ScoreTrial) -> list[str]:
    """Return whether the seed matters, and the metrics that so few samples could not give."""
    moved = first_difference(trial.run(trial.batch, seed=1), trial.outputs, trial.batch, rtol=0.0)
    notes = [f"another seed {'changes' if moved else 'does not change'} the outputs"]
    missing = [metric.key for metric in trial.task.metrics if metric.key not in scored.summary]
    if missing:
        notes.append(
            f"not computed from {len(trial.batch)} samples: {', '.join(missing)}; raise n_samples to check them"
        )
    return notes


SAMPLE_CHECKS = (every_split_has_samples, ids_and_groups_are_unique, samples_are_stable, sample_data_is_json)
RUN_CHECKS = (
    load_gives_the_system_type,
    run_gives_one_output_per_sample,
    the_same_seed_gives_the_same_bytes,
    a_second_load_gives_the_same_bytes,
    samples_do_not_see_their_batch,
)
