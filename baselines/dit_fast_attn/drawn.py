"""A control for searched plans: one drawn at random, of at most so many operations.

What a search found is worth what it is above such plans at equal operations. And where weights are random, so that no loss
says anything, a drawn plan has the operations of a published one: times need no more.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from effbench.api import Context, PluginError, Sample
from effbench.diffusion import DiffusionSystem
from effbench.diffusion.attention_plan import AttentionPlan, LayerShape, LayerSlots
from effbench_baselines.dit_fast_attn.greedy import AttentionTrial
from effbench_baselines.dit_fast_attn.planned import AttentionPlanMethod, PlanParams


class DiTFastAttnDrawn(AttentionPlanMethod):  # type: ignore[misc]
    """Skip self-attention where a draw says so, down to a share of its operations: the control of searched plans."""

    name = "dit-fast-attn-drawn"

    class Params(PlanParams):  # type: ignore[misc]
        """Parameters of the method."""

        share: Annotated[
            float,
            Field(gt=0, le=1, description="Most operations of attention, projections included, as a share of full."),
        ] = 0.5
        seed: Annotated[int, Field(ge=0, description="Of the draw.")] = 0

    def search(self, system: DiffusionSystem, ctx: Context, samples: Sequence[Sample]) -> AttentionPlan:
        """Return a drawn plan of layers that one sampling call showed; equal halves of guidance are always shared."""
        trial = AttentionTrial(len(samples), self.params.half_width, self.params.short_windows)
        ctx.run(system.observed_by(trial), samples, ctx.seed)
        said = {"share": self.params.share, "seed": self.params.seed, "half_width": self.params.half_width}
        return AttentionPlan.of(self.name, system.settings(), said, self._drawn(trial, system))

    def _drawn(self, trial: AttentionTrial, system: DiffusionSystem) -> dict[str, LayerSlots]:
        """Return layers whose slots, in random order, have random cheaper strategies until few enough operations are left."""
        rng, shapes, steps = np.random.default_rng(self.params.seed), trial.shapes, range(system.steps)
        slots = {name: ["asc" if name in trial.agreeing else "full" for _ in steps] for name in shapes}
        full = sum(shape.flops("full") for shape in shapes.values()) * len(steps)
        left = sum(shapes[name].flops(slot) for name, row in slots.items() for slot in row)
        while left > self.params.share * full:
            cheaper = {
                (name, step): found
                for name, step in itertools.product(slots, steps[1:])
                if (found := _cheaper(shapes[name], slots[name][step], trial.candidates(name, system.guidance_order)))
            }
            if not cheaper:
                raise PluginError(
                    f"share {self.params.share}: the first of {len(steps)} steps computes everything, which alone is "
                    f"{left / full:.2f} of attention's operations"
                )
            places = list(cheaper)
            for name, step in (places[i] for i in rng.permutation(len(places))):
                before, slots[name][step] = slots[name][step], str(rng.choice(cheaper[name, step]))
                left += shapes[name].flops(slots[name][step]) - shapes[name].flops(before)
                if left <= self.params.share * full:
                    break
        return {name: LayerSlots(**shapes[name].model_dump(), steps=tuple(row)) for name, row in slots.items()}


def _cheaper(shape: LayerShape, slot: str, candidates: Sequence[str]) -> list[str]:
    """Return those of some strategies that cost less than a slot does."""
    return [candidate for candidate in candidates if shape.flops(candidate) < shape.flops(slot)]
