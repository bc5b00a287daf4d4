"""The section "random-plans" of docs/attention.md: what searched plans are above others of the same operations.

``make attention-plans``. All on zoo:emoji-pixart: a greedy plan against random ones, and the budgeted optimum against greedy
plans, by the PSNR to the full sampling, prompt by prompt.

Random plans are of two kinds. ``dit-fast-attn-drawn`` draws places and strategies alike: its operations are no fewer than
the searched plan's and less than one full slot (a layer at a step) more. Shuffled plans hold the searched plan's own
strategies at other places, at exactly its operations. Both keep what every search takes for free: the first step in full,
and layers whose halves of guidance are equal shared at every step.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from effbench.api import Context
from effbench.arrays import Array
from effbench.diffusion.attention_plan import AttentionPlan, LayerSlots
from effbench.report.rounding import rounded
from effbench.section import replace_section
from effbench.stats.bootstrap import bootstrap_mean
from effbench.tasks.t2i.task import TextToImage
from effbench_baselines.dit_fast_attn.budgeted import DiTFastAttnOptimal
from effbench_baselines.dit_fast_attn.drawn import DiTFastAttnDrawn
from effbench_baselines.dit_fast_attn.method import DiTFastAttn
from effbench_baselines.dit_fast_attn.sharing import PlannedSharing

PLANS = 20
"""Random plans of each kind."""
SAMPLES = 6
"""Calibration samples of a search: the methods' default."""
THRESHOLDS = ("D4", "D6")
"""Greedy plans that the optimum is held against; random plans are held against the first."""


class Searched(NamedTuple):
    """A plan and the seconds that it took to search."""

    plan: AttentionPlan
    seconds: float


class Trial:
    """emoji-pixart: pictures of some prompts in full, and the PSNR in dB of those that a plan makes, prompt by prompt."""

    def __init__(self, prompts: int) -> None:
        self.task = TextToImage(TextToImage.Params(system="zoo:emoji-pixart", prompts="emoji", steps=20, guidance=3.0))
        self.ctx = Context(calibration=lambda: self.task.samples("calibration"), run=self.task.run)
        self.samples = self.task.samples("evaluation")[:prompts]
        self.system = self.task.load(self.ctx)
        self.reference = self.pictures(self.system)

    def pictures(self, system: Any) -> Array:
        """Return the pictures [prompt, channel, y, x] that a system makes."""
        return np.stack([output["image"] for output in self.task.run(system, self.samples, 0)]).astype(np.float64)

    def psnr_db(self, plan: AttentionPlan, residual_half: Any = "kept") -> Array:
        """Return the PSNR [prompt] of the pictures under a plan to those in full."""
        changed = self.pictures(self.system.observed_by(PlannedSharing(plan, residual_half)))
        return -10 * np.log10(np.square(changed - self.reference).mean(axis=(1, 2, 3)))

    def searched(self, method: Any = DiTFastAttn, **params: Any) -> Searched:
        """Return the plan that a method prepares, windows over the 64 tokens included."""
        start = time.perf_counter()
        artifact = method(method.Params(short_windows=True, **params)).prepare(self.system, self.ctx)
        seconds = time.perf_counter() - start
        return Searched(AttentionPlan.model_validate(artifact.config["attention_plan"]), seconds)

    def plan(self, shapes: Any, slots: Any) -> AttentionPlan:
        """Return a plan of layers of some shapes with other slots."""
        layers = {
            name: LayerSlots(**shape.model_dump(exclude={"steps"}), steps=slots[name]) for name, shape in shapes.items()
        }
        return AttentionPlan.of("test", self.system.settings(), {}, layers)

    def drawn(self, plan: AttentionPlan, seed: int) -> AttentionPlan:
        """Return a plan of random strategies at random places: no fewer operations, and less than a full slot more."""
        share = min(1.0, plan.share + slot_share(plan))
        return self.searched(DiTFastAttnDrawn, share=share, seed=seed, samples=1).plan

    def shuffled(self, plan: AttentionPlan, seed: int) -> AttentionPlan:
        """Return a plan's strategies at random places, at exactly its operations.

        Layers that share equal halves for free are shuffled over their own steps, all others with each other.
        """
        rng, steps = np.random.default_rng(seed), range(1, int(plan.settings["steps"] or 0))
        free = [name for name, layer in plan.layers.items() if layer.steps[0] == "asc"]
        slots = {name: list(layer.steps) for name, layer in plan.layers.items()}
        for names in (*([name] for name in free), [name for name in plan.layers if name not in free]):
            places = list(itertools.product(names, steps))
            taken = [slots[name][step] for name, step in places]
            for (name, step), at in zip(places, rng.permutation(len(places)), strict=True):
                slots[name][step] = taken[at]
        return self.plan(plan.layers, slots)


def slot_share(plan: AttentionPlan) -> float:
    """Return the operations of one full slot, the dearest layer at one step, as a share of all in full."""
    return max(layer.flops("full") for layer in plan.layers.values()) / plan.flops.full


def said(values: Sequence[float] | Array) -> str:
    """Return the mean of some values with its 95 % interval over them, in dB."""
    mean, ends = float(np.mean(values)), bootstrap_mean(list(map(float, values)))
    return " ".join(filter(None, rounded(mean, *(ends or (None, None)))))


def above_random(trial: Trial, searched: AttentionPlan, plans: int = PLANS) -> Iterator[tuple[str, Array, list[float]]]:
    """Yield (kind, PSNR [plan, prompt], shares of operations) of random plans of both kinds beside a searched one."""
    kinds = {"drawn: random strategies, random places": trial.drawn, "shuffled: its own strategies": trial.shuffled}
    for kind, made in kinds.items():
        others = [made(searched, seed) for seed in range(plans)]
        yield kind, np.stack([trial.psnr_db(other) for other in others]), [other.share for other in others]


def random_table(trial: Trial, searched: AttentionPlan) -> Iterator[str]:
    """Yield the table of random plans."""
    mine = trial.psnr_db(searched)
    yield (
        f"Greedy plan of {THRESHOLDS[0]}, {searched.share:.4f} of the operations, {said(mine)} dB, against {PLANS} random "
        "plans of each kind:\n"
    )
    yield (
        "| random plans | operations | PSNR, mean (dB) | of the best one | searched above them, over prompts (dB) | "
        "over plans (dB) | plans below it | prompts on which it is above their mean |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for kind, theirs, shares in above_random(trial, searched):
        more = mine - theirs
        operations = " to ".join(dict.fromkeys(f"{share:.4f}" for share in (min(shares), max(shares))))
        yield (
            f"| {kind} | {operations} | {theirs.mean():.1f} | {theirs.mean(1).max():.1f} | {said(more.mean(0))} | "
            f"{said(more.mean(1))} | {(more.mean(1) > 0).sum()} of {len(more)} | {(more.mean(0) > 0).sum()} of {len(mine)} |"
        )


def optimum_table(trial: Trial, greedy: dict[str, Searched]) -> Iterator[str]:
    """Yield the table of the optimum at each greedy plan's operations."""
    yield (
        "| greedy plan | operations, greedy / optimum | PSNR, greedy (dB) | optimum (dB) | optimum above greedy (dB) | "
        "prompts above | search, greedy / optimum (s) |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for name, found in greedy.items():
        best = trial.searched(DiTFastAttnOptimal, budget=found.plan.share, samples=SAMPLES)
        mine, theirs = trial.psnr_db(best.plan), trial.psnr_db(found.plan)
        yield (
            f"| {name} | {found.plan.share:.4f} / {best.plan.share:.4f} | {said(theirs)} | {said(mine)} | "
            f"{said(mine - theirs)} | {(mine > theirs).sum()} of {len(mine)} | {found.seconds:.0f} / {best.seconds:.0f} |"
        )


def section(prompts: int) -> Iterator[str]:
    """Yield the section."""
    trial = Trial(prompts)
    greedy = {name: trial.searched(threshold=name, samples=SAMPLES) for name in THRESHOLDS}
    yield from random_table(trial, greedy[THRESHOLDS[0]].plan)
    yield ""
    yield "The budgeted optimum (`dit-fast-attn-optimal`) at a greedy plan's operations, where it costs at most as much:\n"
    yield from optimum_table(trial, greedy)
    yield ""
    yield (
        f"zoo:emoji-pixart, 20 steps, {prompts} prompts, windows over its 64 tokens included. \\[low, high\\]: 95 % "
        "intervals of means of paired differences, over prompts or over random plans."
    )


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--page", type=Path, help="a page with the section random-plans; printed where none is given")
    given = parser.parse_args()
    text = "\n".join(section(given.prompts))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "random-plans", text)


if __name__ == "__main__":
    main()
