"""The search for bits: sensitivities of single layers, integer programmes over them, and a pick among their answers.

What is published does not follow the programme's optimum alone: it draws pictures with every candidate plan and keeps the
one whose pixels are nearest to those in float. The uniform plan of the same budget, where there is one, stands among our
candidates, so that the search never ends below it on the samples that it looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from effbench.api import Context, PluginError, Sample
from effbench.kernels.codes import StaticRange
from effbench.quantization.allocation import (
    ACTIVATION_RATIOS,
    OFFICIAL_BAND,
    WEIGHT_RATIOS,
    AllocationError,
    LayerScores,
    allocate,
    allocate_decoupled,
    mean_bits,
)
from effbench.quantization.schemes import BITS
from effbench.quantization.sensitivity import (
    Part,
    SsimWindow,
    Trial,
    changed,
    is_content,
    measure_sensitivity,
    pictures_of,
)

if TYPE_CHECKING:
    from effbench.diffusion import DiffusionSystem

Choices = Literal["published", "all"]
CHOICES: dict[Choices, dict[Part, dict[bool, tuple[int, ...]]]] = {
    "published": {"weight": {True: (2, 4, 8), False: (4, 8)}, "activation": {True: (4, 8), False: (4, 8)}},
    "all": {
        "weight": {True: (2, 3, 4, 5, 6, 8), False: (2, 3, 4, 5, 6, 8)},
        "activation": {True: (4, 5, 6, 8), False: (4, 5, 6, 8)},
    },
}
"""Part -> whether a layer carries content -> the bits it may have: those of MixDQ's code, or all that codes have here."""
RATIOS: dict[Part, tuple[float, ...]] = {"weight": WEIGHT_RATIOS, "activation": ACTIVATION_RATIOS}

Objective = Literal["decibels", "noise"]
"""What of an SQNR is summed over layers: the decibels, as published, or the noise's share of the energy, less than zero.

Errors of independent layers add up as energies. A sum of decibels gives as much for the twelfth decibel of a layer that
nobody sees as for that of the worst one: it starves the few layers that make the damage."""


@dataclass(frozen=True)
class Picked:
    """One candidate: what made it, its bits and mean bits, and its mean squared error of pixels (None: not drawn)."""

    origin: str
    bits: Mapping[str, int]
    mean_bits: float
    error: float | None


@dataclass(frozen=True)
class Searcher:
    """What all steps of a search share."""

    system: DiffusionSystem
    ctx: Context
    samples: Sequence[Sample]
    sizes: Mapping[str, int]
    """Layer -> number of weights, of every layer that is quantized."""
    statics: Mapping[tuple[str, int], StaticRange]
    decoupled: bool = True
    objective: Objective = "noise"
    choices: Choices = "all"
    band: bool = False
    select: bool = True
    window: SsimWindow = "local"
    seed: int = 0

    def sensitivities(self, part: Part, names: Sequence[str], bits: Sequence[int] | None = None) -> dict[Trial, float]:
        """Return the score of each named layer at each bit-width that it may have, or at some bits alone."""
        trials = [
            Trial(part, name, width, "ssim" if self.decoupled and is_content(name) else "sqnr")
            for name in names
            for width in (bits or CHOICES[self.choices][part][is_content(name)])
        ]
        return measure_sensitivity(
            self.system,
            self.ctx,
            self.samples,
            trials,
            self.statics,
            window=self.window,
            seed=self.seed,
            checkpoint=part,
        )

    def candidates(self, scores: Mapping[Trial, float], budget: float) -> list[tuple[str, dict[str, int]]]:
        """Return (origin, bits by layer) of the allocations that the scores of one part give under a budget."""
        (part,) = {trial.part for trial in scores}
        of_layer: dict[str, dict[int, float]] = {}
        for trial, score in scores.items():
            of_layer.setdefault(trial.layer, {})[trial.bits] = self._gain(trial, score)
        layers = [LayerScores(name, self.sizes[name], rising(found)) for name, found in of_layer.items()]
        content = [layer for layer in layers if is_content(layer.name)]
        quality = [layer for layer in layers if not is_content(layer.name)]
        band = OFFICIAL_BAND if self.band else None
        try:
            if self.decoupled and content and quality:
                split = allocate_decoupled(content, quality, budget, RATIOS[part], band=band)
                found_bits = [(f"ratio {candidate.ratio:g}", dict(candidate.bits)) for candidate in split]
            else:
                found_bits = [("one programme", dict(allocate(layers, budget, band=band).bits))]
        except AllocationError as error:
            raise PluginError(f"{part}s: {error}") from None
        if budget in BITS:
            found_bits.append(("uniform", dict.fromkeys(of_layer, int(budget))))
        return found_bits

    def pick(
        self, part: Part, candidates: Sequence[tuple[str, dict[str, int]]], given: Mapping[str, int] | None = None
    ) -> tuple[Picked, list[Picked]]:
        """Return the candidate whose pictures are nearest to those in float, and all of them; ``given`` are weight bits.

        Without ``select`` none is drawn, and the one whose ratio is nearest to 1 is taken.
        """
        if not self.select:
            drawn = [Picked(origin, bits, mean_bits(bits, self.sizes), None) for origin, bits in candidates]
            return min(drawn, key=_from_one), drawn
        reference = pictures_of(self.system, self.ctx, self.samples, self.seed)
        drawn = []
        for index, (origin, bits) in enumerate(candidates):
            self.ctx.progress(index, len(candidates), f"{part} plan of {origin}")
            with ExitStack() as stack:
                for name, width in (given or {}).items():
                    stack.enter_context(
                        changed(self.system.denoiser, Trial("weight", name, width, "ssim"), self.statics)
                    )
                for name, width in bits.items():
                    stack.enter_context(changed(self.system.denoiser, Trial(part, name, width, "ssim"), self.statics))
                pictures = pictures_of(self.system, self.ctx, self.samples, self.seed)
            error = float(np.square(pictures.astype(np.float64) - reference).mean())
            drawn.append(Picked(origin, bits, mean_bits(bits, self.sizes), error))
        return min(drawn, key=lambda picked: picked.error or 0.0), drawn

    def _gain(self, trial: Trial, score: float) -> float:
        if trial.measure == "sqnr" and self.objective == "noise":
            return float(-(10 ** (-score / 10)))
        return score


def rising(scores: Mapping[int, float]) -> dict[int, float]:
    """Return scores that never fall with the bits: a loss by more bits is noise of the measurement."""
    found: dict[int, float] = {}
    for width in sorted(scores):
        found[width] = max([scores[width], *found.values()])
    return found


def most_sensitive(scores: Mapping[Trial, float], share: float, decoupled: bool) -> list[str]:
    """Return the layers of the lowest scores: a share of each group (rounded up), or of all where groups are one.

    MixDQ keeps 1 % in float, 5 of 420 content layers and 4 of 374 others.
    """
    groups: dict[bool, list[tuple[float, str]]] = {}
    for trial, score in scores.items():
        groups.setdefault(decoupled and is_content(trial.layer), []).append((score, trial.layer))
    if not share:
        return []
    return sorted(name for group in groups.values() for _, name in sorted(group)[: -int(-share * len(group) // 1)])


def _from_one(picked: Picked) -> tuple[int, float]:
    kind, _, ratio = picked.origin.partition(" ")
    return (0, abs(float(ratio) - 1)) if kind == "ratio" else (0 if kind == "one" else 1, 0.0)
