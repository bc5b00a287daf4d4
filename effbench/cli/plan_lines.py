"""A bit plan in lines: for which model it holds, how many layers have how many bits, and which have the fewest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.cli.aligned import aligned
from effbench.legible import legible

if TYPE_CHECKING:
    from effbench.quantization.bitplan import BitPlan

LOWEST = 12
"""Layers of the fewest bits that are shown: a choice; the file names all of them."""


def is_plan_file(name: str) -> bool:
    """Return whether a name is that of a YAML file that is there: the only file that is described is a bit plan."""
    try:
        return name.endswith((".yaml", ".yml")) and Path(name).is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def is_plan(value: Any) -> bool:
    """Return whether a value in the plan of an artifact is a bit plan."""
    from effbench.quantization.bitplan import SCHEMA

    return isinstance(value, Mapping) and value.get("schema") == SCHEMA


def described_plan(path: Path) -> str:
    """Return the text on a file's plan; raise ``BadInput`` where it is none."""
    from effbench.quantization.bitplan import read_plan

    return "\n".join([legible(f"{path}: a bit plan"), *_lines(read_plan(path), "  "), ""])


def plan_lines(content: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Yield the lines of a plan as it stands in an artifact, whole or not."""
    from pydantic import ValidationError

    from effbench.quantization.bitplan import BitPlan

    try:
        plan = BitPlan.model_validate(content)
    except ValidationError as error:
        yield legible(f"{indent}damaged: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
        return
    yield from _lines(plan, indent)


def _lines(plan: BitPlan, indent: str) -> Iterator[str]:
    yield legible(f"{indent}made by {plan.method}; sha256 {plan.sha256[:16]}")
    yield from (legible(f"{indent}holds for: {name} = {value}") for name, value in plan.settings.items())
    total = sum(layer.parameters for layer in plan.layers.values())
    rows = [("part", "mean bits", "budget", "bits", "layers", "parameters", "share")]
    for part in ("weight", "activation"):
        mean, budget = getattr(plan.mean_bits, part), getattr(plan.budget, part)
        head = (part, f"{mean:.4g}", "none" if budget is None else f"{budget:.4g}")
        for width, (layers, parameters) in plan.histogram(part).items():  # type: ignore[arg-type]
            shares = (str(width), str(layers), f"{parameters:,}", f"{parameters / total:.1%}")
            rows.append((*head, *shares))
            head = ("", "", "")
    yield from aligned(rows, indent)
    lowest = sorted(plan.layers.items(), key=lambda item: (item[1].weight, item[1].activation))[:LOWEST]
    shown = [(legible(name), *map(str, (b.weight, b.activation)), f"{b.parameters:,}") for name, b in lowest]
    yield f"{indent}layers of the fewest bits ({len(lowest)} of {len(plan.layers)}):"
    yield from aligned([("layer", "weight", "activation", "parameters"), *shown], indent)
