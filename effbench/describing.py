"""What registered plugins say of themselves, by importing them; ``python -m effbench.describing`` prints all methods as JSON.

Whoever wants that without the imports asks ``effbench.method_card``.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
import typing
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Any

from effbench import registry
from effbench.api import Execution, Method
from effbench.contract.declarations import params_have_defaults
from effbench.errors import BadInput
from effbench.guard import PluginFailure, strangers
from effbench.method_card import MethodCard, Parameter, papers_in


def parameters_of(plugin: Any) -> tuple[Parameter, ...]:
    """Return the parameters of a task or method."""
    return tuple(
        Parameter(
            name,
            kind_of(field.annotation),
            "" if field.is_required() else repr(field.default),
            field.description or "",
        )
        for name, field in plugin.Params.model_fields.items()
    )


def kind_of(annotation: Any) -> str:
    """Return a type as a reader writes it: the choices of a literal, the members of a union, else its name."""
    parts = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Literal:
            return " | ".join(map(repr, parts))
        case typing.Annotated:
            return kind_of(parts[0])
        case typing.Union | types.UnionType:
            return " | ".join(map(kind_of, parts))
        case None if annotation in (None, type(None)):
            return "None"
        case None:
            return str(getattr(annotation, "__name__", annotation))
        case origin:
            inner = ", ".join("..." if part is ... else kind_of(part) for part in parts)
            return f"{getattr(origin, '__name__', origin)}[{inner}]"


def made_by_default(plugin: type[Method]) -> Method | None:
    """Return a method with its default parameters, or None where one of them has none."""
    return plugin() if not any(params_have_defaults(plugin)) else None


def execution_by_default(made: Method | None) -> Execution | str:
    """Return how a method made by default runs; parameters decide where it cannot be."""
    return "by its parameters" if made is None else made.execution()


def all_methods() -> tuple[MethodCard, ...]:
    """Return the card of every registered method, with its problem where it cannot be used; imports all of them."""
    entries = registry.methods.entries()
    modules = Counter(entry.value.partition(":")[0] for entry in entries)
    shared = {module for module, count in modules.items() if count > 1}
    cards = []
    for entry in entries:
        bare = MethodCard(entry.name, entry.distribution, entry.version, entry.value)
        try:
            plugin = registry.methods.get(entry.name)
            with strangers(f"method {entry.name!r}: describing it"):
                cards.append(_described(bare, plugin, shared))
        except (BadInput, PluginFailure) as failure:
            cards.append(replace(bare, problem=str(failure)))
    return tuple(cards)


def _described(bare: MethodCard, plugin: type[Method], shared: Collection[str]) -> MethodCard:
    made = made_by_default(plugin)
    own = inspect.cleandoc(plugin.__doc__ or "")
    about = inspect.cleandoc(sys.modules[plugin.__module__].__doc__ or "")
    first, _, rest = own.partition("\n\n")
    sources = tuple(dict.fromkeys(claim.source for claim in plugin.claims))
    # A module of several methods names the papers of all of them.
    texts = (own, *sources) if bare.points_to.partition(":")[0] in shared else (own, about, *sources)
    return replace(
        bare,
        sentence=" ".join(first.split()),
        text=rest,
        about=about,
        papers=papers_in(texts),
        sources=sources,
        parameters=parameters_of(plugin),
        accepts=tuple(accepted.__name__ for accepted in plugin.accepts),
        execution=str(execution_by_default(made)),
        prepares=plugin.prepare is not Method.prepare,
        kernels=tuple((plugin if made is None else made).kernels),
    )


if __name__ == "__main__":
    print(json.dumps([asdict(card) for card in all_methods()]))
