"""Where attention's time goes: how much there is to gain, and whether the time of a plan is the sum of its parts.

``--section ceiling``: for every task of some stores, how near the machine's roofline a sample comes, the share of
self-attention (projections included) in its operations and in its time, and the ceiling 1 / (1 - share) that no skipping of
it passes. Timed on as many threads as the store's times are of.

``--section time-model``: for every drawn plan, each part timed alone on the tokens that it gets in a real call: the denoiser
without self-attention, and a layer's attention under each strategy, kept residuals included. A plan's time is then steps x
(the first) + the sum over its slots; it stands beside what the runner measured of the whole.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from effbench.api import Context
from effbench.catalogue import MEDIAN
from effbench.diffusion import AttentionLayer, DenoiserCall, DiffusionSystem, Step
from effbench.diffusion.attention_plan import AttentionPlan, LayerSlots
from effbench.record import CellRecord
from effbench.registry import methods, tasks
from effbench.report.rounding import rounded
from effbench.report.summarise import number_of
from effbench.section import replace_section
from effbench.store import StoreView, read_store
from effbench_baselines.dit_fast_attn.greedy import AttentionTrial
from effbench_baselines.dit_fast_attn.installing import ProcessorSwap, replaceable_layers
from effbench_baselines.dit_fast_attn.sharing import AttentionSharing, PlannedSharing, SharingProcessor

REPEATS = 3
"""Calls of each part; the median counts, and the first, which finds cold caches, is one more that does not."""
PAIRS = 7
"""Turns of a whole sample and one without self-attention: of three, the share of a tenth came out below zero once."""
FLOPS = "gflop_per_sample"
"""The number of a record that says operations, in 1e9."""
PLANNED = "dit-fast-attn-drawn"
"""The method whose plans are taken apart."""


@dataclass(frozen=True)
class Part:
    """What a layer does at a step: its slot, and whether it keeps what a window leaves out."""

    slot: str
    keeps_residual: bool


class PassedOn:
    """A processor that computes nothing; a class, since diffusers reads a plain function's signature for 0.2 ms a call."""

    def __init__(self, layer: str, given: dict[str, Any]) -> None:
        self.layer, self.given = layer, given

    def __call__(self, attn: Any, hidden_states: Any, *_: Any, **__: Any) -> Any:
        """Return what the layer is given, and note it."""
        self.given[self.layer] = hidden_states
        return hidden_states


class Without(ProcessorSwap):  # type: ignore[misc]
    """Leaves self-attention out: what a layer is given comes out of it, and is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, Any] = {}

    def processor_of(self, layer: AttentionLayer) -> Any:
        """Return a processor that passes its input on."""
        return PassedOn(layer.name, self.given)


class OnePart(AttentionSharing):  # type: ignore[misc]
    """Runs one layer under one part after a full step, with everything kept that the part uses."""

    def __init__(self, part: Part, half_width: int, order: Any) -> None:
        super().__init__()
        self.part, self.width = part, half_width
        self.call = DenoiserCall(Step(0, 2, 0, 0.0), order)

    def slot(self, layer: str, step: int) -> str:
        """Return full attention first, and the part's slot then."""
        return self.part.slot if step else "full"

    def half_width(self, layer: str) -> int:
        """Return the plan's."""
        return self.width

    def keeps_residual(self, layer: str, step: int) -> bool:
        """Return whether it is kept: of the full step always."""
        return self.part.keeps_residual or not step


def seconds_of(run: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    start = perf_counter()
    run()
    return perf_counter() - start


def timed(run: Callable[[], Any]) -> float:
    """Return the median seconds of a call."""
    return median([seconds_of(run) for _ in range(REPEATS + 1)][1:])


def share_left(full: Callable[[], Any], bare: Callable[[], Any]) -> float:
    """Return the median of the seconds of ``bare`` over those of ``full``, turn by turn: a small share is no drift then."""
    return median([seconds_of(bare) / seconds_of(full) for _ in range(PAIRS + 1)][1:])


def part_seconds(layer: AttentionLayer, tokens: Any, part: Part, slots: LayerSlots, order: Any) -> float:
    """Return what a layer's attention takes under one part."""
    sharing = OnePart(part, slots.half_width, order)
    processor, before = SharingProcessor(layer.name, sharing), layer.module.processor
    layer.module.processor = processor
    try:
        layer.module(tokens)
        kept = dict(sharing.memory.table)
        sharing.call = DenoiserCall(Step(1, 2, 0, 0.0), order)

        def run() -> None:
            sharing.memory.table = dict(kept)
            layer.module(tokens)

        return timed(run)
    finally:
        layer.module.processor = before


def parts_of(plan: AttentionPlan) -> dict[str, list[Part]]:
    """Return layer -> what it does step by step."""
    sharing = PlannedSharing(plan)
    return {
        name: [Part(slot, sharing.keeps_residual(name, step)) for step, slot in enumerate(layer.steps)]
        for name, layer in plan.layers.items()
    }


def predicted_ms(task: Any, system: DiffusionSystem, plan: AttentionPlan) -> tuple[float, float]:
    """Return the ms of one sample in full and under a plan, summed from parts that were timed alone.

    Layers of one model have one shape: the first stands for all.
    """
    import torch

    batch, without = task.samples("evaluation")[:1], Without()
    bare = system.observed_by(without)
    with torch.no_grad():
        rest = timed(lambda: task.run(bare, batch, 0))
        layers = {layer.name: layer for layer in system.attention_layers()}
        first = next(iter(plan.layers))
        everything = {Part("full", False)} | {part for row in parts_of(plan).values() for part in row}
        seconds = {
            part: part_seconds(layers[first], without.given[first], part, plan.layers[first], system.guidance_order)
            for part in everything
        }
    full = rest + len(plan.layers) * system.steps * seconds[Part("full", False)]
    planned = rest + sum(seconds[part] for row in parts_of(plan).values() for part in row)
    return 1e3 * full, 1e3 * planned


def ceilings(views: Sequence[StoreView]) -> list[str]:
    """Return the table of what self-attention takes in each task."""
    found = [
        "| task | tokens | threads | FLOP/B, unfused | of the roofline | attention, of operations | of the time | ceiling |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    references = [cell for view in views for cell in view.cells if cell.role == "reference"]
    return found + [line for cell in references if (line := _ceiling(cell))]


def _ceiling(cell: CellRecord) -> str:
    import torch

    torch.set_num_threads(cell.provenance.threads or os.cpu_count() or 1)
    task, _, system = loaded(cell)
    trial, batch = AttentionTrial(1, 1 / 8, True), task.samples("evaluation")[:1]
    if not replaceable_layers(system):
        return ""
    task.run(system.observed_by(trial), batch, 0)
    bare = system.observed_by(Without())
    with torch.no_grad():
        left = share_left(lambda: task.run(system, batch, 0), lambda: task.run(bare, batch, 0))
    operations = sum(shape.flops("full") for shape in trial.shapes.values()) * system.steps
    share = 1 - left
    tokens = ", ".join(f"{n:,}" for n in sorted({shape.tokens for shape in trial.shapes.values()}, reverse=True))
    whole = 1e9 * value_of(cell, FLOPS)
    ceiling = f"{1 / (1 - share):.2f}" if share > 0 else "1"
    before = (
        f"{torch.get_num_threads()} | {value_of(cell, 'flop_per_byte'):.3g} | {value_of(cell, 'roofline_share'):.0%}"
    )
    return f"| {cell.task_id} | {tokens} | {before} | {operations / whole:.0%} | {share:.0%} | {ceiling} |"


def loaded(cell: CellRecord) -> tuple[Any, Context, Any]:
    """Return (task, context, system) of a cell."""
    plugin = tasks.get(cell.identity.task)
    task = plugin(plugin.Params(**cell.identity.task_params))
    ctx = Context(calibration=lambda: task.samples("calibration"), run=task.run)
    return task, ctx, task.load(ctx)


def value_of(cell: CellRecord, name: str) -> float:
    """Return a number that a cell must have."""
    number = number_of(cell, name)
    if number is None or number.value is None:
        raise SystemExit(f"{cell.task_id}/{cell.method_id} has no {name}")
    return number.value


def lines(view: StoreView) -> list[str]:
    """Return the table of all cells whose method is one drawn plan."""
    found = [
        "| task | plan | attention's operations | all operations | time, of parts | time, measured | ms, measured / parts | "
        "off by |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for cell in view.cells:
        if [link.use for link in cell.identity.chain] == [PLANNED]:
            found.append(_line(view, cell))
    return found


def _line(view: StoreView, cell: CellRecord) -> str:
    task, ctx, system = loaded(cell)
    link = cell.identity.chain[0]
    of = methods.get(link.use)
    artifact = of(of.Params(**link.passed)).prepare(system, ctx)
    plan = AttentionPlan.model_validate(artifact.config["attention_plan"])
    full, planned = predicted_ms(task, system, plan)
    reference = next(c for c in view.cells if c.task_id == cell.task_id and c.role == "reference")
    measured = value_of(cell, MEDIAN)
    operations = value_of(cell, FLOPS) / value_of(reference, FLOPS)
    ratio = measured / value_of(reference, MEDIAN)
    shown = rounded(measured, None, None)[0]
    return (
        f"| {cell.task_id} | {cell.method_id} | {plan.share:.1%} | {operations:.1%} | {planned / full:.1%} | {ratio:.1%} | "
        f"{shown} / {rounded(planned, None, None)[0]} | {measured / planned - 1:+.1%} |"
    )


def main() -> None:
    """Write a section."""
    import torch

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stores", type=Path, nargs="+")
    parser.add_argument("--page", required=True, type=Path)
    parser.add_argument("--section", choices=("ceiling", "time-model"), required=True)
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    views = [read_store(store) for store in given.stores]
    found = ceilings(views) if given.section == "ceiling" else lines(views[0])
    replace_section(given.page, given.section, "\n".join(found))


if __name__ == "__main__":
    main()
