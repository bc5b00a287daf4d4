"""``effbench describe``: what a task, a method or an embedded model is, and which parameters it takes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, Any

import typer


def describe(name: Annotated[str, typer.Argument(help="A task, a method, or zoo:NAME.")]) -> None:
    """Describe a task, a method or an embedded model."""
    from effbench import registry, zoo
    from effbench.api import PluginError
    from effbench.errors import BadInput, nearest
    from effbench.guard import PluginFailure, strangers

    if name.startswith("zoo:"):
        try:
            print((zoo.find(name).folder / "README.md").read_text("utf-8"), end="")
        except PluginError as error:
            raise BadInput(str(error)) from None
        return
    found = [r for r in (registry.tasks, registry.methods) if name in r.names()]
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


def _general(plugin: Any) -> Iterator[str]:
    """Yield the docstring and the parameters."""
    yield f"\n{inspect.getdoc(plugin)}\n"
    fields = plugin.Params.model_fields
    yield "parameters:" if fields else "parameters: none"
    for key, field in fields.items():
        default = "required" if field.is_required() else f"default {field.default!r}"
        kind = str(getattr(field.annotation, "__name__", field.annotation)).replace("NoneType", "None")
        yield f"  {key}: {kind}, {default}. {field.description or ''}".rstrip()


def _of_task(plugin: Any) -> Iterator[str]:
    yield "\nmetrics:"
    for m in plugin.metrics:
        arrow = "higher is better" if m.higher_is_better else "lower is better"
        yield f"  {m.name}{f' [{m.unit}]' if m.unit else ''}: {m.description or '-'} ({arrow})"


def _of_method(plugin: Any) -> Iterator[str]:
    yield f"\naccepts: {', '.join(t.__name__ for t in plugin.accepts)}"
    for claim in plugin.claims:
        yield f"claims: {claim.metric} = {claim.value} {claim.unit}, {claim.setting} ({claim.source})"
