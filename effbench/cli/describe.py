"""``effbench describe``: what a task, a method, an embedded model or a plan is, or what a preparation left on disk."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from effbench.cli.aligned import aligned
from effbench.cli.plan_lines import described_plan, is_plan, is_plan_file, plan_lines, read_any_plan
from effbench.counted import counted
from effbench.legible import legible

SCHEMA = "effbench/describe/1"
"""Of ``--json``."""

MOST_TENSORS, LONGEST = 40, 80
"""Tensors, and characters of a planned value, that are shown: a screen of each. ``--json`` has all of them."""

UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
"""Decimal, as in every table of EffBench."""


def describe(
    name: Annotated[
        str,
        typer.Argument(help="A task, a method, zoo:NAME, a plan's file, or the folder of a cell or its artifact."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; of an artifact or a plan.")] = False,
) -> None:
    """Describe a task, a method, an embedded model, a bit or attention plan, or what a preparation left on disk."""
    from effbench import registry, zoo
    from effbench.api import PluginError
    from effbench.errors import BadInput, nearest
    from effbench.guard import PluginFailure, strangers
    from effbench.report.strict_json import strict_json

    if name.startswith("zoo:"):
        try:
            print((zoo.find(name).folder / "README.md").read_text("utf-8"), end="")
        except PluginError as error:
            raise BadInput(str(error)) from None
        return
    if is_plan_file(name):
        sys.stdout.write(strict_json(read_any_plan(Path(name)).content()) if as_json else described_plan(Path(name)))
        return
    found = [r for r in (registry.tasks, registry.methods) if name in r.names()]
    if _is_path(name) and (not found or os.sep in name):
        _describe_artifact(name, as_json)
        return
    if as_json:
        raise BadInput("--json describes an artifact or a plan: name a file, the folder of a cell, or artifact/ in it")
    if not found:
        everything = [*registry.tasks.names(), *registry.methods.names(), *zoo.names()]
        raise BadInput(f"nothing is registered as {name!r}{nearest(name, everything)}")
    for plugins in found:
        plugin: Any = plugins.get(name)
        where = f"{plugins.kind} of {plugins.origin(name)}"
        try:
            with strangers(f"{plugins.kind} {name!r}: describing it"):
                lines = [*_general(plugin), *(_of_task(plugin) if plugins is registry.tasks else _of_method(plugin))]
        except PluginFailure as failure:
            raise BadInput(str(failure)) from failure
        print("\n".join([f"{name}: {where}", *lines]))


def _is_path(name: str) -> bool:
    """Return whether a name is meant as a path: it has a separator, or there is a folder of that name."""
    return os.sep in name or _is_folder(name)


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def _describe_artifact(name: str, as_json: bool) -> None:
    """Print what each link of a chain prepared, once per training."""
    from effbench.artifacts import artifact_folders, described
    from effbench.errors import BadInput
    from effbench.report.strict_json import strict_json

    if not _is_folder(name):
        raise BadInput(f"{name}: there is no such folder; an artifact is described by that of its cell, STORE/cells/ID")
    found = [(folder, described(folder)) for folder in artifact_folders(Path(name))]
    if as_json:
        content = [{"folder": str(folder), "links": links} for folder, links in found]
        sys.stdout.write(strict_json({"schema": SCHEMA, "artifacts": _plain(content)}))
        return
    texts = [
        "\n".join([legible(str(folder)), *(line for link in links for line in _of_link(link))])
        for folder, links in found
    ]
    print("\n\n".join(texts))


def _plain(value: Any) -> Any:
    """Return what YAML may hold as what JSON can: other keys and values (dates, bytes) as their text."""
    if isinstance(value, Mapping):
        return {legible(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else legible(str(value))


def _of_link(link: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a link of a chain prepared: its plan and its tensors, and what alone they hold for."""
    tensors = link["tensors"]
    method, total = legible(link["method"]) or "a method that is not named", sum(f["bytes"] for f in tensors.values())
    yield f"\n{method}: {counted(len(tensors), 'tensor')}, {_size(total)}"
    for what, values in (("holds for", link["settings"]), ("plan", link["config"])):
        for key, value in values.items():
            if is_plan(value):
                yield legible(f"  {what}: {key} =")
                yield from plan_lines(value, "    ")
                continue
            text = str(value)
            yield legible(f"  {what}: {key} = {text if len(text) <= LONGEST else f'{text[:LONGEST]}...'}")
    rows = [
        (legible(name), form["dtype"], "x".join(map(str, form["shape"])) or "scalar", _size(form["bytes"]))
        for name, form in list(tensors.items())[:MOST_TENSORS]
    ]
    yield from aligned([("tensor", "dtype", "shape", "size"), *rows] if rows else [])
    if len(tensors) > MOST_TENSORS:
        yield f"  and {len(tensors) - MOST_TENSORS} more; --json has all of them"


def _size(count: int) -> str:
    """Return bytes in the unit that leaves one to three digits before the point."""
    for scale, unit in UNITS:
        if count >= scale:
            return f"{count / scale:.3g} {unit}" if count < 999.5 * scale else f"{count / scale:.0f} {unit}"
    return f"{count} bytes"


def _general(plugin: Any) -> Iterator[str]:
    """Yield the docstring and the parameters."""
    from effbench.describing import parameters_of

    yield f"\n{inspect.getdoc(plugin)}\n"
    parameters = parameters_of(plugin)
    yield "parameters:" if parameters else "parameters: none"
    for found in parameters:
        default = f"default {found.default}" if found.default else "required"
        yield f"  {found.name}: {found.kind}, {default}. {found.description}".rstrip()


def _of_task(plugin: Any) -> Iterator[str]:
    yield "\nmetrics:"
    for m in plugin.metrics:
        marks = [
            "primary" if m.primary else "",
            "higher is better" if m.higher_is_better else "lower is better",
            "of a whole set" if m.per == "set" else "",
            "against the reference's outputs" if m.needs_reference else "",
        ]
        unit = f", in {m.unit}" if m.unit else ""
        yield f"  {m.key}{unit}: {m.description or '-'} ({', '.join(filter(None, marks))})"


def _of_method(plugin: Any) -> Iterator[str]:
    """Yield what a method declares; what its parameters may choose is that of the default ones."""
    from effbench.api import Method
    from effbench.describing import execution_by_default, made_by_default

    made = made_by_default(plugin)
    yield f"\naccepts: {', '.join(t.__name__ for t in plugin.accepts)}"
    yield f"execution: {execution_by_default(made)}"
    if plugin.prepare is not Method.prepare:
        yield f"prepares: {'once per seed' if plugin.random_preparation else 'once'}"
    for what, names in (("holds for one", plugin.tied_to), ("changes", plugin.changes)):
        if names:
            yield f"{what}: {', '.join(names)} (of the system's settings)"
    if kernels := (plugin if made is None else made).kernels:
        yield f"kernels that must be seen to run: {', '.join(kernels)}"
    for claim in plugin.claims:
        yield f"claims: {claim.metric} = {claim.value} {claim.unit}, {claim.setting} ({claim.source})"
