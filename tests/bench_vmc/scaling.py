"""``python -m bench_vmc.scaling``: how a training step scales over processes of one thread each; writes docs/vmc.md.

Strong: one sample for all. Weak: as many determinants per process, so that the sample grows, and with it what its energy
means. Every count of processes takes the same steps from the same network; energies must agree to 1e-9 Ha. What more
processes than cores would give is a model of the measured parts, and labelled so.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numba
import numpy as np
import torch

from effbench.measure.machine import physical_cores
from effbench.section import replace_section
from effbench.tasks.vmc_energy.frozen import frozen_integrals
from effbench.tasks.vmc_energy.sampling import sample
from effbench.tasks.vmc_energy.settings import TrainingSettings
from effbench.tasks.vmc_energy.training import PARTS, Trainer
from effbench.tasks.vmc_energy.workers import Workers, run_together
from effbench_baselines.nqs_made.made import Made

MOLECULE, SEED = "li2o", 0
STRONG, WEAK = 20_000, 10_000
STEPS, WARM_UP = 5, 1
AGREE_HA = 1e-9
MODELLED = (4, 8, 16)


@dataclass(frozen=True)
class Steps:
    """Median seconds of a step by part, of which in messages, and the determinants and energies of the steps."""

    unique: int
    energies_ha: tuple[float, ...]
    parts_s: dict[str, float]
    messages_s: float

    @property
    def step_s(self) -> float:
        """Return the seconds of a step."""
        return sum(self.parts_s.values())


def network() -> Made:
    """Return the state that every run starts from."""
    integrals = frozen_integrals(MOLECULE)
    return Made(integrals, np.arange(integrals.orbitals)[::-1].copy(), SEED)


def draws_for(unique: int) -> float:
    """Return draws that give about ``unique`` determinants in the first step."""
    low, high = 2.0, 14.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if len(sample(network(), int(10**middle), 1).counts) < unique else (low, middle)
    return float(10**low)


def steps_of(draws: float, workers: Workers) -> Steps:
    """Return what the steps after warm-up took, with the same number of draws each."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    settings = TrainingSettings(steps=100, optimiser="adam", policy="sampled-only", first_draws=draws, most_draws=draws)
    trainer = Trainer(network(), frozen_integrals(MOLECULE), settings, SEED, workers)
    energies, parts, messages = [], [], []
    for step in range(WARM_UP + STEPS):
        before, waited = dict(trainer.trace.parts_s), workers.waited_s
        trainer.draws = draws
        energies.append(trainer.step())
        if step >= WARM_UP:
            parts.append([trainer.trace.parts_s[part] - before[part] for part in PARTS])
            messages.append(workers.waited_s - waited)
    middle = np.median(parts, axis=0)
    return Steps(
        trainer.trace.unique[-1], tuple(energies), dict(zip(PARTS, map(float, middle))), float(np.median(messages))
    )


def row(kind: str, processes: int, steps: Steps, alone: Steps, share: float) -> str:
    """Return a table row; efficiency is one process's time for the same part of the work over this time."""
    parts = " | ".join(f"{1e3 * steps.parts_s[part]:.0f}" for part in PARTS)
    efficiency = alone.step_s * share / steps.step_s
    return (
        f"| {kind} | {processes} | {steps.unique:,} | {1e3 * steps.step_s:.0f} | {parts} | {1e3 * steps.messages_s:.0f} "
        f"| {100 * efficiency:.0f} % | {steps.energies_ha[-1]:.9f} |"
    )


def modelled(alone: Steps, pair: Steps) -> Iterator[str]:
    """Yield rows for more processes: what two did not halve stays, messages grow as those of a ring, 2 (W - 1) / W."""
    divided = 2 * (alone.step_s - (pair.step_s - pair.messages_s))
    fixed = alone.step_s - divided
    for processes in MODELLED:
        messages = pair.messages_s * 2 * (processes - 1) / processes
        step_s = divided / processes + fixed + messages
        efficiency = alone.step_s / (processes * step_s)
        yield (
            f"| strong, *modelled* | {processes} | {alone.unique:,} | *{1e3 * step_s:.0f}* |  |  |  |  | "
            f"*{1e3 * messages:.0f}* | *{100 * efficiency:.0f} %* | |"
        )


def main() -> None:
    """Measure, print and write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench_vmc.scaling")
    parser.add_argument("--page", type=Path, help="Markdown page whose section scaling is replaced")
    page = parser.parse_args().page
    torch.set_num_threads(1)
    counts = [count for count in (1, 2, 4, 8) if count <= physical_cores()]
    lines = [
        f"{MOLECULE}, policy sampled-only, Adam, medians of {STEPS} steps; processes of one thread, never more than cores. "
        "Efficiency is against one process; *modelled* rows were not measured: what two processes did not halve is held "
        "fixed, messages grow like those of a ring.",
        "",
        "| scaling | processes | determinants | step (ms) | sample | amplitude | local energy | gradient | of it messages "
        "| efficiency | energy (Ha) |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    strong = {count: run_together(partial(steps_of, draws_for(STRONG)), count, count) for count in counts}
    for count, steps in strong.items():
        worst = np.abs(np.array(steps.energies_ha) - strong[1].energies_ha).max()
        assert worst < AGREE_HA and steps.unique == strong[1].unique, (count, worst)
        lines.append(row("strong", count, steps, strong[1], 1 / count))
    lines += modelled(strong[1], strong[2]) if 2 in strong else []
    weak = {count: run_together(partial(steps_of, draws_for(WEAK * count)), count, count) for count in counts}
    lines += [row("weak", count, steps, weak[1], 1.0) for count, steps in weak.items()]
    print("\n".join(lines))
    if page:
        replace_section(page, "scaling", "\n".join(lines))


if __name__ == "__main__":
    main()
