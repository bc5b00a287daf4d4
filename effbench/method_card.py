"""What an installed method says of itself, as plain data: read by a process of its own, so that a reader loads no plugin.

``installed_methods`` starts that process (``effbench.describing``), which imports every plugin; torch and whatever a plugin
does on import stay there.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Any

GROUP = "effbench.methods"
"""The entry points of methods (``effbench.registry.methods``)."""
PATIENCE_S = 300.0
"""How long importing every plugin may take: dozens of packages with compiled parts on a busy machine, many times over."""
PAPER = re.compile(r"\barXiv[:\s]\s*(\d{4}\.\d{4,5})", re.IGNORECASE)
"""How docstrings and claims name a paper."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method: its type and default as written in Python, ``""`` where it has none."""

    name: str
    kind: str
    default: str
    description: str


@dataclass(frozen=True)
class MethodCard:
    """A registered method. ``about`` is the text of its module, ``text`` its own below the ``sentence``.

    ``papers`` are the arXiv numbers that those texts and its claims name, ``sources`` where its claims stand. ``problem``
    says why it cannot be used; all but name and origin is empty then.
    """

    name: str
    distribution: str
    version: str
    points_to: str
    sentence: str = ""
    text: str = ""
    about: str = ""
    papers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    accepts: tuple[str, ...] = ()
    execution: str = ""
    prepares: bool = False
    kernels: tuple[str, ...] = ()
    problem: str = ""


def registered_methods() -> tuple[MethodCard, ...]:
    """Return a bare card for every registered name, from the metadata of packages alone: nothing of a plugin is imported."""
    found = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        whose, version = (point.dist.name, point.dist.version) if point.dist else ("unknown", "?")
        found[point.name, whose, point.value] = MethodCard(point.name, whose, version, point.value)
    return tuple(found.values())


def installed_methods() -> tuple[MethodCard, ...]:
    """Return the card of every registered method; bare ones with a ``problem`` where the process that reads them failed."""
    command = [sys.executable, "-P", "-m", "effbench.describing"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return tuple(_card(found) for found in json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        problem = f"reading what methods say of themselves took longer than {PATIENCE_S:g} s"
    except (OSError, ValueError, TypeError, KeyError):
        problem = (
            "the process that reads what methods say of themselves ended early; `effbench doctor` names the plugin"
        )
    return tuple(MethodCard(**{**asdict(card), "problem": problem}) for card in registered_methods())


def papers_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the arXiv numbers that texts name, in their order."""
    return tuple(dict.fromkeys(number for text in texts for number in PAPER.findall(text)))


def _card(found: dict[str, Any]) -> MethodCard:
    parameters = tuple(Parameter(**parameter) for parameter in found.pop("parameters"))
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    return MethodCard(parameters=parameters, **plain)
