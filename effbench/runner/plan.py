"""From a suite to its cells: names resolved, parameters validated, matrices expanded, identities hashed. No torch."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError

from effbench import registry
from effbench.api import Execution, Method, PluginError, Sample, Split, StrictParams, Task
from effbench.contract.chains import chain_problems
from effbench.contract.declarations import execution_problems, metrics_are_declared, params_survive_json
from effbench.contract.samples import (
    ids_sha256,
    repeated_id_problems,
    sample_list_problems,
    shared_group_problems,
    shared_id_problems,
)
from effbench.contract.type_names import named_apart
from effbench.errors import BadInput, nearest
from effbench.explaining import explain, first_problem
from effbench.globs import meant
from effbench.guard import PluginFailure, strangers
from effbench.measure.machine import resolve_device
from effbench.record import Identity, Link
from effbench.runner.cells import Cell, Plan, TaskPlan
from effbench.runner.stopping import metric_to_stop_on
from effbench.subset.manifest import SubsetManifest, find_subset, shipped
from effbench.subset.order import in_random_order
from effbench.suite import LoadedSuite, MethodEntry, TaskEntry
from effbench.yamlpos import Key

LONGEST_SHOWN = 60
"""Characters of a parameter in a method's name: a choice that keeps a table's first column readable."""
MOST_VARIANTS = 10_000
"""Methods that one entry may stand for; more is a slip, and planning alone would take hours."""


def make_plan(loaded: LoadedSuite) -> Plan:
    """Return the plan of a suite; raise ``BadInput`` with file, line and column where it cannot be run."""
    suite = loaded.suite
    methods = [variant for i, entry in enumerate(suite.methods) for variant in _variants(loaded, i, entry)]
    _refuse_repeats(loaded, ("methods",), [(m.id, m.index) for m in methods])
    _refuse_repeats(loaded, ("tasks",), [(t.name, i) for i, t in enumerate(suite.tasks)])
    task_names = [entry.name for entry in suite.tasks]
    for i, method_entry in enumerate(suite.methods):
        for j, name in enumerate(method_entry.tasks or []):
            if name not in task_names:
                raise loaded.error(
                    ("methods", i, "tasks", j), f"no task {name!r} in the suite{nearest(name, task_names)}"
                )
    plans, order = [], itertools.count()
    seen: dict[str, str] = {}
    for i, entry in enumerate(suite.tasks):
        plan = _plan_task(loaded, i, entry, methods, order)
        for cell in plan.cells:
            if cell.id in seen:
                raise loaded.error(
                    ("tasks", i), f"{cell.label} is the same cell as {seen[cell.id]}; remove one of them"
                )
            seen[cell.id] = cell.label
        plans.append(plan)
    _check_gates(loaded, plans)
    return Plan(suite, tuple(plans))


@dataclass(frozen=True)
class _Variant:
    id: str
    index: int
    entry: MethodEntry
    chain: tuple[Method, ...]
    links: tuple[Link, ...]
    execution: Execution


def _variants(loaded: LoadedSuite, index: int, entry: MethodEntry) -> list[_Variant]:
    if entry.chain is not None:
        places: list[Key] = [("methods", index, "chain", n) for n in range(len(entry.chain))]
        links = [(link.use, dict(link.with_), place) for link, place in zip(entry.chain, places)]
    else:
        names = (entry.use or "").split("+")
        links = [(name, dict(entry.with_), ("methods", index)) for name in names]
    _check_matrix(loaded, index, entry, [use for use, _, _ in links])
    found = []
    for combination in itertools.product(*entry.matrix.values()):
        chosen = dict(zip(entry.matrix, combination))
        params = [dict(with_) for _, with_, _ in links]
        for name, value in chosen.items():
            position = _matrix_link(loaded, index, [use for use, _, _ in links], name)
            params[position][name.rpartition(".")[2]] = value
        chain, records, executions = [], [], set()
        for (use, _, key), passed in zip(links, params):
            place: Key = (*key, "use")
            plugin = _get(loaded, registry.methods, use, place)
            who = f"method {use!r}"
            method_params = _validate_params(loaded, plugin.Params, passed, key, entry.matrix, who)
            with _placed(loaded, place, f"{who}: {plugin.__name__}(params)"):
                chain.append(plugin(method_params))
            with _placed(loaded, place, f"{who}: execution()"):
                executions.add(_kept(who, execution_problems, chain[-1].execution()))
            with _placed(loaded, key, f"{who}: Params"):
                records.append(_link(use, method_params))
        for problem in chain_problems(chain):
            raise loaded.error(("methods", index), problem)
        base = entry.id or "+".join(use for use, _, _ in links)
        suffix = ",".join(f"{name.rpartition('.')[2]}={_shown(value)}" for name, value in chosen.items())
        label = f"{base}({suffix})" if suffix else base
        execution: Execution = "simulated" if "simulated" in executions else "real"
        found.append(_Variant(label, index, entry, tuple(chain), tuple(records), execution))
    return found


def _shown(value: Any) -> str:
    """Return a value as a part of a method's name: one line, and short enough for a table."""
    text = " ".join(str(value).split())
    if text == str(value) and len(text) <= LONGEST_SHOWN:
        return text
    return f"{text[:LONGEST_SHOWN]}...{hashlib.sha256(str(value).encode()).hexdigest()[:6]}"


def _check_matrix(loaded: LoadedSuite, index: int, entry: MethodEntry, uses: list[str]) -> None:
    """Refuse a matrix with too many combinations, and one that gives a parameter twice, of which one would be lost."""
    place: Key = ("methods", index, "matrix")
    if (count := math.prod(map(len, entry.matrix.values()))) > MOST_VARIANTS:
        raise loaded.error(place, f"makes {count} methods of one entry; at most {MOST_VARIANTS} can be run")
    seen: dict[tuple[int, str], str] = {}
    for name in entry.matrix:
        parameter = _matrix_link(loaded, index, uses, name), name.rpartition(".")[2]
        if parameter in seen:
            raise loaded.error((*place, name), f"{name!r} and {seen[parameter]!r} are the same parameter; keep one")
        seen[parameter] = name


def _matrix_link(loaded: LoadedSuite, index: int, uses: list[str], name: str) -> int:
    if len(uses) == 1 and "." not in name:
        return 0
    link, dot, _ = name.rpartition(".")
    if not dot or link not in uses:
        options = [f"{use}.{name.rpartition('.')[2]}" for use in uses]
        raise loaded.error(
            ("methods", index, "matrix", name), f"{name!r} names no link of the chain{nearest(name, options)}"
        )
    if uses.count(link) > 1:
        raise loaded.error(
            ("methods", index, "matrix", name),
            f"{link!r} is {uses.count(link)} links of the chain; give each its parameters in `chain:`, without a matrix",
        )
    return uses.index(link)


def _get(loaded: LoadedSuite, plugins: registry.Registry[Any], name: str, key: Key) -> Any:
    try:
        return plugins.get(name)
    except BadInput as error:
        raise loaded.error(key, str(error)) from None


@contextmanager
def _placed(loaded: LoadedSuite, key: Key, who: str) -> Iterator[None]:
    """Run a stranger's code; raise ``BadInput`` with the place in the suite where it fails."""
    try:
        with strangers(who):
            yield
    except PluginFailure as failure:
        raise loaded.error(key, str(failure)) from failure


def _kept(who: str, promise: Callable[[Any], Iterator[str]], value: Any) -> Any:
    """Return ``value``; raise ``PluginError`` with the first sentence of the promise that it breaks."""
    for problem in promise(value):
        raise PluginError(f"{who}: {problem}")
    return value


def _validate_params(
    loaded: LoadedSuite,
    model: type[StrictParams],
    passed: dict[str, Any],
    key: Key,
    matrix: dict[str, list[Any]],
    who: str,
) -> StrictParams:
    try:
        with strangers(f"{who}: Params"):
            params = model.model_validate(passed)
            return cast("StrictParams", _kept(who, params_survive_json, params))
    except PluginFailure as failure:
        error = failure.__cause__
        if not isinstance(error, ValidationError):
            raise loaded.error((*key, "with"), str(failure)) from failure
        at = error.errors()[0]["loc"]
        from_matrix = [name for name in matrix if at and name.rpartition(".")[2] == at[0]]
        if from_matrix:
            message = first_problem(error, model)[1]
            raise loaded.error((*key[:2], "matrix", from_matrix[0]), message) from None
        raise BadInput(explain(error, loaded.document, model, (*key, "with"))) from None


def _link(use: str, params: StrictParams) -> Link:
    values = params.model_dump(mode="json")
    passed = {name: value for name, value in values.items() if name in params.model_fields_set}
    return Link(use=use, passed=passed, defaulted={n: v for n, v in values.items() if n not in passed})


def _plan_task(
    loaded: LoadedSuite, index: int, entry: TaskEntry, methods: list[_Variant], order: itertools.count[int]
) -> TaskPlan:
    key: Key = ("tasks", index)
    plugin = _get(loaded, registry.tasks, entry.use, (*key, "use"))
    who = f"task {entry.use!r}"
    params = _validate_params(loaded, plugin.Params, entry.with_, key, {}, who)
    with _placed(loaded, (*key, "use"), f"{who}: {plugin.__name__}(params)"):
        task: Task = plugin(params)
    with _placed(loaded, (*key, "use"), f"{who}: metrics"):
        known = [metric.name for metric in _kept(who, metrics_are_declared, task).metrics]
    device = resolve_device(entry.device)
    if device is None:
        raise loaded.error((*key, "device"), f"there is no device {entry.device!r} on this machine; valid: auto, cpu")
    dtype = entry.dtype
    if dtype == "auto":
        dtype = "float32" if device == "cpu" else plugin.gpu_dtype
    for j, name in enumerate(entry.metrics or []):
        if name not in known:
            raise loaded.error((*key, "metrics", j), f"task {entry.use!r} has no metric {name!r}{nearest(name, known)}")
    place: Key = (*key, "with")
    with _placed(loaded, place, f"{who}: check()"):
        task.check()
    with _placed(loaded, place, f"{who}: revision()"):
        revision = task.revision()
        if not isinstance(revision, str):
            raise PluginError(f"{who}: revision() returned {type(revision).__name__}; return a string")
    every = _listed(loaded, place, task, who, "evaluation", None)
    samples, subset = _samples(loaded, key, entry, task, who, every)
    if not samples:
        raise loaded.error((*key, "samples"), "no sample is left to evaluate")
    splits = {"evaluation": (*every, *samples), "calibration": _listed(loaded, place, task, who, "calibration", None)}
    if type(task).thresholds is not Task.thresholds:
        splits["validation"] = _listed(loaded, place, task, who, "validation", None)
        if not splits["validation"]:
            raise loaded.error(place, f"{who}: samples('validation') gives none, on which its thresholds are frozen")
    for promise in (shared_id_problems, shared_group_problems):
        for problem in promise(splits):
            raise loaded.error(place, f"{who}: {problem}")
    cells = []
    for variant in methods:
        if variant.entry.tasks is not None and entry.name not in variant.entry.tasks:
            continue
        identity = Identity(
            task=entry.use,
            task_params=params.model_dump(mode="json"),
            system_revision=revision,
            chain=variant.links,
            device_class=device.partition(":")[0],
            dtype=dtype,
        )
        with _placed(loaded, key, f"{who} with method {variant.id!r}: reading the source"):
            cells.append(_cell(plugin, entry, variant, identity, next(order)))
    cells.sort(key=lambda cell: cell.role != "reference")
    if not cells:
        raise loaded.error(key, f"no method of the suite runs on task {entry.name!r}")
    listed = ids_sha256(every)
    plan = TaskPlan(entry, task, device, dtype, samples, tuple(cells), subset, max(1, len(cells) - 1), listed)
    return plan if loaded.suite.stats.stop == "all_samples" else _stopping_early(loaded, key, plan)


def _stopping_early(loaded: LoadedSuite, key: Key, plan: TaskPlan) -> TaskPlan:
    """Return the plan with its samples in random order; refuse what cannot be stopped early."""
    if plan.reference is None:
        raise loaded.error(
            key, "`stop: when_resolved` compares with a reference; give one method of the task `role: reference`"
        )
    training = next((cell.method_id for cell in plan.cells if cell.random_preparation), None)
    if training is not None:
        raise loaded.error(
            key,
            f"method {training!r} prepares anew under every seed, and no look at samples knows how trainings differ; "
            "remove `stop: when_resolved`",
        )
    if len(set(Counter(sample.unit for sample in plan.samples).values())) > 1:
        raise loaded.error(
            key,
            "the groups of its samples differ in size, so that they cannot be drawn alike; remove `stop: when_resolved`",
        )
    if plan.weights:
        raise loaded.error(
            (*key, "samples", "subset"),
            "the samples of a weighted subset belong together; remove `stop: when_resolved`",
        )
    try:
        metric_to_stop_on(plan.task, loaded.suite.stats.stop_on)
    except BadInput as error:
        raise loaded.error(("stats",), f"task {plan.entry.name!r}: {error}") from None
    return replace(plan, samples=in_random_order(plan.samples))


def _listed(
    loaded: LoadedSuite, key: Key, task: Task, who: str, split: Split, subset: str | None
) -> tuple[Sample, ...]:
    """Return the samples of a split; refuse a list that is none, an id that stands for two, and one that does not stay."""
    arguments = (split,) if subset is None else (split, subset)
    call = f"{who}: samples({', '.join(map(repr, arguments))})"
    with _placed(loaded, key, call):
        samples = task.samples(*arguments)
        for promise in (sample_list_problems, repeated_id_problems):
            for problem in promise(samples, call):
                raise PluginError(problem)
        if split == "evaluation" and ids_sha256(samples) != ids_sha256(task.samples(*arguments)):
            raise PluginError(f"{call} gives other ids or another order the second time; fix the order")
        return tuple(samples)


def _samples(
    loaded: LoadedSuite, key: Key, entry: TaskEntry, task: Task, who: str, every: tuple[Sample, ...]
) -> tuple[tuple[Sample, ...], SubsetManifest | None]:
    """Return the samples that the suite asks for, in the task's order, and the condensed subset that they are."""
    name, place = entry.samples.subset, (*key, "samples", "subset")
    if name is None:
        return every[: entry.samples.limit], None
    if not (name in shipped() or name.endswith((".yaml", ".yml"))):
        try:
            samples = _listed(loaded, place, task, who, "evaluation", name)
        except BadInput as error:
            raise BadInput(f"{error}, and no condensed subset of that name ships{nearest(name, shipped())}") from None
        if {s.id for s in samples} == {s.id for s in every}:
            # A task that knows no subsets ignores the name; a run on all samples would then be called that subset.
            raise loaded.error(
                place,
                f"task {entry.name!r} has no subset {name!r}, and no condensed subset of that name ships"
                f"{nearest(name, shipped())}",
            )
        return samples[: entry.samples.limit], None
    try:
        manifest = find_subset(name)
    except BadInput as error:
        raise loaded.error(place, str(error)) from None
    if entry.samples.limit is not None:
        raise loaded.error(place, f"subset {manifest.name} is certified as a whole; remove `limit`")
    wanted = set(manifest.ids)
    samples = tuple(sample for sample in every if sample.id in wanted)
    if len(samples) < len(wanted):
        missing = sorted(wanted - {sample.id for sample in samples})
        raise loaded.error(
            place,
            f"subset {manifest.name}: {len(missing)} of its {len(wanted)} samples are not among those of task "
            f"{entry.name!r}, first {missing[0]!r}",
        )
    return samples, manifest


def _cell(plugin: type[Task], entry: TaskEntry, variant: _Variant, identity: Identity, order: int) -> Cell:
    first = variant.chain[0]
    supported = issubclass(plugin.system_type, tuple(first.accepts))
    accepted, given = named_apart(first.accepts, plugin.system_type)
    plugins = [plugin, *(type(method) for method in variant.chain)]
    origins = {f"task {entry.use}": registry.tasks.origin(entry.use)}
    origins |= {f"method {link.use}": registry.methods.origin(link.use) for link in variant.links}
    return Cell(
        id=identity.cell_id,
        task_id=entry.name,
        method_id=variant.id,
        role=variant.entry.role,
        order=order,
        chain=variant.chain,
        identity=identity,
        execution=variant.execution,
        unsupported=None if supported else f"{first.name} accepts {accepted}, the task gives {given}",
        code_version=hashlib.sha256("".join(map(registry.code_version, plugins)).encode()).hexdigest()[:16],
        origins=tuple(origins.items()),
    )


def _refuse_repeats(loaded: LoadedSuite, key: Key, names: list[tuple[str, int]]) -> None:
    seen: set[str] = set()
    for name, index in names:
        if name in seen:
            raise loaded.error((*key, index), f"the name {name!r} is used twice; give one of them another `id`")
        seen.add(name)


def _check_gates(loaded: LoadedSuite, plans: list[TaskPlan]) -> None:
    cells = [cell for plan in plans for cell in plan.cells]
    for i, gate in enumerate(loaded.suite.gates):
        tasks = meant(gate.task, (cell.task_id for cell in cells))
        if not tasks:
            raise loaded.error(("gates", i, "task"), f"matches no task{nearest(gate.task, [c.task_id for c in cells])}")
        options = [cell.method_id for cell in cells if cell.task_id in tasks]
        if not meant(gate.method, options):
            raise loaded.error(("gates", i, "method"), f"matches no method{nearest(gate.method, options)}")
