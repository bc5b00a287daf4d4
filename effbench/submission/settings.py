"""What a setting says was asked, against the suite that was sent in; what it says was declared, against the task itself.

Numbers are made again from a setting and raw parts. A setting that asks for half the level has intervals of half the width,
and one that lists half of the samples has the mean of the better half, both in agreement with every part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from effbench.api import Sample, Task
from effbench.errors import StoreError
from effbench.inside import damaged
from effbench.legible import legible
from effbench.record import CellRecord
from effbench.setting import DeclaredMetric, Setting
from effbench.store import read_lock, why_invalid
from effbench.subset.manifest import SubsetManifest, find_subset, shipped
from effbench.subset.order import in_random_order
from effbench.suite import Suite, TaskEntry


def suite_of(lock: Mapping[str, Any], file: object) -> Suite:
    """Return the suite of a store as a run takes it; raise ``StoreError`` where it is none."""
    try:
        return Suite.model_validate(dict(lock))
    except ValidationError as error:
        raise damaged(str(file), f"no suite of this version: {why_invalid(error)}") from None


def read_suite(path: Any) -> Suite:
    """Return the suite of a store in a folder; raise ``StoreError`` where there is none or it cannot be run."""
    return suite_of(read_lock(path), path / "suite.lock.yaml")


def entry_of_task(suite: Suite, cell: CellRecord) -> TaskEntry:
    """Return the task of the suite that a cell is of; raise ``StoreError`` where there is none of its name."""
    entry = next((entry for entry in suite.tasks if entry.name == cell.task_id), None)
    if entry is None or entry.use != cell.identity.task:
        raise StoreError(f"the suite that was sent in has no task {cell.task_id!r} that is {cell.identity.task!r}")
    return entry


def setting_against_suite(setting: Setting, suite: Suite, entry: TaskEntry) -> Iterator[str]:
    """Yield a sentence for everything that a setting asks otherwise than the suite that was sent in; no plugin is run."""
    measure, asked = suite.measure, setting.asked
    sizes = tuple(measure.latency.batch_sizes) if measure.latency else None
    for name, said, wanted in (
        ("suite", setting.suite, suite.name),
        ("seeds", asked.seeds, tuple(suite.seeds)),
        ("level of intervals", asked.ci, suite.stats.ci),
        ("resamples", asked.resamples, suite.stats.resamples),
        ("batch sizes", asked.batch_sizes, sizes),
        ("memory", asked.memory, measure.memory),
        ("flops", asked.flops, measure.flops),
        ("inspect", asked.inspect, measure.inspect),
        ("energy", asked.energy, measure.energy == "auto"),
        ("whether there is a subset", setting.subset is not None, entry.samples.subset is not None),
    ):
        if said != wanted:
            yield legible(f"{name}: {said!r} in its setting and {wanted!r} in the suite")
    stops = suite.stats.stop != "all_samples"
    if len(set(setting.samples)) != len(setting.samples):
        yield "a sample stands twice in its setting"
    if setting.pool < len(setting.samples) or (not stops and setting.pool != len(setting.samples)):
        yield f"it counts {len(setting.samples)} of {setting.pool} samples, and the suite asks for all"
    if entry.samples.subset is None and setting.weights is not None:
        yield "its samples weigh differently, and the suite names no subset"
    manifest = shipped_subset(entry)
    if manifest is not None:
        yield from _against_subset(setting, manifest)


def shipped_subset(entry: TaskEntry) -> SubsetManifest | None:
    """Return the subset that a task of a suite names, where it ships; no path that a suite names is ever opened."""
    name = entry.samples.subset
    return find_subset(name) if name is not None and name in shipped() else None


def _against_subset(setting: Setting, manifest: SubsetManifest) -> Iterator[str]:
    weights = dict(manifest.weight_of()) if manifest.weights else None
    for what, said, wanted in (
        ("name", setting.subset, manifest.reference),
        ("samples", set(setting.samples), set(manifest.ids)),
        ("weights", setting.weights, weights),
        ("certificate", setting.certificate, tuple(held.sentence for held in manifest.certificate)),
        ("resolutions", setting.resolutions, manifest.resolutions),
    ):
        if said != wanted:
            yield f"its {what} are not those of subset {manifest.reference}, which ships"


def setting_against_task(setting: Setting, task: Task, entry: TaskEntry, stops: bool) -> Iterator[str]:
    """Yield a sentence for what a setting says of its task and the task does not: metrics, samples, whether it is trained."""
    chosen = entry.metrics
    declared = {m.key: DeclaredMetric.of(m) for m in task.metrics if chosen is None or m.name in chosen}
    said = {metric.metric.key: metric for metric in setting.declared.metrics}
    if other := [key for key in {**declared, **said} if declared.get(key) != said.get(key)]:
        yield legible(f"{other[0]}: the task declares it otherwise (unit, direction, bounds), or not at all")
    for word, ours, theirs in (
        ("has random weights", setting.declared.random_weights, task.random_weights),
        ("is deterministic", setting.declared.deterministic, task.deterministic),
    ):
        if ours != theirs:
            yield f"its setting and the task do not agree on whether the task {word}"
    planned = planned_samples(task, entry, stops)
    if planned is None:
        return
    names = [sample.id for sample in planned]
    if names[: len(setting.samples)] != list(setting.samples) or len(names) != setting.pool:
        listed, wanted = set(setting.samples), set(names)
        left_out = next((name for name in names if name not in listed), "")
        added = next((name for name in setting.samples if name not in wanted), "")
        which = f"{left_out!r} is left out" if left_out else f"{added!r} is none of them" if added else "another order"
        yield legible(f"its samples are not those that the suite asks of the task: {which}")


def planned_samples(task: Task, entry: TaskEntry, stops: bool) -> Sequence[Sample] | None:
    """Return the samples that a suite asks of a task, in their order; None of a subset whose file was not sent in."""
    name, every = entry.samples.subset, task.samples("evaluation")
    manifest = shipped_subset(entry)
    if manifest is not None:
        wanted = set(manifest.ids)
        chosen = [sample for sample in every if sample.id in wanted]
    elif name is not None and name.endswith((".yaml", ".yml")):
        return None
    elif name is not None:
        chosen = list(task.samples("evaluation", name))[: entry.samples.limit]
    else:
        chosen = list(every)[: entry.samples.limit]
    return in_random_order(chosen) if stops else chosen
