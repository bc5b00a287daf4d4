"""DiTFastAttn (Yuan et al., arXiv 2406.08552): attention that is not computed where it is redundant.

Over the steps of a sampler self-attention repeats itself in three ways, and each has its shortcut: a window of near tokens
plus what the window left out at an earlier step, the output of the step before, and the conditional half's output for both
halves of guidance. A greedy search decides for each layer and step (``greedy.py``). Cross-attention and feed-forward layers
stay as they are.

Unlike the released code: the residual is that of the half that was kept; the plan is tied to the order of guidance, revision,
scheduler and size; the step is the scheduler's; nothing is left in the model between calls; halves that are equal bit by bit
are always shared; over few tokens windows, which save next to nothing there, give way to full attention; operations are
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from pydantic import Field

from effbench.api import Context, Sample, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench.diffusion.attention_plan import AttentionPlan
from effbench_baselines.dit_fast_attn.claims import CLAIMS
from effbench_baselines.dit_fast_attn.planned import AttentionPlanMethod, PlanParams

Preset = Literal["D1", "D2", "D3", "D4", "D5", "D6"]
PRESETS: dict[Preset, float] = dict(zip(get_args(Preset), (0.025, 0.05, 0.075, 0.1, 0.125, 0.15)))
"""The paper's six configurations (section 4.1): thresholds of the loss as the released code computes it."""


class DiTFastAttn(AttentionPlanMethod):  # type: ignore[misc]
    """Skip redundant self-attention as a greedy search over layers and steps finds it."""

    name = "dit-fast-attn"
    claims = CLAIMS

    class Params(PlanParams):  # type: ignore[misc]
        """Parameters of the method."""

        threshold: Annotated[
            Preset | Annotated[float, Field(ge=0)],
            Field(description="Loss that the last layer may cost at a step, the others less; D1 to D6: 0.025 to 0.15."),
        ] = "D4"
        loss: Annotated[
            Literal["code", "paper"],
            Field(description="Formula of the loss; D1 to D6 were published for the released code's."),
        ] = "code"
        residual_half: Annotated[
            Literal["kept", "first"],
            Field(description="Half whose residual a shared window adds; `first`: the released code's error."),
        ] = "kept"

    def __init__(self, params: StrictParams | None = None) -> None:
        """Take the parameters."""
        super().__init__(params)
        self.residual_half = self.params.residual_half

    @property
    def threshold(self) -> float:
        """Return the threshold as a number."""
        asked = self.params.threshold
        return PRESETS[asked] if asked in PRESETS else float(asked)

    def search(self, system: DiffusionSystem, ctx: Context, samples: Sequence[Sample]) -> AttentionPlan:
        """Return the plan of the greedy search."""
        from effbench_baselines.dit_fast_attn.greedy import search

        found = search(
            system,
            ctx,
            samples,
            threshold=self.threshold,
            loss_name=self.params.loss,
            width_share=self.params.half_width,
            short_windows=self.params.short_windows,
            residual_half=self.residual_half,
        )
        said = {
            "loss": self.params.loss,
            "threshold": self.threshold,
            "half_width": self.params.half_width,
            "residual_half": self.residual_half,
            "samples": len(samples),
            "model_calls": found.model_calls,
        }
        return AttentionPlan.of(self.name, system.settings(), said, found.layers)
