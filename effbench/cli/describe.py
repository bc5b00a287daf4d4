"""``effbench describe``: what a task, a method or an embedded model is, and which parameters it takes."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer


def describe(name: Annotated[str, typer.Argument(help="A task, a method, or zoo:NAME.")]) -> None:
    """Describe a task, a method or an embedded model."""
    from effbench import registry, zoo
    from effbench.api import PluginError
    from effbench.errors import BadInput, nearest

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
        print(f"{name}: {plugins.kind} of {plugins.origin(name)}")
        print(f"\n{inspect.getdoc(plugin)}\n")
        _describe_params(plugin.Params)
        if plugins is registry.tasks:
            print("\nmetrics:")
            for m in plugin.metrics:
                arrow = "higher is better" if m.higher_is_better else "lower is better"
                print(f"  {m.name}{f' [{m.unit}]' if m.unit else ''}: {m.description or '-'} ({arrow})")
        else:
            print(f"\naccepts: {', '.join(t.__name__ for t in plugin.accepts)}")
            for claim in plugin.claims:
                print(f"claims: {claim.metric} = {claim.value} {claim.unit}, {claim.setting} ({claim.source})")


def _describe_params(model: Any) -> None:
    print("parameters:" if model.model_fields else "parameters: none")
    for key, field in model.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default!r}"
        kind = str(getattr(field.annotation, "__name__", field.annotation)).replace("NoneType", "None")
        print(f"  {key}: {kind}, {default}. {field.description or ''}".rstrip())
