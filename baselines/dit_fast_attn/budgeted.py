"""Plans under a budget of operations: the best strategies of layers, and of single heads, by an integer programme.

``dit-fast-attn-optimal`` is ours: DiTFastAttn's strategies, but chosen all at once under a budget, by measured influences on
the final latent (``influence.py``, ``optimum.py``), in place of a greedy search under a threshold.

``dit-fast-attn-v2`` follows DiTFastAttnV2 (arXiv 2503.22796), of which only the abstract could be had: each head is full,
windowed (in joint attention text stays dense, "arrow"), or its output of an earlier step, chosen by an integer programme over
local errors. Ours weighs local errors by what they do to the final latent. Its fused kernel has no twin here: heads of one
kind run as one batch, and projections are always computed, so that only the core of attention gets cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from effbench.api import Context, Sample
from effbench.diffusion import DiffusionSystem
from effbench.diffusion.attention_plan import AttentionPlan
from effbench_baselines.dit_fast_attn.claims import SUCCESSOR_CLAIMS
from effbench_baselines.dit_fast_attn.planned import AttentionPlanMethod, PlanParams


class DiTFastAttnOptimal(AttentionPlanMethod):  # type: ignore[misc]
    """Skip redundant self-attention as an integer programme chooses it under a budget of operations."""

    name = "dit-fast-attn-optimal"

    class Params(PlanParams):  # type: ignore[misc]
        """Parameters of the method."""

        budget: Annotated[
            float,
            Field(gt=0, le=1, description="Most operations of attention, projections included, as a share of full."),
        ] = 0.75
        oldest: Annotated[
            int, Field(ge=1, description="Most steps that an output or a residual is used after it was made.")
        ] = 3

    def search(self, system: DiffusionSystem, ctx: Context, samples: Sequence[Sample]) -> AttentionPlan:
        """Return the plan of the least predicted error within the budget."""
        from effbench_baselines.dit_fast_attn.influence import LayerInfluence
        from effbench_baselines.dit_fast_attn.optimum import layer_prices

        return self._optimal(system, ctx, samples, LayerInfluence, layer_prices)

    def _optimal(
        self, system: DiffusionSystem, ctx: Context, samples: Sequence[Sample], trial_class: Any, prices_of: Any
    ) -> AttentionPlan:
        from effbench_baselines.dit_fast_attn.influence import measure_influences
        from effbench_baselines.dit_fast_attn.optimum import optimum, planned_layers

        params = self.params
        trial = trial_class(system, len(samples), params.half_width, params.short_windows, params.oldest)
        measured = measure_influences(system, ctx, samples, trial)
        found = optimum(measured.influences, prices_of(measured.shapes), params.budget)
        said = {
            "budget": params.budget,
            "predicted_squared_error": found.influence / len(samples),
            "proved_gap": found.gap,
            "half_width": params.half_width,
            "oldest": params.oldest,
            "samples": len(samples),
            "model_calls": measured.model_calls,
        }
        layers = planned_layers(measured.shapes, found.choices)
        return AttentionPlan.of(self.name, system.settings(), said, layers)


class DiTFastAttnV2(DiTFastAttnOptimal):
    """Choose for each head: full attention, a window, or its output of an earlier step, under a budget of operations."""

    name = "dit-fast-attn-v2"
    claims = SUCCESSOR_CLAIMS

    class Params(PlanParams):  # type: ignore[misc]
        """Parameters of the method."""

        budget: Annotated[
            float,
            Field(gt=0, le=1, description="Most operations of attention without its projections, as a share of full."),
        ] = 0.5
        oldest: Annotated[
            int, Field(ge=1, description="Most steps that a head's output is used after it was computed.")
        ] = 3

    def search(self, system: DiffusionSystem, ctx: Context, samples: Sequence[Sample]) -> AttentionPlan:
        """Return the plan of the least predicted error within the budget, head by head."""
        from effbench_baselines.dit_fast_attn.influence import HeadInfluence
        from effbench_baselines.dit_fast_attn.optimum import head_prices

        return self._optimal(system, ctx, samples, HeadInfluence, head_prices)
