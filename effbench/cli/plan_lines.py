"""A plan in lines: for which model it holds, and what it gives to which layers: bits, or what attention does at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.cli.aligned import aligned
from effbench.legible import legible

if TYPE_CHECKING:
    from effbench.diffusion.attention_plan import AttentionPlan
    from effbench.quantization.bitplan import BitPlan

SHORT = {"full": ".", "ast": "t", "asc": "c", "wa-rs": "w", "wa-rs+asc": "b"}
"""What a slot is shown as, a letter a step; a slot that is given head by head is shown as it is."""
LOWEST = 12
"""Layers of the fewest bits that are shown: a choice; the file names all of them."""


def is_plan_file(name: str) -> bool:
    """Return whether a name is that of a YAML file that is there: the only files that are described are plans."""
    try:
        return name.endswith((".yaml", ".yml")) and Path(name).is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def read_any_plan(path: Path) -> BitPlan | AttentionPlan:
    """Return a file's plan of either kind; raise ``BadInput`` where it is none."""
    from effbench.diffusion import attention_plan
    from effbench.errors import BadInput
    from effbench.quantization import bitplan
    from effbench.yamlpos import load

    document = load(path)
    given = document.data.get("schema") if isinstance(document.data, dict) else None
    if given == bitplan.SCHEMA:
        return bitplan.parsed_plan(document)
    if given == attention_plan.SCHEMA:
        return attention_plan.parsed_attention_plan(document)
    said = "has no schema" if given is None else f"is of schema {given!r}"
    raise BadInput(
        f"{document.source}: {said}; a bit plan is of {bitplan.SCHEMA!r}, an attention plan of {attention_plan.SCHEMA!r}"
    )


def is_plan(value: Any) -> bool:
    """Return whether a value in the plan of an artifact is a bit plan or an attention plan."""
    return isinstance(value, Mapping) and value.get("schema") in _kinds()


def described_plan(path: Path) -> str:
    """Return the text on a file's plan; raise ``BadInput`` where it is none."""
    plan = read_any_plan(path)
    kind, lines = _kinds()[plan.schema_version][1:]
    return "\n".join([legible(f"{path}: {kind}"), *lines(plan, "  "), ""])


def plan_lines(content: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Yield the lines of a plan as it stands in an artifact, whole or not."""
    from pydantic import ValidationError

    form, _, lines = _kinds()[content["schema"]]
    try:
        plan = form.model_validate(content)
    except ValidationError as error:
        yield legible(f"{indent}damaged: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
        return
    yield from lines(plan, indent)


def _kinds() -> dict[str, tuple[Any, str, Callable[[Any, str], Iterator[str]]]]:
    """Return schema -> (class, what it is called, what makes its lines)."""
    from effbench.diffusion import attention_plan
    from effbench.quantization import bitplan

    return {
        bitplan.SCHEMA: (bitplan.BitPlan, "a bit plan", _bit_lines),
        attention_plan.SCHEMA: (attention_plan.AttentionPlan, "an attention plan", _attention_lines),
    }


def _bit_lines(plan: BitPlan, indent: str) -> Iterator[str]:
    yield legible(f"{indent}made by {plan.method}; sha256 {plan.sha256[:16]}")
    yield from (legible(f"{indent}holds for: {name} = {value}") for name, value in plan.settings.items())
    total = sum(layer.parameters for layer in plan.layers.values())
    rows = [("part", "mean bits", "budget", "bits", "layers", "parameters", "share")]
    for part in ("weight", "activation"):
        mean, budget = getattr(plan.mean_bits, part), getattr(plan.budget, part)
        head = (part, f"{mean:.4g}", "none" if budget is None else f"{budget:.4g}")
        for width, (layers, parameters) in plan.histogram(part).items():
            shares = (str(width), str(layers), f"{parameters:,}", f"{parameters / total:.1%}")
            rows.append((*head, *shares))
            head = ("", "", "")
    yield from aligned(rows, indent)
    lowest = sorted(plan.layers.items(), key=lambda item: (item[1].weight, item[1].activation))[:LOWEST]
    shown = [(legible(name), *map(str, (b.weight, b.activation)), f"{b.parameters:,}") for name, b in lowest]
    yield f"{indent}layers of the fewest bits ({len(lowest)} of {len(plan.layers)}):"
    yield from aligned([("layer", "weight", "activation", "parameters"), *shown], indent)


def _attention_lines(plan: AttentionPlan, indent: str) -> Iterator[str]:
    yield legible(f"{indent}made by {plan.method}; sha256 {plan.sha256[:16]}")
    yield from (legible(f"{indent}holds for: {name} = {value}") for name, value in plan.settings.items())
    yield from (legible(f"{indent}search: {name} = {value}") for name, value in plan.search.items())
    yield f"{indent}operations of these layers: {plan.share:.1%} of full attention, {plan.core_share:.1%} without projections"
    counts = plan.counts()
    shares = (f"{slot} {count} ({count / counts.total():.1%})" for slot, count in counts.most_common())
    yield f"{indent}slots: {', '.join(shares)}"
    rows: list[tuple[str, ...]] = [("layer", "rows", "tokens", "window", "FLOPs", "steps")]
    for name, layer in plan.layers.items():
        share = sum(map(layer.flops, layer.steps)) / (layer.flops("full") * len(layer.steps))
        is_short = all(slot in SHORT for slot in layer.steps)
        steps = "".join(SHORT[slot] for slot in layer.steps) if is_short else " ".join(layer.steps)
        rows.append((legible(name), *map(str, (layer.rows, layer.tokens, layer.half_width)), f"{share:.1%}", steps))
    yield from aligned(rows, indent)
    if set(counts) & set(SHORT):
        yield f"{indent}{', '.join(f'{letter} {slot}' for slot, letter in SHORT.items())}"
