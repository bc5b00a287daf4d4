"""Whether the time of a plan is the sum of its parts (``make attention-architecture``), into section "time-model".

Each part is timed alone, on the tokens that it gets in a real call: the denoiser without self-attention, and a layer's
attention under each strategy, kept residuals included. A plan's time is then steps x (the first) + the sum over its slots; it
stands beside what the runner measured of the whole.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
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
from effbench_baselines.dit_fast_attn.installing import ProcessorSwap
from effbench_baselines.dit_fast_attn.sharing import AttentionSharing, PlannedSharing, SharingProcessor

REPEATS = 5
"""Calls of each part; the median counts, and the first, which finds cold caches, is one more that does not."""
PLANNED = "dit-fast-attn-drawn"
"""The method whose plans are taken apart."""


@dataclass(frozen=True)
class Part:
    """What a layer does at a step: its slot, and whether it keeps what a window leaves out."""

    slot: str
    keeps_residual: bool


class Without(ProcessorSwap):  # type: ignore[misc]
    """Leaves self-attention out: what a layer is given comes out of it, and is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, Any] = {}

    def processor_of(self, layer: AttentionLayer) -> Any:
        """Return a processor that passes its input on."""

        def passed(attn: Any, hidden_states: Any, *_: Any, **__: Any) -> Any:
            self.given[layer.name] = hidden_states
            return hidden_states

        return passed


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


def timed(run: Callable[[], Any]) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(REPEATS + 1):
        start = perf_counter()
        run()
        seconds.append(perf_counter() - start)
    return median(seconds[1:])


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


def lines(view: StoreView) -> list[str]:
    """Return the table of all cells whose method is one drawn plan."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
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
    plugin, link = tasks.get(cell.identity.task), cell.identity.chain[0]
    task = plugin(plugin.Params(**cell.identity.task_params))
    ctx = Context(calibration=lambda: task.samples("calibration"), run=task.run)
    system = task.load(ctx)
    of = methods.get(link.use)
    artifact = of(of.Params(**link.passed)).prepare(system, ctx)
    plan = AttentionPlan.model_validate(artifact.config["attention_plan"])
    full, planned = predicted_ms(task, system, plan)
    reference = next(c for c in view.cells if c.task_id == cell.task_id and c.role == "reference")
    values = {
        c.method_id: {name: number_of(c, name) for name in (MEDIAN, "gflop_per_sample")} for c in (cell, reference)
    }

    def value(of: CellRecord, name: str) -> float:
        number = values[of.method_id][name]
        assert number is not None
        assert number.value is not None
        return number.value

    measured = value(cell, MEDIAN)
    operations = value(cell, "gflop_per_sample") / value(reference, "gflop_per_sample")
    ratio = measured / value(reference, MEDIAN)
    shown = rounded(measured, None, None)[0]
    return (
        f"| {cell.task_id} | {cell.method_id} | {plan.share:.1%} | {operations:.1%} | {planned / full:.1%} | {ratio:.1%} | "
        f"{shown} / {rounded(planned, None, None)[0]} | {measured / planned - 1:+.1%} |"
    )


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--page", required=True, type=Path)
    given = parser.parse_args()
    replace_section(given.page, "time-model", "\n".join(lines(read_store(given.store))))


if __name__ == "__main__":
    main()
