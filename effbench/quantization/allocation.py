"""Which bit-width each layer gets: the largest summed score under a budget of mean bits.

One of the bit-widths of each layer is chosen (MixDQ, arXiv 2405.17873)::

    maximise  sum_i sum_b c_ib * score_ib      c_ib in {0, 1},  sum_b c_ib = 1
    subject to  sum_i size_i sum_b c_ib * b  <=  budget * sum_i size_i

The paper's budget is an upper bound. Its released code asks for a mean within 0.02 of the budget, which on small random
instances keeps the optimum out of reach more often than not; ``band`` does the same for comparison.

Scores of different metrics cannot be added. Layers that are ranked by two of them are two problems, between which the budget
is split by the ratio k of their mean bits; what is best over k, the scores do not say, so all candidates are returned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from effbench.quantization.integer_programme import Programme, ProgrammeError

OFFICIAL_BAND = 0.02
"""How far from the budget MixDQ's released code lets the mean bits be, on either side."""
WEIGHT_RATIOS = tuple(round(0.46 + 0.1 * step, 2) for step in range(10))
"""Mean bits of content layers over those of quality layers that MixDQ's code tries for weights: ten from 0.46 to 1.36."""
ACTIVATION_RATIOS = tuple(round(0.94 + 0.15 * step / 19, 4) for step in range(20))
"""The same for activations: twenty from 0.94 to 1.09."""


class AllocationError(ValueError):
    """No allocation can be given: one sentence that says why, and what could be."""


@dataclass(frozen=True)
class LayerScores:
    """A layer with its size (parameters, or what else bits are spent on) and a score for each bit-width it may have."""

    name: str
    size: int
    scores: Mapping[int, float]


@dataclass(frozen=True)
class Allocation:
    """Bits of each layer by name, the summed score, and the mean bits weighted by size."""

    bits: Mapping[str, int]
    score: float
    mean_bits: float


@dataclass(frozen=True)
class Candidate:
    """One split of the budget: the ratio k, the budgets of content and quality layers, and the bits of all of them."""

    ratio: float
    content_budget: float
    quality_budget: float
    bits: Mapping[str, int]
    mean_bits: float


def mean_bits(bits: Mapping[str, int], sizes: Mapping[str, int]) -> float:
    """Return the mean of bits weighted by size; raise ``AllocationError`` where nothing has a size."""
    total = sum(sizes[name] for name in bits)
    if total <= 0:
        raise AllocationError("mean bits need at least one layer with a size")
    return float(Fraction(sum(sizes[name] * width for name, width in bits.items()), total))


def allocate(layers: Sequence[LayerScores], budget: float, *, band: float | None = None) -> Allocation:
    """Return the bits of the largest summed score whose mean is at most ``budget``, or within ``band`` of it if given.

    Nothing but names, sizes and scores matters: not the order of the layers. Of several optima it is one that spends the
    most bits (a score may saturate; what is left of the budget is for use), and of layers that are alike in size and scores
    the first by name have the larger bit-widths. Raises ``AllocationError`` for scores that are not finite, layers without
    a choice, a budget below the smallest mean, and where the solver did not prove the optimum.
    """
    _check(layers, budget)
    ordered = sorted(layers, key=lambda layer: layer.name)
    least = least_mean_bits(ordered)
    if Fraction(budget) + Fraction(band or 0.0) < _least_mean(ordered):
        raise AllocationError(f"a budget of {budget:g} mean bits is below the minimum of these layers, {least:.4g}")
    choices = [sorted(layer.scores) for layer in ordered]
    most = Fraction(budget) + Fraction(band or 0.0)
    fewest = Fraction(0) if band is None else Fraction(budget) - Fraction(band)
    sizes, scores = [layer.size for layer in ordered], [layer.scores for layer in ordered]
    try:
        chosen = Programme(sizes, choices, scores, fewest, most).best()
    except ProgrammeError as error:
        raise AllocationError(str(error)) from None
    found = _in_order_of_names(ordered, chosen)
    score = math.fsum(layer.scores[found[layer.name]] for layer in ordered)
    bits = {layer.name: found[layer.name] for layer in layers}
    return Allocation(bits, score, mean_bits(bits, {layer.name: layer.size for layer in layers}))


def least_mean_bits(layers: Sequence[LayerScores]) -> float:
    """Return the smallest mean that layers can have: each at its least bit-width."""
    return float(_least_mean(layers))


def split_budget(budget: float, ratio: float, content_size: int, quality_size: int) -> tuple[float, float]:
    """Return the budgets of content and quality layers whose mean over both is ``budget`` and whose ratio is ``ratio``.

    With r = content_size / quality_size the quality layers get b (1 + r) / (k r + 1) and the content layers k times that.
    """
    r = content_size / quality_size
    quality = budget * (1 + r) / (ratio * r + 1)
    return ratio * quality, quality


def allocate_decoupled(
    content: Sequence[LayerScores],
    quality: Sequence[LayerScores],
    budget: float,
    ratios: Sequence[float],
    *,
    band: float | None = None,
) -> list[Candidate]:
    """Return the different allocations over the ratios, each group solved by itself on its own scores.

    Ratios that leave a group less than its least bits give no candidate. Raises ``AllocationError`` where none does, with
    the smallest mean of all layers together.
    """
    sizes = {layer.name: layer.size for layer in (*content, *quality)}
    content_size, quality_size = (sum(layer.size for layer in group) for group in (content, quality))
    least, found = least_mean_bits([*content, *quality]), dict[tuple[tuple[str, int], ...], Candidate]()
    for ratio in ratios:
        budgets = split_budget(budget, ratio, content_size, quality_size)
        fits = (b + (band or 0.0) >= least_mean_bits(group) for b, group in zip(budgets, (content, quality)))
        if not all(fits):
            continue
        bits = {**allocate(content, budgets[0], band=band).bits, **allocate(quality, budgets[1], band=band).bits}
        found.setdefault(tuple(bits.items()), Candidate(ratio, *budgets, bits, mean_bits(bits, sizes)))
    if not found:
        raise AllocationError(
            f"a budget of {budget:g} mean bits cannot be split by any of the ratios {list(ratios)}; "
            f"the minimum of all layers together is {least:.4g}"
        )
    return list(found.values())


def _check(layers: Sequence[LayerScores], budget: float) -> None:
    if not layers:
        raise AllocationError("there is no layer to give bits to")
    if not math.isfinite(budget):
        raise AllocationError(f"a budget must be a finite number of mean bits, got {budget}")
    if len({layer.name for layer in layers}) != len(layers):
        raise AllocationError("two layers have the same name")
    for layer in layers:
        if layer.size <= 0 or not layer.scores:
            raise AllocationError(f"layer {layer.name!r} has no size or no bit-width to choose from")
        for width, score in layer.scores.items():
            if not math.isfinite(score):
                raise AllocationError(
                    f"layer {layer.name!r} has the score {score} at {width} bits, which is not finite"
                )


def _least_mean(layers: Sequence[LayerScores]) -> Fraction:
    return Fraction(sum(layer.size * min(layer.scores) for layer in layers), sum(layer.size for layer in layers))


def _in_order_of_names(layers: Sequence[LayerScores], widths: Sequence[int]) -> dict[str, int]:
    """Return the widths by name, those of equal layers handed out from the largest in the order of the layers."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for index, layer in enumerate(layers):
        alike.setdefault((layer.size, *sorted(layer.scores.items())), []).append(index)
    ordered = dict[str, int]()
    for places in alike.values():
        for place, width in zip(places, sorted((widths[index] for index in places), reverse=True)):
            ordered[layers[place].name] = width
    return ordered
