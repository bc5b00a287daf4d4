"""Checks of what a plugin class declares; nothing is loaded or run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from effbench.api import API_VERSION, Claim, Method, Metric, StrictParams, System, Task

PLUGIN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
METRIC_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
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
    """Yield violations unless ``Params`` is frozen, refuses unknown keys and can be built from its defaults."""
    params = plugin.Params
    if not (isinstance(params, type) and issubclass(params, StrictParams)):
        yield f"Params is {params!r}; write `class Params(StrictParams):` inside the plugin"
        return
    if not params.model_config.get("frozen"):
        yield "Params is not frozen, but it is part of a cell's identity; leave model_config as StrictParams sets it"
    if params.model_config.get("extra") != "forbid":
        yield "Params takes unknown keys, which hides typing errors; leave model_config as StrictParams sets it"
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
        why = " ".join(str(error).split())
        yield f"Params cannot be written as JSON ({why}); use plain numbers, strings, lists and nested StrictParams"
        return
    if not same:
        yield "Params come back from JSON as other values; use plain numbers, strings, lists and nested StrictParams"


def metrics_are_declared(plugin: type[Task]) -> Iterator[str]:
    """Yield violations unless there are metrics with unique snake_case names, exactly one of them primary."""
    metrics = getattr(plugin, "metrics", ())
    if not (isinstance(metrics, tuple) and metrics and all(isinstance(metric, Metric) for metric in metrics)):
        yield "metrics must be a non-empty tuple of effbench.api.Metric"
        return
    names = [metric.name for metric in metrics]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"metric {name!r} is declared twice; give each its own name"
    for name in names:
        if not METRIC_NAME.fullmatch(name):
            yield f"metric name {name!r} is not lower-case words joined by underscores, such as 'psnr_db'"
    primary = [metric.name for metric in metrics if metric.primary]
    if len(primary) != 1:
        yield f"{len(primary)} metrics are primary ({', '.join(primary) or 'none'}); set primary=True on exactly one"


def system_type_is_a_system(plugin: type[Task]) -> Iterator[str]:
    """Yield a violation unless ``system_type`` is a subclass of System of its own."""
    kind = getattr(plugin, "system_type", None)
    if not (isinstance(kind, type) and issubclass(kind, System)) or kind is System:
        yield f"system_type is {kind!r}; declare the subclass of effbench.api.System that load returns"


def accepts_is_declared(plugin: type[Method]) -> Iterator[str]:
    """Yield a violation unless ``accepts`` is a non-empty tuple of System types."""
    accepts = getattr(plugin, "accepts", ())
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
        if not math.isfinite(claim.value):
            yield f"the claim on {claim.metric!r} has the value {claim.value}; expected the published number"
        if not (claim.setting.strip() and claim.source.strip()):
            yield f"the claim on {claim.metric!r} lacks its setting or its source; name the paper and the table"


def json_problem(value: object) -> str:
    """Return "" where a value comes back equal from strict JSON, else what is wrong with it."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError) as error:
        return str(error)
    return "" if same else "it comes back changed (tuples become lists, keys become strings)"


SHARED = (name_is_well_formed, api_version_is_ours, nothing_abstract_is_left, params_are_strict)
OF_TASKS = (metrics_are_declared, system_type_is_a_system)
OF_METHODS = (accepts_is_declared, claims_have_sources)
