"""Following a recipe: calibrating a denoiser's layers, rounding their weights once, and what the artifact holds of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from effbench.api import Artifact, Context
from effbench.diffusion import DiffusionSystem
from effbench.kernels.codes import StaticRange
from effbench.kernels.hadamard.reference import has_rotation
from effbench.quantization.calibrate import LayerStatistics, grams, observe
from effbench.quantization.products import Inputs, LinearState, LowRank
from effbench.quantization.ranges import static_range
from effbench.quantization.recipe import Recipe
from effbench.quantization.rotation import random_signs, without_rotation
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import UNQUANTIZED, WeightScheme
from effbench.quantization.siblings import same_inputs
from effbench.quantization.smoothing import smoothing_multiplier, weighted_salience
from effbench.quantization.stored import codes_to_tensors, state_to_plan, state_to_tensors
from effbench.quantization.transform import Transform

SALIENCE_RANGES = 8
"""Ranges of timesteps over which a salience is weighted: as many as there are steps, at most these."""


def prepare(system: DiffusionSystem, ctx: Context, recipe: Recipe, bits: Mapping[str, int] | None = None) -> Artifact:
    """Return a recipe's artifact for a system; ``bits`` gives the weight bits of layers that differ from the recipe's.

    The plan lists, layer by layer, what is quantized how, and which layers are not: ``kept`` in float as the family of models
    demands, ``unsupported`` for want of a scheme, ``without_rotation`` for want of a Hadamard matrix of their width.
    """
    linears = system.linear_layers()
    transforms = transforms_of(system, ctx, recipe)
    statics = _static_ranges(system, ctx, recipe, transforms)
    tensors: dict[str, torch.Tensor] = {}
    plan: dict[str, Any] = {}
    for name, layer, gram in _with_grams(system, ctx, recipe):
        scheme = replace(recipe.weight, bits=(bits or {}).get(name, recipe.weight.bits))
        states = [
            state_of_layer(layer.weight, scheme, transform, static, gram, recipe.low_rank)
            for transform, static in zip(transforms[name], statics[name])
        ]
        plan[name] = [state_to_plan(state) for state in states]
        for index, state in enumerate(states):
            tensors |= state_to_tensors(f"{name}/{index}", state)
    convolutions = _convolutions(system, ctx, recipe, tensors) if recipe.convolutions else {}
    others = [name for name, _ in system.convolutions() if name not in convolutions]
    config = {
        "recipe": asdict(recipe),
        "layers": plan,
        "convolutions": convolutions,
        "kept": kept_layers(system),
        "unsupported": others,
        "without_rotation": [] if recipe.rotation_seed is None else without_rotation(linears),
    }
    return Artifact(tensors, config)


def state_of_layer(
    weight: torch.Tensor,
    scheme: WeightScheme,
    transform: Transform,
    static: StaticRange | None = None,
    gram: torch.Tensor | None = None,
    low_rank: int = 0,
) -> LinearState:
    """Return the state of a linear layer of ``weight`` [O, I]: transformed, split, then rounded once."""
    moved = transform.weight(weight)
    branch = None
    if low_rank and scheme.bits != UNQUANTIZED:
        branch = leading_part(moved, low_rank)
        moved = moved - branch.up @ branch.down
    if scheme.bits == UNQUANTIZED:
        return LinearState(moved.to(weight.dtype), scheme.bits, Inputs(transform, static))
    hessian = None if gram is None else transform.hessian(gram)
    return LinearState(quantize_weight(moved, scheme, hessian), scheme.bits, Inputs(transform, static, branch))


def leading_part(weight: torch.Tensor, rank: int) -> LowRank:
    """Return the best approximation of a weight [O, I] of a rank, by its singular values (SVDQuant, arXiv 2411.05007)."""
    u, s, vh = torch.linalg.svd(weight.double(), full_matrices=False)
    root = s[:rank].sqrt()
    return LowRank((root[:, None] * vh[:rank]).float().contiguous(), (u[:, :rank] * root).float().contiguous())


def transforms_of(system: DiffusionSystem, ctx: Context, recipe: Recipe) -> dict[str, list[Transform]]:
    """Return linear layer -> its transform in each range of timesteps; signs are the same in all.

    Layers that read the same inputs have one transform, so that these are transformed and quantized once for all of them.
    """
    linears = dict(system.linear_layers())
    seen = _seen_for_smoothing(system, ctx, recipe)
    found: dict[str, list[Transform]] = {}
    for names in same_inputs(system, list(linears)):
        first, layers = linears[names[0]], [linears[name] for name in names]
        signs = None
        if recipe.rotation_seed is not None and has_rotation(first.in_features):
            signs = random_signs(first.in_features, names[0], recipe.rotation_seed).to(first.weight.device)
        of_group = [seen[name] for name in names if name in seen]
        transforms = [
            Transform.of(_multiplier(recipe, layers, of_group, index), signs) for index in range(recipe.ranges)
        ]
        found |= dict.fromkeys(names, transforms)
    return {name: found[name] for name in linears}


def kept_layers(system: DiffusionSystem) -> list[str]:
    """Return the names of linear layers and convolutions that the family of models keeps in float."""
    kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    modules = system.denoiser.named_modules()
    return [name for name, layer in modules if isinstance(layer, kinds) and system.is_kept_in_float(name)]


def _seen_for_smoothing(system: DiffusionSystem, ctx: Context, recipe: Recipe) -> dict[str, LayerStatistics]:
    if recipe.smoothing is None:
        return {}
    ranges = recipe.ranges
    if recipe.smoothing.salience == "weighted-by-timestep":
        ranges = min(system.steps, SALIENCE_RANGES)
    return observe(system, ctx, system.linear_layers(), ranges, recipe.samples, ctx.seed)


def _multiplier(
    recipe: Recipe, layers: Sequence[Any], seen: Sequence[LayerStatistics], index: int
) -> torch.Tensor | None:
    """Return the multiplier of layers that read the same inputs: a channel is as large as in the largest of their weights."""
    if recipe.smoothing is None or not seen:
        return None
    w_max = torch.stack([layer.weight.detach().float().abs().amax(0) for layer in layers]).amax(0)
    x_max = torch.stack([one.channel_max for one in seen]).amax(0).to(w_max.device)
    is_weighted = recipe.smoothing.salience == "weighted-by-timestep"
    salience = weighted_salience(x_max, w_max) if is_weighted else x_max[index]
    return smoothing_multiplier(salience, w_max, recipe.smoothing.alpha, recipe.smoothing.convention)


def _static_ranges(
    system: DiffusionSystem, ctx: Context, recipe: Recipe, transforms: dict[str, list[Transform]]
) -> dict[str, list[StaticRange | None]]:
    """Return linear layer -> the range of its transformed inputs in each range of timesteps, None where there is none."""
    linears = system.linear_layers()
    if recipe.activation.kind != "static-tensor" or not recipe.activation.is_on:
        return {name: [None] * recipe.ranges for name, _ in linears}
    seen = observe(system, ctx, linears, recipe.ranges, recipe.samples, ctx.seed, transforms)
    return {name: [_static(running, recipe) for running in seen[name].running] for name, _ in linears}


def _static(running: Any, recipe: Recipe) -> StaticRange:
    return static_range(running.low, running.high, recipe.activation.bits, recipe.activation.symmetric)


def _with_grams(
    system: DiffusionSystem, ctx: Context, recipe: Recipe
) -> Iterator[tuple[str, Any, torch.Tensor | None]]:
    layers = dict(system.linear_layers())
    if recipe.weight.rounding == "gptq":
        for name, gram in grams(system, ctx, list(layers.items()), recipe.samples, ctx.seed):
            yield name, layers[name], gram
    else:
        for name, layer in layers.items():
            yield name, layer, None


def _convolutions(
    system: DiffusionSystem, ctx: Context, recipe: Recipe, tensors: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """Return convolution -> its part of the plan, one range for all timesteps; its codes are added to ``tensors``."""
    layers = [(name, layer) for name, layer in system.convolutions() if is_supported(layer)]
    if not layers:
        return {}
    seen = observe(system, ctx, layers, 1, recipe.samples, ctx.seed) if recipe.activation.is_on else {}
    scheme = replace(recipe.weight, group=None, rounding="nearest")
    found: dict[str, Any] = {}
    for name, layer in layers:
        found[name] = {"bits": scheme.bits}
        if name in seen:
            found[name]["static"] = dict(_static(seen[name].running[0], recipe)._asdict())
        if scheme.is_on:
            tensors |= codes_to_tensors(name, quantize_weight(layer.weight.flatten(1), scheme), scheme.bits)
    return found


def is_supported(layer: Any) -> bool:
    """Return whether a convolution can be quantized here: of two dimensions, padded by zeros."""
    return isinstance(layer, torch.nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
