"""What each strategy does to the final latent, measured: one layer or head at one step at a time.

On the trajectory of full attention three factors are measured, whose product is a strategy's influence::

    influence = |e|^2 * gain * weight

``e`` is the error that a strategy makes in its layer's output, *guided*: g e_c - (g - 1) e_u of the two halves, as guidance
adds them. All strategies are read off the full run, which costs next to nothing. ``gain`` is |change of the guided denoiser
output|^2 / |nudge|^2, of one run a layer and step in which the layer's output is nudged towards an earlier one. ``weight`` is
|change of the final latent|^2 / |change of the guided output|^2, of one sampling call a step in which all layers are nudged.

Nudges are small, so that gains are those of small errors: large ones saturate, and would make small ones look harmless. The
squares of small independent errors add up, so influences are additive; of correlated and of large errors that is not true.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from effbench.api import Context, Output, PluginError, Sample
from effbench.diffusion import DenoiserCall, DiffusionSystem
from effbench.diffusion.attention_plan import LayerShape
from effbench.diffusion.guidance import BATCH_ORDERS
from effbench.diffusion.observing import replaced
from effbench_baselines.dit_fast_attn.greedy import AttentionTrial, NotedProcessor
from effbench_baselines.dit_fast_attn.installing import replaceable_layers
from effbench_baselines.dit_fast_attn.memory import KeptState, LayerPlace
from effbench_baselines.dit_fast_attn.resuming import KeptOutput, ResumedRuns
from effbench_baselines.dit_fast_attn.sharing import SharingProcessor
from effbench_baselines.dit_fast_attn.tokens import SelfTokens
from effbench_baselines.dit_fast_attn.windows import windowed


class Choice(NamedTuple):
    """What a unit may do at a step: a slot (of a head: a letter), which of what age, and whose residual a window adds.

    ``age`` is the number of steps to what is used again, 0 where nothing is. ``from_shared``: it was left by a shared step.
    """

    slot: str
    age: int = 0
    from_shared: bool = False


class Unit(NamedTuple):
    """What chooses for itself: a layer, or one of its heads."""

    layer: str
    head: int | None = None


NUDGE = 0.1
"""Share of the way to an earlier output: its change is then well above rounding, and its square is still linear."""

Table = dict[Unit, list[dict[Choice, float]]]
"""Unit -> step -> choice -> influence on the squared error of the final latent."""


@dataclass(frozen=True)
class MeasuredInfluences:
    """The influences of all units, the shapes of their layers in the order in which they run, and what it took."""

    influences: Table
    shapes: Mapping[str, LayerShape]
    model_calls: int


class InfluenceTrial(AttentionTrial):  # type: ignore[misc]
    """A trial that reads the errors of all strategies off the full run of a step."""

    def __init__(
        self, system: DiffusionSystem, samples: int, width_share: float, short_windows: bool, oldest: int
    ) -> None:
        super().__init__(samples, width_share, short_windows)
        self.guidance, self.oldest, self.is_noting = system.guidance, oldest, False
        self.errors: Table = {}
        self.history: dict[str, list[Any]] = {}
        self.apart: dict[str, float] = {}
        """Layer -> |e|^2 of what it is nudged towards, at the step that was noted last."""
        self.nudged: Collection[str] = ()
        """Layers whose output is nudged, at ``nudged_step`` if that is given."""
        self.nudged_step: int | None = None

    @abstractmethod
    def full_slot(self, layer: str) -> str:
        """Return the slot of full attention."""

    @abstractmethod
    def alternative(
        self, layer: str, y: torch.Tensor, kept: KeptState, tokens: SelfTokens, call: DenoiserCall
    ) -> torch.Tensor | None:
        """Return what a layer's output y is nudged towards, [R, N, C]; None where the layer has no choice at the step."""

    @abstractmethod
    def note(self, layer: str, tokens: SelfTokens, call: DenoiserCall) -> None:
        """Read the errors of a layer's strategies off the full run that it has just had."""

    def slot(self, layer: str, step: int) -> str:
        """Return full attention."""
        return self.full_slot(layer)

    def processor_of(self, layer: Any) -> SharingProcessor:
        """Return a processor whose errors are read."""
        return ReadProcessor(layer.name, self)

    def guided(self, delta: torch.Tensor, call: DenoiserCall) -> float:
        """Return the squared norm of what guidance makes of a change of a batch."""
        if call.order in BATCH_ORDERS:
            conditional, unconditional = delta[call.conditional(len(delta))], delta[call.unconditional(len(delta))]
            delta = self.guidance * conditional - (self.guidance - 1) * unconditional
        return float(delta.double().square().sum())

    def remember(self, layer: str, entry: Any) -> list[Any]:
        """Return what a layer had at earlier steps, the latest first, and add this step's."""
        before = self.history.setdefault(layer, [])
        self.history[layer] = [entry, *before][: self.oldest]
        return before


class ReadProcessor(NotedProcessor):  # type: ignore[misc]
    """A processor that is read after the full run of a step, and nudged in other runs."""

    sharing: InfluenceTrial

    def output(self, tokens: SelfTokens, call: DenoiserCall) -> torch.Tensor:
        """Return the layer's output, nudged where it is asked for."""
        trial, layer = self.sharing, self.layer
        kept = trial.memory.of(layer, call, tokens.x.shape)
        y: torch.Tensor = super().output(tokens, call)
        is_nudged = layer in trial.nudged and trial.nudged_step in (None, call.step.index)
        other = trial.alternative(layer, y, kept, tokens, call) if trial.is_noting or is_nudged else None
        if trial.is_noting:
            trial.note(layer, tokens, call)
            trial.apart[layer] = 0.0 if other is None else trial.guided(other - y, call)
        return y + NUDGE * (other - y) if is_nudged and other is not None else y


@dataclass
class InfluenceDriver:
    """Stands where the denoiser's ``forward`` stood: nudges each layer at each step, and goes on as in full."""

    trial: InfluenceTrial
    system: DiffusionSystem
    run: Callable[..., Any]
    resumed: ResumedRuns
    ctx: Context
    gains: list[dict[str, float]] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    """Step -> |change of the guided output|^2 where all layers are nudged."""
    given: dict[tuple[int, int, int], KeptOutput] = field(default_factory=dict)
    """(step, evaluation in it, run in that) -> what the denoiser gave in full."""
    calls: int = 0

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the denoiser gives in full."""
        call = self.trial.running()
        is_new = call.step.index >= len(self.gains)
        output = self._measured(call, args, kwargs) if is_new else self._run((), args, kwargs)
        self.given[_when(call)] = KeptOutput.of(output)
        return output

    def nudging(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the denoiser gives where one step is nudged, which starts by what the step before it left."""
        call, nudged = self.trial.running(), self.trial.nudged_step
        assert nudged is not None
        kept = self.given[_when(call)]
        if call.step.index < nudged - 1 and kept.is_intact:
            return kept.output
        self.calls += 1
        return self.run(*args, **kwargs)

    def _measured(self, call: DenoiserCall, args: Any, kwargs: Any) -> Any:
        trial = self.trial
        memory, step, before = trial.memory, call.step.index, dict(trial.memory.table)
        trial.agreeing, trial.is_noting = set(), True
        reference = self._run((), args, kwargs)
        self.resumed.accept()
        trial.is_noting, after, gains = False, dict(memory.table), {}
        asked = [layer for layer in trial.shapes if trial.apart[layer] > 0]
        for place, layer in enumerate(asked):
            self.ctx.progress(step + place / len(asked), 2 * call.step.count, "measuring influences")
            memory.table = dict(before)
            change = self._change(reference, self._run([layer], args, kwargs), call)
            gains[layer] = change / (NUDGE**2 * trial.apart[layer])
        memory.table = dict(before)
        self.changes.append(self._change(reference, self._run(asked, args, kwargs), call) if asked else 0.0)
        self.gains.append(gains)
        memory.table = after
        return reference

    def _run(self, nudged: Sequence[str], args: Any, kwargs: Any) -> Any:
        self.trial.nudged = nudged
        self.calls += 1
        return self.resumed.run(lambda: self.run(*args, **kwargs), nudged[0] if len(nudged) == 1 else None)

    def _change(self, reference: Any, changed: Any, call: DenoiserCall) -> float:
        """Return the squared norm of the change of what the sampler reads of an output; a learned variance is left out."""
        delta, channels = changed[0] - reference[0], int(self.system.denoiser.config.in_channels)
        return self.trial.guided(delta[:, :channels] if delta.shape[1] == 2 * channels else delta, call)


def measure_influences(
    system: DiffusionSystem, ctx: Context, samples: Sequence[Sample], trial: InfluenceTrial
) -> MeasuredInfluences:
    """Return the influences of all choices on one batch of samples; the system is as it was afterwards.

    Raises ``PluginError`` where a sampling call took other steps than were seen.
    """
    runs = ResumedRuns(system.denoiser, replaceable_layers(system))
    driver = InfluenceDriver(trial, system, system.denoiser.forward, runs, ctx)
    with runs.installed(), replaced(system.denoiser, "forward", driver.forward):
        reference = _latents(ctx.run(system.observed_by(trial), samples, ctx.seed))
    steps = len(driver.gains)
    if steps != system.steps:
        raise PluginError(f"{steps} steps of {system.steps} were seen: the sampler runs the denoiser past the search")
    weights = []
    for step, change in enumerate(driver.changes):
        ctx.progress(steps + step, 2 * steps, "measuring what a step's error does to the end")
        if change > 0:
            trial.nudged, trial.nudged_step = list(trial.shapes), step
            with replaced(system.denoiser, "forward", driver.nudging):
                changed = _latents(ctx.run(system.observed_by(trial), samples, ctx.seed))
            weights.append(float(np.square(changed - reference).sum()) / change)
        else:
            weights.append(0.0)
    influences = {
        unit: [
            {choice: error * driver.gains[step].get(unit.layer, 0.0) * weights[step] for choice, error in found.items()}
            for step, found in enumerate(by_step)
        ]
        for unit, by_step in trial.errors.items()
    }
    return MeasuredInfluences(influences, trial.shapes, driver.calls)


def _when(call: DenoiserCall) -> tuple[int, int, int]:
    return call.step.index, call.step.evaluation, call.number


def _latents(outputs: Sequence[Output]) -> Any:
    if any("latent" not in output for output in outputs):
        raise PluginError("the task's outputs hold no latent, by which influences are measured")
    return np.stack([np.asarray(output["latent"], np.float64) for output in outputs])


class LayerInfluence(InfluenceTrial):
    """Strategies of whole layers."""

    def full_slot(self, layer: str) -> str:
        """Return the slot of full attention."""
        return "full"

    def alternative(
        self, layer: str, y: torch.Tensor, kept: KeptState, tokens: SelfTokens, call: DenoiserCall
    ) -> torch.Tensor | None:
        """Return the earlier output where there is one, else that of the conditional half."""
        earlier: torch.Tensor | None = kept.output
        if earlier is not None or call.order not in BATCH_ORDERS:
            return earlier
        half = y[call.conditional(len(y))]
        return torch.cat([half, half])

    def note(self, layer: str, tokens: SelfTokens, call: DenoiserCall) -> None:
        """Read the errors of all strategies; halves that agree are shared, whatever else is done."""
        kept, rows, agrees = self.memory.table[LayerPlace(layer, call.number)], len(tokens.x), layer in self.agreeing
        y, left = kept.output, kept.residual
        assert y is not None
        before = self.remember(layer, (y, left))
        found = {} if agrees else {Choice("full"): 0.0}
        found |= {Choice("ast", age): self.guided(old - y, call) for age, (old, _) in enumerate(before, start=1)}
        if call.order in BATCH_ORDERS:
            shared = y[call.conditional(rows)]
            found[Choice("asc")] = 0.0 if agrees else self.guided(torch.cat([shared, shared]) - y, call)
        for age, (_, old) in enumerate(before if left is not None else (), start=1):
            moved = tokens.join(old) - tokens.join(left)
            if not agrees:
                found[Choice("wa-rs", age)] = self.guided(moved, call)
            if call.order not in BATCH_ORDERS:
                continue
            half = shared + moved[call.conditional(rows)]
            found[Choice("wa-rs+asc", age)] = self.guided(torch.cat([half, half]) - y, call)
            if not agrees:
                twice = torch.cat([old[call.conditional(rows)]] * 2)
                found[Choice("wa-rs", age, True)] = self.guided(tokens.join(twice) - tokens.join(left), call)
        self.errors.setdefault(Unit(layer), []).append(found)


class HeadInfluence(InfluenceTrial):
    """Strategies of single heads: a window without a residual, or the head's output of an earlier step."""

    def full_slot(self, layer: str) -> str:
        """Return the slot of full attention, a letter a head."""
        return "f" * int(self.shapes[layer].heads)

    def keeps_residual(self, layer: str, step: int) -> bool:
        """Return that none is: heads have windows alone."""
        return False

    def alternative(
        self, layer: str, y: torch.Tensor, kept: KeptState, tokens: SelfTokens, call: DenoiserCall
    ) -> torch.Tensor | None:
        """Return the earlier output of all heads where there is one, else that of their windows."""
        earlier: torch.Tensor | None = kept.heads
        if earlier is None and self.has_window(layer):
            earlier = windowed(*tokens.project(slice(None)), self.half_width(layer), tokens.dense, None)
        return None if earlier is None else tokens.join(earlier)

    def note(self, layer: str, tokens: SelfTokens, call: DenoiserCall) -> None:
        """Read the errors of every head's strategies, each through its own part of the output projection."""
        heads = self.memory.table[LayerPlace(layer, call.number)].heads
        assert heads is not None
        changes = {Choice("c", age): old - heads for age, old in enumerate(self.remember(layer, heads), start=1)}
        if self.has_window(layer):
            q, k, v = tokens.project(slice(None))
            changes[Choice("w")] = windowed(q, k, v, self.half_width(layer), tokens.dense, None) - heads
        nothing = tokens.join(torch.zeros_like(heads))
        for head in range(heads.shape[1]):
            found = {Choice("f"): 0.0}
            for choice, change in changes.items():
                alone = torch.zeros_like(change)
                alone[:, head] = change[:, head]
                found[choice] = self.guided(tokens.join(alone) - nothing, call)
            self.errors.setdefault(Unit(layer, head), []).append(found)
