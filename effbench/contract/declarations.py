"""What a plugin class declares: names, parameters, metrics, system types, claims; nothing is loaded or run."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast, get_args

from pydantic import ValidationError

from effbench.api import API_VERSION, Claim, Execution, Method, Metric, StrictParams, System, Task
from effbench.catalogue import is_ours

PLUGIN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
METRIC_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PRECISIONS = ("float32", "float16", "bfloat16")
UNDEFINED = ("", "not_reached", "unsupported")
SLICE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*=[^\[\]<>|\\`!\"'=\x00-\x1f]{1,40}")
"""attribute=value, without what would be markup in a report."""
LONGEST_UNIT = 24
"""Characters: a choice, room for a unit that is a short phrase, while a column stays narrower than a terminal."""
MARKUP = frozenset("[]<>|\\`!\"'")
"""Characters that no unit needs and that would be markup in a report."""
Plugin = type[Task] | type[Method]


def name_is_well_formed(plugin: Plugin) -> Iterator[str]:
    """Yield a violation unless ``name`` is lower-case words joined by hyphens."""
    name = getattr(plugin, "name", None)
    if not (isinstance(name, str) and PLUGIN_NAME.fullmatch(name)):
        yield f"name is {name!r}; expected lower-case words joined by hyphens, such as 'half-steps'"


def api_version_is_ours(plugin: Plugin) -> Iterator[str]:
    """Yield a violation unless the plugin was written for this version of the contract."""
    if plugin.api_version != API_VERSION:
        yield f"api_version is {plugin.api_version!r}, this EffBench has {API_VERSION}; leave it out to inherit it"


def nothing_abstract_is_left(plugin: Plugin) -> Iterator[str]:
    """Yield a violation where methods of the contract are missing."""
    missing = sorted(getattr(plugin, "__abstractmethods__", ()))
    if missing:
        yield f"{', '.join(missing)} of the contract not written; add every abstract method of effbench.api"


def params_are_strict(plugin: Plugin) -> Iterator[str]:
    """Yield violations unless ``Params`` is frozen and refuses unknown keys."""
    params = plugin.Params
    if not (isinstance(params, type) and issubclass(params, StrictParams)):
        yield f"Params is {params!r}; write `class Params(StrictParams):` inside the plugin"
        return
    if not params.model_config.get("frozen"):
        yield "Params is not frozen, but it is part of a cell's identity; leave model_config as StrictParams sets it"
    if params.model_config.get("extra") != "forbid":
        yield "Params takes unknown keys, which hides typing errors; leave model_config as StrictParams sets it"


def params_have_defaults(plugin: Plugin) -> Iterator[str]:
    """Yield a violation unless ``Params`` can be built from its defaults."""
    params = plugin.Params
    if not (isinstance(params, type) and issubclass(params, StrictParams)):
        return  # said by ``params_are_strict``
    try:
        params()
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
        yield f"Params() cannot be built without arguments ({fields or error}); give every field a valid default"


def params_survive_json(params: Any) -> Iterator[str]:
    """Yield a violation unless parameters come back equal from JSON, as a store keeps them."""
    try:
        same = type(params).model_validate_json(params.model_dump_json()) == params
    except (ValueError, TypeError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else " ".join(str(error).split())
        yield f"Params cannot be written as JSON ({why}); use plain numbers, strings, lists and nested StrictParams"
        return
    if not same:
        yield "Params come back from JSON as other values; use plain numbers, strings, lists and nested StrictParams"


def metrics_are_declared(plugin: type[Task] | Task) -> Iterator[str]:
    """Yield violations unless there are well-formed metrics with unique names, exactly one of them primary."""
    metrics = getattr(plugin, "metrics", ())
    if not (isinstance(metrics, tuple) and metrics and all(isinstance(metric, Metric) for metric in metrics)):
        yield "metrics must be a non-empty tuple of effbench.api.Metric"
        return
    for metric in metrics:
        yield from _metric_problems(metric)
    names = [str(metric.key) for metric in metrics]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"metric {name!r} is declared twice; give each its own name"
    primary = [str(metric.name) for metric in metrics if metric.primary]
    if len(primary) != 1:
        yield f"{len(primary)} metrics are primary ({', '.join(primary) or 'none'}); set primary=True on exactly one"


def _metric_problems(metric: Metric) -> Iterator[str]:
    """Yield what is wrong with the fields of one metric."""
    name: Any = metric.name
    if not (isinstance(name, str) and METRIC_NAME.fullmatch(name)):
        yield f"metric name {name!r} is not lower-case words joined by underscores, such as 'psnr_db'"
    elif is_ours(name):
        yield f"metric name {name!r} is that of a number which EffBench measures itself; choose another"
    yield from unit_problems(f"metric {name!r}", metric.unit)
    parts: Any = metric.slice
    if not isinstance(parts, str) or (parts and not SLICE.fullmatch(parts)):
        yield f"metric {name!r} has the slice {parts!r}; expected attribute=value, such as 'species=print'"
    elif parts and metric.primary:
        yield f"metric {name!r} is primary and of a slice; a table ranks by what is of all samples"
    for field in ("higher_is_better", "primary", "needs_reference"):
        if not isinstance(getattr(metric, field), bool):
            yield f"metric {name!r} has {field}={getattr(metric, field)!r}; expected True or False"
    if metric.per not in ("sample", "set"):
        yield f"metric {name!r} is per {metric.per!r}; valid: 'sample', 'set'"
    if metric.undefined not in UNDEFINED:
        yield f"metric {name!r} may be undefined because of {metric.undefined!r}; valid: 'not_reached', 'unsupported'"
    bounds: Any = metric.bounds
    is_pair = isinstance(bounds, tuple) and len(bounds) == 2 and all(_is_real(end) for end in bounds)
    if bounds is not None and not (is_pair and bounds[0] < bounds[1]):
        yield f"metric {name!r} has the bounds {bounds!r}; expected (least, greatest), such as (0.0, math.inf)"
    description: Any = metric.description
    if not isinstance(description, str) or any(unicodedata.category(c) == "Cc" for c in description):
        yield f"metric {name!r} has the description {description!r}; use one line of text"


def unit_problems(what: str, unit: object) -> Iterator[str]:
    """Yield a violation unless a unit is short plain text."""
    if not isinstance(unit, str) or len(unit) > LONGEST_UNIT or not unit.isprintable() or MARKUP & set(unit):
        yield f"{what} has the unit {unit!r}; use at most {LONGEST_UNIT} plain characters, such as 'dB' or '1/s'"


def _is_real(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and not math.isnan(value)


def workers_are_set_up(plugin: type[Task]) -> Iterator[str]:
    """Yield violations unless ``preload``, ``random_weights`` and ``gpu_dtype`` say what a worker can do."""
    if not (isinstance(plugin.preload, tuple) and all(isinstance(module, str) for module in plugin.preload)):
        yield f"preload is {plugin.preload!r}; expected a tuple of module names, such as ('torch',)"
    for flag in ("random_weights", "deterministic"):
        if not isinstance(getattr(plugin, flag), bool):
            yield f"{flag} is {getattr(plugin, flag)!r}; expected True or False"
    if plugin.gpu_dtype not in PRECISIONS:
        yield f"gpu_dtype is {plugin.gpu_dtype!r}; valid: {', '.join(PRECISIONS)}"


def system_type_is_a_system(plugin: type[Task]) -> Iterator[str]:
    """Yield a violation unless ``system_type`` is a subclass of System of its own."""
    kind = getattr(plugin, "system_type", None)
    if not (isinstance(kind, type) and issubclass(kind, System)) or kind is System:
        yield f"system_type is {kind!r}; declare the subclass of effbench.api.System that load returns"


def accepts_is_declared(plugin: type[Method]) -> Iterator[str]:
    """Yield a violation unless ``accepts`` is a non-empty tuple of System types."""
    accepts = getattr(plugin, "accepts", None)
    if not (
        isinstance(accepts, tuple) and accepts and all(isinstance(k, type) and issubclass(k, System) for k in accepts)
    ):
        yield f"accepts is {accepts!r}; expected a non-empty tuple of System types, such as (DiffusionSystem,)"


def claims_have_sources(plugin: type[Method]) -> Iterator[str]:
    """Yield violations unless every claim is a finite number with its setting and its source."""
    if not (isinstance(plugin.claims, tuple) and all(isinstance(claim, Claim) for claim in plugin.claims)):
        yield "claims must be a tuple of effbench.api.Claim"
        return
    for claim in plugin.claims:
        texts = ("metric", "unit", "setting", "source", "number", "not_comparable")
        wrong = [field for field in texts if not isinstance(getattr(claim, field), str)]
        if wrong:
            yield f"the claim on {claim.metric!r} has a {wrong[0]} that is no text: {getattr(claim, wrong[0])!r}"
            continue
        value: Any = claim.value
        if isinstance(value, bool) or not isinstance(value, float | int) or not math.isfinite(value):
            yield f"the claim on {claim.metric!r} has the value {value}; expected the published number"
        if not (claim.setting.strip() and claim.source.strip()):
            yield f"the claim on {claim.metric!r} lacks its setting or its source; name the paper and the table"
        if not isinstance(claim.holds_for, Mapping) or json_problem(dict(claim.holds_for)):
            yield f"the claim on {claim.metric!r} has holds_for={claim.holds_for!r}; use names and plain values"


def kernels_are_globs(plugin: type[Method]) -> Iterator[str]:
    """Yield a violation unless ``kernels`` is a tuple of names or globs."""
    kernels: Any = plugin.kernels
    if not (isinstance(kernels, tuple) and all(isinstance(glob, str) and glob for glob in kernels)):
        yield f"kernels is {kernels!r}; expected a tuple of names or globs, such as ('quantized::linear*',)"


def preparation_is_declared(plugin: type[Method]) -> Iterator[str]:
    """Yield violations unless what is said of the preparation has the right form."""
    random: Any = plugin.random_preparation
    if not isinstance(random, bool):
        yield f"random_preparation is {random!r}; expected True or False"
    elif random and plugin.prepare is Method.prepare:
        yield "random_preparation is True and prepare is not written; remove one or write the other"
    for field in ("tied_to", "changes"):
        names: Any = getattr(plugin, field)
        if not (isinstance(names, tuple) and all(isinstance(name, str) and name for name in names)):
            yield f"{field} is {names!r}; expected a tuple of names of settings, such as ('steps',)"


def contract_1_is_left_behind(plugin: Plugin) -> Iterator[str]:
    """Yield a violation where a plugin writes what contract 1 asked for, which nobody calls any more."""
    for old, new in (
        ("summarise", "summariser(scores), which returns what maps weights to metrics"),
        ("probe", "probes"),
    ):
        if issubclass(plugin, Task) and callable(getattr(plugin, old, None)):
            yield f"{old} is of contract 1 and is not called; write {new}"


def execution_problems(execution: object) -> Iterator[str]:
    """Yield a violation unless what ``execution()`` returned is one of the two words."""
    if not (isinstance(execution, str) and execution in get_args(Execution)):
        yield f'execution() returned {execution!r}; return "real", or "simulated" where the effect is only imitated'


def json_problem(value: object) -> str:
    """Return "" where a value comes back equal from strict JSON, else what is wrong with it."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError) as error:
        return str(error)
    return "" if same else "it comes back changed (tuples become lists, keys become strings)"


Check = Callable[[Any], Iterator[str]]
ENFORCED: tuple[Check, ...] = (
    name_is_well_formed,
    api_version_is_ours,
    contract_1_is_left_behind,
    nothing_abstract_is_left,
    params_are_strict,
)
"""Promises of both kinds of plugin without which none is used."""
SHARED: tuple[Check, ...] = (*ENFORCED, params_have_defaults)
OF_TASKS: tuple[Check, ...] = (metrics_are_declared, system_type_is_a_system, workers_are_set_up)
OF_METHODS: tuple[Check, ...] = (
    accepts_is_declared,
    claims_have_sources,
    kernels_are_globs,
    preparation_is_declared,
)


def broken_promises(plugin: type) -> list[str]:
    """Return a sentence per promise that a class breaks by what it declares; these are enforced wherever it is used."""
    checks: Sequence[Check] = (*ENFORCED, *(OF_TASKS if issubclass(plugin, Task) else OF_METHODS))
    return [problem for check in checks for problem in check(cast("Any", plugin))]
