"""DiTFastAttn's plan search: step by step and layer by layer, the first strategy whose loss is below the layer's budget.

At each step the denoiser runs once in full on what the compressed steps before it led to. Then layer by layer, with those
before it as chosen and those after it in full, the strategies are tried in a fixed order; layer i of L (from 1, in the order
in which they run) may cost i / L of the threshold. Step 0 has nothing to reuse and stays full. So do layers whose candidates
all cost too much. What runs before the layer that is tried is as it was, and is not run again (``resuming.py``).

The search stands where the denoiser's ``forward`` stood, for the time of one sampling call. It needs no hook on it, so that a
sampler that calls ``forward`` itself is searched too; one that runs past both is an error, not a plan without compression.

A slot whose two halves of guidance are equal bit by bit, as before the first cross-attention, shares them at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from effbench.api import Context, PluginError, Sample
from effbench.diffusion import DenoiserCall, DiffusionSystem
from effbench.diffusion.attention_plan import SHARED, WINDOWED, LayerShape, LayerSlots
from effbench.diffusion.guidance import BATCH_ORDERS, GuidanceOrder
from effbench.diffusion.observing import replaced
from effbench_baselines.dit_fast_attn.installing import replaceable_layers
from effbench_baselines.dit_fast_attn.loss import LossName, loss
from effbench_baselines.dit_fast_attn.resuming import ResumedRuns
from effbench_baselines.dit_fast_attn.shapes import halves_agree, is_worth_it, shape_of
from effbench_baselines.dit_fast_attn.sharing import AttentionSharing, ResidualHalf, SharingProcessor
from effbench_baselines.dit_fast_attn.tokens import SelfTokens

ORDER = ("ast", "wa-rs+asc", "wa-rs", "asc")
"""In which strategies are tried: the cheapest first, as in the released code."""


@dataclass(frozen=True)
class Found:
    """The layers with their slots, in the order in which they run, and what the search saw on its way."""

    layers: Mapping[str, LayerSlots]
    model_calls: int
    without_windows: Sequence[str]
    accepted: Mapping[tuple[int, str], tuple[float, float]]
    """(step, layer) -> (loss, budget) of each slot that is not full for want of a candidate."""


def search(
    system: DiffusionSystem,
    ctx: Context,
    samples: Sequence[Sample],
    *,
    threshold: float,
    loss_name: LossName,
    width_share: float,
    short_windows: bool = False,
    residual_half: ResidualHalf = "kept",
) -> Found:
    """Return the plan that the greedy search finds on one batch of samples; the system is as it was afterwards.

    Raises ``PluginError`` where a sampling call took other steps than the search saw.
    """
    trial = AttentionTrial(len(samples), width_share, short_windows, residual_half)
    runs = ResumedRuns(system.denoiser, replaceable_layers(system))
    driver = GreedyDriver(trial, system.denoiser.forward, runs, threshold, loss_name, ctx)
    with runs.installed(), replaced(system.denoiser, "forward", driver.forward):
        ctx.run(system.observed_by(trial), samples, ctx.seed)
    if len(driver.chosen) != system.steps:
        raise PluginError(
            f"the search saw {len(driver.chosen)} steps of {system.steps}: the sampler runs the denoiser past it"
        )
    layers = {
        name: LayerSlots(**shape.model_dump(), steps=tuple(step[name] for step in driver.chosen))
        for name, shape in trial.shapes.items()
    }
    return Found(layers, driver.calls, [name for name in layers if not trial.has_window(name)], driver.accepted)


class AttentionTrial(AttentionSharing):  # type: ignore[misc]
    """Runs what is being tried, and takes note of the layers: their order, their shapes, and whose halves agree."""

    def __init__(
        self, samples: int, width_share: float, short_windows: bool, residual_half: ResidualHalf = "kept"
    ) -> None:
        super().__init__(residual_half)
        self.samples, self.width_share, self.short_windows = samples, width_share, short_windows
        self.slots: Mapping[str, str] = {}
        self.shapes: dict[str, LayerShape] = {}
        self.agreeing: set[str] = set()

    def slot(self, layer: str, step: int) -> str:
        """Return what is being tried."""
        return self.slots.get(layer, "full")

    def half_width(self, layer: str) -> int:
        """Return the window's."""
        return self.shapes[layer].half_width

    def has_window(self, layer: str) -> bool:
        """Return whether windows are tried in a layer: where they save time worth having, or wherever asked to."""
        return self.short_windows or is_worth_it(self.shapes[layer])

    def candidates(self, layer: str, order: GuidanceOrder) -> list[str]:
        """Return what may be tried in a layer in place of full attention, in the order in which it is."""
        left_out: set[str] = set()
        if order not in BATCH_ORDERS:
            left_out |= set(SHARED)
        if not self.has_window(layer):
            left_out |= set(WINDOWED)
        if layer in self.agreeing:
            left_out |= {"wa-rs", "asc"}  # the first costs twice what its twin does, the second is what it has already
        return [strategy for strategy in ORDER if strategy not in left_out]

    def keeps_residual(self, layer: str, step: int) -> bool:
        """Return whether a later step may need it, of which nothing is known yet."""
        return self.has_window(layer)

    def processor_of(self, layer: Any) -> SharingProcessor:
        """Return a processor that takes note of its layer."""
        return NotedProcessor(layer.name, self)


class NotedProcessor(SharingProcessor):  # type: ignore[misc]
    """A processor that tells its trial what it is given."""

    sharing: AttentionTrial

    def output(self, tokens: SelfTokens, call: DenoiserCall) -> torch.Tensor:
        """Return the layer's output; of the step's full run, note what is asked."""
        trial = self.sharing
        if self.layer not in trial.shapes:
            trial.shapes[self.layer] = shape_of(tokens, trial.samples, trial.width_share)
        if not trial.slots and halves_agree(tokens, call):
            trial.agreeing.add(self.layer)
        y: torch.Tensor = super().output(tokens, call)
        return y


@dataclass
class GreedyDriver:
    """Stands where the denoiser's ``forward`` stood: the first run of a step searches, the others do what it chose."""

    trial: AttentionTrial
    run: Callable[..., Any]
    resumed: ResumedRuns
    threshold: float
    loss_name: LossName
    ctx: Context
    chosen: list[dict[str, str]] = field(default_factory=list)
    accepted: dict[tuple[int, str], tuple[float, float]] = field(default_factory=dict)
    calls: int = 0

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the denoiser gives under the slots chosen for this step, which its first run chooses."""
        call = self.trial.running()
        if call.step.index == len(self.chosen):
            return self._searched(call, args, kwargs)
        return self._tried(self.chosen[call.step.index], args, kwargs)

    def _tried(self, slots: Mapping[str, str], args: Any, kwargs: Any, changed: str | None = None) -> Any:
        self.trial.slots = slots
        self.calls += 1
        return self.resumed.run(lambda: self.run(*args, **kwargs), changed)

    def _searched(self, call: DenoiserCall, args: Any, kwargs: Any) -> Any:
        step, memory = call.step.index, self.trial.memory
        before = dict(memory.table)
        self.trial.agreeing = set()
        best = self._tried({}, args, kwargs)
        self.resumed.accept()
        reference, after, layers = best[0], dict(memory.table), list(self.trial.shapes)
        slots = {layer: "asc" if layer in self.trial.agreeing else "full" for layer in layers}
        for place, layer in enumerate(layers, start=1):
            self.ctx.progress(step + (place - 1) / len(layers), call.step.count, "searching an attention plan")
            budget = self.threshold * place / len(layers)
            for candidate in self.trial.candidates(layer, call.order) if step else ():
                start = self.resumed.place(layer)
                is_done = {name: self.resumed.place(name) < start for name in layers}
                memory.table = {at: kept for at, kept in before.items() if not is_done[at.layer]}
                memory.table |= {at: kept for at, kept in after.items() if is_done[at.layer]}
                output = self._tried({**slots, layer: candidate}, args, kwargs, layer)
                found = loss(self.loss_name, reference, output[0])
                if found < budget:
                    slots[layer], best, after = candidate, output, dict(memory.table)
                    self.accepted[step, layer] = (found, budget)
                    self.resumed.accept()
                    break
        memory.table = after
        self.chosen.append(slots)
        return best
