"""Mixed precision: what each layer's weight costs the output at each bit-width, and which one it gets under a budget.

The released code of ViDiT-Q has bit plans and no search; this one is ours. Weights of one layer at a time are rounded (in
the basis of the recipe's transforms, to the nearest code) and the damage to the outputs of calibration samples is measured.
An integer programme then spends the budget on the least squared error; with decoupling that says how many bits each *group*
gets, and a programme of the group's own, on its own metric, which of its layers get them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from effbench.api import Context, PluginError, Sample, work_folder
from effbench.atomic import write_bytes
from effbench.diffusion import DiffusionSystem
from effbench.quantization.allocation import AllocationError, LayerScores, allocate, mean_bits
from effbench.quantization.bitplan import read_plan
from effbench.quantization.layers import QuantizedLinear
from effbench.quantization.preparing import state_of_layer, transforms_of
from effbench.quantization.recipe import Recipe
from effbench.quantization.schemes import ActivationScheme
from effbench.quantization.timesteps import TimestepRanges
from effbench.quantization.transform import Transform
from effbench_baselines.vidit_q.decoupling import damages, groups_of

Damage = dict[str, dict[int, dict[str, float]]]
"""Layer -> bits -> metric -> damage."""


def measure_damage(
    system: DiffusionSystem, ctx: Context, recipe: Recipe, choices: Sequence[int], samples: int
) -> Damage:
    """Return what each layer's weight alone, rounded to each of ``choices`` bits, does to the outputs of some samples.

    The denoiser is left as it was. Layers that were done before a preparation was killed are not done again.
    """
    batch = list(ctx.calibration())[:samples]
    if not batch:
        raise PluginError("the task gives no calibration samples, without which no layer's sensitivity can be measured")
    transforms, ranges = transforms_of(system, ctx, recipe), TimestepRanges(recipe.ranges)
    watched = system.observed_by(ranges)
    reference = ctx.run(watched, batch, ctx.seed)
    checkpoint = _checkpoint_file(recipe, choices, samples)
    found = _read(checkpoint)
    layers = system.linear_layers()
    for done, (name, layer) in enumerate(layers):
        ctx.progress(done, len(layers), "measuring sensitivity")
        if name in found:
            continue
        found[name] = {
            bits: _damage_of(
                watched, ctx, batch, reference, name, _rounded(layer, recipe, bits, transforms[name], ranges)
            )
            for bits in choices
        }
        if checkpoint is not None:
            write_bytes(checkpoint, json.dumps(found).encode())
    return found


def allocated(
    system: DiffusionSystem, damage: Damage, budget: float, decoupled: bool
) -> tuple[dict[str, int], dict[str, Any]]:
    """Return (layer -> bits of a mean of at most ``budget``, what of it a plan should tell a reader).

    Raises ``PluginError`` where the budget is below the least mean, which it says.
    """
    sizes = sizes_of(system)
    bits = _allocate(list(sizes), sizes, damage, "squared_error", budget)
    groups = groups_of(system)
    told: dict[str, Any] = {"decoupled": decoupled, "budget": budget, "groups": {}}
    for group in sorted(set(groups.values())):
        names = [name for name in sizes if groups[name] == group]
        share = mean_bits({name: bits[name] for name in names}, sizes)
        told["groups"][group] = {"layers": len(names), "mean_bits": share}
        if decoupled:
            bits |= _allocate(names, sizes, damage, group, share)
    return bits, {**told, "mean_bits": mean_bits(bits, sizes)}


def from_plan(system: DiffusionSystem, path: Path, choices: Sequence[int]) -> tuple[dict[str, int], dict[str, Any]]:
    """Return (layer -> bits of weights, the plan as plain data) of a bit plan's file.

    Raises ``PluginError`` where it holds for another system or other layers, or gives bits that are not among ``choices``.
    """
    plan = read_plan(path)
    plan.require(system.settings(), sizes_of(system), str(path))
    plan.require_bits("weight", choices, str(path))
    return plan.bits("weight"), {"bit_plan": plan.content()}


def sizes_of(system: DiffusionSystem) -> dict[str, int]:
    """Return linear layer -> number of its weights."""
    return {name: int(layer.weight.numel()) for name, layer in system.linear_layers()}


def _allocate(names: list[str], sizes: Mapping[str, int], damage: Damage, metric: str, budget: float) -> dict[str, int]:
    worst = max(by_bits[metric] for name in names for by_bits in damage[name].values()) or 1.0
    layers = [
        LayerScores(name, sizes[name], {bits: -found[metric] / worst for bits, found in damage[name].items()})
        for name in names
    ]
    try:
        return dict(allocate(layers, budget).bits)
    except AllocationError as error:
        raise PluginError(f"mean_bits: {error}") from None


def _rounded(
    layer: Any, recipe: Recipe, bits: int, transforms: Sequence[Transform], ranges: TimestepRanges
) -> QuantizedLinear:
    scheme = replace(recipe.weight, bits=bits, rounding="nearest")
    states = [state_of_layer(layer.weight, scheme, transform) for transform in transforms]
    return QuantizedLinear(states, layer.bias, ActivationScheme("none"), "simulated", ranges)


def _damage_of(
    system: DiffusionSystem,
    ctx: Context,
    batch: Sequence[Sample],
    reference: Sequence[Any],
    name: str,
    replacement: torch.nn.Module,
) -> dict[str, float]:
    parent, _, child = name.rpartition(".")
    owner = system.denoiser.get_submodule(parent)
    original = getattr(owner, child)
    try:
        setattr(owner, child, replacement)
        found: dict[str, float] = damages(ctx.run(system, batch, ctx.seed), reference)
        return found
    finally:
        setattr(owner, child, original)


def _checkpoint_file(recipe: Recipe, choices: Sequence[int], samples: int) -> Path | None:
    """Return the file of a search, whose name says what was searched: links of a chain share a folder."""
    folder = work_folder()
    asked = hashlib.sha256(repr((recipe, tuple(choices), samples)).encode()).hexdigest()
    return None if folder is None else folder / f"sensitivity.{asked[:16]}.json"


def _read(checkpoint: Path | None) -> Damage:
    if checkpoint is None or not checkpoint.exists():
        return {}
    saved: dict[str, dict[str, dict[str, float]]] = json.loads(checkpoint.read_text("utf-8"))
    return {name: {int(bits): found for bits, found in by_bits.items()} for name, by_bits in saved.items()}
