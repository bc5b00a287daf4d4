"""What the links of a chain must not do to each other: a plan holds under the settings that it was made for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from effbench.api import Method, System


def chain_problems(chain: Sequence[Method]) -> Iterator[str]:
    """Yield a sentence where a later link changes a setting to which the plan of an earlier one is tied."""
    for position, later in enumerate(chain):
        for earlier in chain[:position]:
            both = [name for name in earlier.tied_to if name in later.changes]
            if both:
                order = "+".join([later.name, earlier.name])
                yield (
                    f"{later.name!r} changes {_listed(both)} under the plan of {earlier.name!r}, which holds for one value "
                    f"only; put it first: {order}"
                )


def tied_settings(method: Method, system: System) -> dict[str, Any]:
    """Return the settings that a method's plan is tied to, of the system that it prepares on; ``missing`` names raise.

    Raises ``KeyError`` with the first name that the system does not know.
    """
    known = system.settings()
    return {name: known[name] for name in method.tied_to}


def setting_problems(method: Method, made_for: Mapping[str, Any], system: System) -> Iterator[str]:
    """Yield a sentence where a system has other settings than those that a method's plan was made for."""
    now = system.settings()
    differ = [name for name, value in made_for.items() if now.get(name) != value]
    if differ:
        said = ", ".join(f"{name} {made_for[name]!r} (here {now.get(name)!r})" for name in differ)
        yield f"the plan of {method.name!r} was made for {said}; prepare it for this system"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
