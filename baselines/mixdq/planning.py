"""From a system in float to a bit plan: what is calibrated, protected, searched and picked, phase by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from effbench.api import Context, PluginError, Sample, Unsupported
from effbench.diffusion.layers import is_in
from effbench.errors import nearest
from effbench.kernels.codes import StaticRange
from effbench.quantization.bitplan import BitPlan, LayerBits, Mean
from effbench.quantization.bos import NoStartToken, find_start_tokens
from effbench.quantization.calibrate import observe
from effbench.quantization.ranges import RunningRange, static_range
from effbench.quantization.schemes import BITS, UNQUANTIZED
from effbench_baselines.mixdq.search import Picked, Searcher, most_sensitive
from effbench_baselines.mixdq.structure import quantizable, restructure
from effbench_baselines.progress import phase

if TYPE_CHECKING:
    from effbench.diffusion import DiffusionSystem

METHOD = "mixdq"
"""What plans of this search say made them."""
EIGHT = 8
"""Bits that need no search: every layer has them."""


@dataclass(frozen=True)
class Planned:
    """A plan with all that ``apply`` needs beside it, and what the search saw."""

    plan: BitPlan
    statics: Mapping[str, StaticRange]
    start_tokens: torch.Tensor | None
    start_token_note: str
    split: Sequence[str]
    protected: Sequence[str]
    candidates: Mapping[str, Sequence[Picked]]


def planned(
    system: DiffusionSystem, ctx: Context, params: Any, given: BitPlan | None, tied_to: Sequence[str]
) -> Planned:
    """Return the plan for a system, which is restructured in place; a ``given`` plan takes the place of the search.

    Raises ``Unsupported`` where there is nothing to quantize or a start token was demanded and there is none, and
    ``PluginError`` where a given plan is not for this system.
    """
    samples = list(ctx.calibration())[: params.calibration_samples]
    tokens, note = _start_tokens(system, phase(ctx, 0.0, 0.05), samples, params.bos)
    structure = restructure(system, tokens, params.split)
    layers = quantizable(system)
    if not layers:
        raise Unsupported("the denoiser has no linear layer and no convolution that could be quantized")
    sizes = {name: layer.weight.numel() for name, layer in layers.items()}
    if given is not None:
        given.require(system.settings(), sizes)
    running = _ranges(system, phase(ctx, 0.05, 0.15), layers, len(samples))
    protected: Sequence[str]
    candidates: Mapping[str, Sequence[Picked]] = {}
    if given is not None:
        protected = [name for name, width in given.bits("activation").items() if width == UNQUANTIZED]
        plan = given
    else:
        statics = _statics(running, {name: [width for width in BITS if width != UNQUANTIZED] for name in layers})
        settings = {name: system.settings()[name] for name in tied_to}
        found = _searched(system, ctx, params, samples, sizes, statics)
        protected, candidates = found.protected, found.candidates
        budget = Mean(weight=params.weight_bits, activation=params.activation_bits)
        plan = BitPlan.of(METHOD, settings, _of_some(found.layers(sizes), params.layers), budget)
    chosen = {name: [width] for name, width in plan.bits("activation").items() if width != UNQUANTIZED}
    statics_of = {name: static for (name, _), static in _statics(running, chosen).items()}
    return Planned(plan, statics_of, tokens, note, structure.split, protected, candidates)


@dataclass(frozen=True)
class _Searched:
    weight: Mapping[str, int]
    activation: Mapping[str, int]
    protected: Sequence[str]
    candidates: Mapping[str, Sequence[Picked]]

    def layers(self, sizes: Mapping[str, int]) -> dict[str, LayerBits]:
        return {
            name: LayerBits(weight=self.weight[name], activation=self.activation[name], parameters=size)
            for name, size in sizes.items()
        }


def _searched(
    system: DiffusionSystem,
    ctx: Context,
    params: Any,
    samples: Sequence[Sample],
    sizes: Mapping[str, int],
    statics: Mapping[tuple[str, int], StaticRange],
) -> _Searched:
    def searcher(begins: float, ends: float) -> Searcher:
        return Searcher(
            system,
            phase(ctx, begins, ends),
            samples[: params.search_samples],
            sizes,
            statics,
            decoupled=params.decoupled,
            objective=params.objective,
            choices=params.choices,
            band=params.band,
            select=params.select,
            window=params.ssim_window,
        )

    names, candidates, protected = list(sizes), dict[str, Sequence[Picked]](), list[str]()
    activation = dict.fromkeys(names, UNQUANTIZED)
    scores = {}
    searches_activations = is_searched(params.activation_bits, params.uniform)
    if params.activation_bits != UNQUANTIZED and (searches_activations or params.protect):
        widths = None if searches_activations else [int(params.activation_bits)]
        scores = searcher(0.15, 0.5).sensitivities("activation", names, widths)
        top = max(trial.bits for trial in scores)
        at_top = {trial: score for trial, score in scores.items() if trial.bits == top}
        protected = most_sensitive(at_top, params.protect, params.decoupled)
    open_names = [name for name in names if name not in protected]
    is_mixed = is_searched(params.weight_bits, params.uniform)
    weight = dict.fromkeys(names, UNQUANTIZED if is_mixed else int(params.weight_bits))
    if is_mixed:
        search = searcher(0.5, 0.85)
        found = search.candidates(search.sensitivities("weight", names), params.weight_bits)
        picked, candidates["weight"] = searcher(0.85, 0.92).pick("weight", found)
        weight = dict(picked.bits)
    elif params.weight_bits == EIGHT:
        weight |= dict.fromkeys(protected, UNQUANTIZED)  # no kernel multiplies 8-bit weights by floats
    if searches_activations:
        open_scores = {trial: score for trial, score in scores.items() if trial.layer not in protected}
        found = searcher(0.92, 0.92).candidates(open_scores, params.activation_bits)
        picked, candidates["activation"] = searcher(0.92, 1.0).pick(
            "activation", found, {name: width for name, width in weight.items() if width != UNQUANTIZED}
        )
        activation |= picked.bits
    elif params.activation_bits != UNQUANTIZED:
        activation |= dict.fromkeys(open_names, int(params.activation_bits))
    return _Searched(weight, activation, protected, candidates)


def _of_some(bits: Mapping[str, LayerBits], globs: Sequence[str] | None) -> dict[str, LayerBits]:
    """Return the bits with those of layers outside of some globs in float; raise ``PluginError`` for an idle glob."""
    if globs is None:
        return dict(bits)
    if idle := [glob for glob in globs if not any(is_in(name, (glob,)) for name in bits)]:
        raise PluginError(f"layers: {idle[0]!r} is the name of no layer that can be quantized{nearest(idle[0], bits)}")
    outside = {"weight": UNQUANTIZED, "activation": UNQUANTIZED}
    return {n: b if is_in(n, tuple(globs)) else b.model_copy(update=outside) for n, b in bits.items()}


def is_searched(budget: float, uniform: bool) -> bool:
    """Return whether a budget is one that layers share: below 8 mean bits, and not to be the same for all."""
    return budget < EIGHT and not uniform


def _start_tokens(
    system: DiffusionSystem, ctx: Context, samples: Sequence[Sample], wanted: bool | None
) -> tuple[torch.Tensor | None, str]:
    if wanted is False:
        return None, "off: not asked for"
    try:
        return find_start_tokens(system, ctx, samples), "on"
    except NoStartToken as error:
        if wanted:
            raise Unsupported(f"bos: {error}") from None
        return None, f"off: {error}"


def _ranges(system: DiffusionSystem, ctx: Context, layers: Mapping[str, Any], samples: int) -> dict[str, RunningRange]:
    seen = observe(system, ctx, list(layers.items()), 1, samples)
    return {name: found.running[0] for name, found in seen.items()}


def _statics(
    running: Mapping[str, RunningRange], widths: Mapping[str, Sequence[int]]
) -> dict[tuple[str, int], StaticRange]:
    """Return (layer, bits) -> asymmetric range of its inputs, of one running range whatever the bits."""
    return {
        (name, width): static_range(running[name].low, running[name].high, width)
        for name, asked in widths.items()
        for width in asked
    }
