"""What the three methods have in common: a plan that is searched or read, put to work, and what it says about itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Context, Fact, Method, PluginError, Sample, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench.diffusion.attention_plan import TIED, AttentionPlan, read_attention_plan
from effbench.errors import BadInput

if TYPE_CHECKING:
    from effbench_baselines.dit_fast_attn.sharing import PlannedSharing


class PlanParams(StrictParams):
    """Parameters of every attention plan."""

    half_width: Annotated[
        float, Field(gt=0, le=1, description="Tokens that a window reaches to either side, as a share of all.")
    ] = 1 / 8
    short_windows: Annotated[
        bool,
        Field(description="Windows over few tokens, too (64 and fewer), where they save next to no time."),
    ] = False
    samples: Annotated[int, Field(ge=1, description="Calibration samples that the search looks at, in one batch.")] = 6
    plan: Annotated[str | None, Field(description="An attention plan's file, in place of the search.")] = None


class AttentionPlanMethod(Method):
    """A method that is a plan of attention layers over steps. Its preparation is the search for it."""

    accepts = (DiffusionSystem,)
    tied_to = TIED

    residual_half: Literal["kept", "first"] = "kept"

    @abstractmethod
    def search(self, system: DiffusionSystem, ctx: Context, samples: Sequence[Sample]) -> AttentionPlan:
        """Return the plan for a system."""

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Search the plan, or take the file's; the artifact is the plan, and which layers have no windows and why."""
        from effbench_baselines.dit_fast_attn.installing import replaceable_layers
        from effbench_baselines.dit_fast_attn.shapes import is_worth_it, without_windows

        layers, given = replaceable_layers(system), self._given_plan()
        if given is not None:
            given.require(system.settings(), layers, str(self.params.plan))
            plan = given
        else:
            samples = list(ctx.calibration())[: self.params.samples]
            if not samples:
                raise PluginError(
                    "the task gives no calibration samples, without which no attention plan can be searched"
                )
            plan = self.search(system, ctx, samples)
        short = [name for name, layer in plan.layers.items() if not is_worth_it(layer)]
        if short and not self.params.short_windows:
            plan = without_windows(plan, short)
        said = {
            "windows": "everywhere" if self.params.short_windows or not short else _full_in(short, len(plan.layers)),
            "given_sha256": None if given is None else given.sha256,
        }
        return Artifact({}, {"attention_plan": plan.content(), **said})

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system, followed by what swaps its attention processors for the time of each sampling call."""
        from effbench_baselines.dit_fast_attn.installing import replaceable_layers
        from effbench_baselines.dit_fast_attn.sharing import PlannedSharing

        plan, given = AttentionPlan.model_validate(artifact.config["attention_plan"]), self._given_plan()
        if given is not None and given.sha256 != artifact.config["given_sha256"]:
            raise PluginError(f"{self.params.plan}: the plan was changed after this cell was prepared from it")
        plan.require(system.settings(), replaceable_layers(system))
        return system.observed_by(PlannedSharing(plan, self.residual_half))

    def facts(self, system: DiffusionSystem) -> Mapping[str, Fact | float]:
        """Return shares of attention's operations, of slots by strategy, and what a sample has layers keep between steps."""
        from effbench_baselines.dit_fast_attn.accounts import plan_facts

        facts: dict[str, Fact | float] = plan_facts(self._sharing(system).plan, system.dtype.itemsize)
        return facts

    def _sharing(self, system: DiffusionSystem) -> PlannedSharing:
        from effbench_baselines.dit_fast_attn.sharing import PlannedSharing

        found: PlannedSharing = next(o for o in reversed(system.observers) if isinstance(o, PlannedSharing))
        return found

    def _given_plan(self) -> AttentionPlan | None:
        """Return the plan that the parameters name, if any; raise ``PluginError`` where it cannot be used."""
        if self.params.plan is None:
            return None
        try:
            return read_attention_plan(Path(self.params.plan))
        except BadInput as error:
            raise PluginError(str(error)) from None


def _full_in(short: Sequence[str], count: int) -> str:
    return (
        f"full attention in their place in {len(short)} of {count} layers: over so few tokens a window saves "
        "a fraction of a tenth of a millisecond a call at most (short_windows: true has them all the same)"
    )
