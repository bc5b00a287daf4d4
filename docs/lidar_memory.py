"""The section "memory" of docs/lidar.md: peak memory of LiDAR detectors against the dense one, with intervals.

``make lidar-time``. A process of its own per detector and round, in turns, measured as the runner's memory job measures: what
is prepared is prepared elsewhere, the process loads and applies it; what it grew by at its peak counts, library code left
out. The suite does so once per method, which gives no interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from lidar_arms import FULLY_SPARSE, OCCUPIED, REFERENCE, Arm, arms, prepared

from effbench.api import Artifact, Context
from effbench.measure.memory import MemoryUse, measure_memory
from effbench.section import replace_section
from effbench.stats.ratio import geometric_mean_ratio
from effbench.tasks.lidar_detection.task import LidarDetection

OURS = "**Ada3D-B**"
MEASURED = (REFERENCE, OCCUPIED, OURS, FULLY_SPARSE)
"""Rows, the one that the others are divided by first."""
MB = 1e6


def used(arm: Arm, artifact: Artifact | None, frames: int, threads: int) -> MemoryUse:
    """Return what a detector took in this process: loaded with what was prepared before, then each frame detected twice."""
    torch.set_num_threads(threads)

    def build():  # type: ignore[no-untyped-def]
        task = LidarDetection(LidarDetection.Params(system=arm.system, frames=frames))
        system = task.load(Context())
        if artifact is not None and arm.method is not None:
            system = arm.method.apply(system, artifact)
        shown = [system.shown(task.source.frame(sample.data["frame"])) for sample in task.samples("evaluation")]
        return system, lambda: [system.detect([frame]) for frame in shown]

    return measure_memory(build, "cpu")


def in_turns(rounds: int, frames: int, threads: int) -> dict[str, np.ndarray]:
    """Return bytes [rounds] by title; every number is of a fresh process, and who is first changes from round to round.

    A round before the first is thrown away: in it loops are compiled, whose compiler takes more than the detector.
    """
    by_title = {arm.title: arm for arm in arms() if arm.title in MEASURED}
    artifacts = {title: prepared(arm) for title, arm in by_title.items()}
    grown = {title: np.empty(rounds + 1) for title in MEASURED}
    for turn in range(rounds + 1):
        first = turn % len(MEASURED)
        for title in MEASURED[first:] + MEASURED[:first]:
            with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
                use = fresh.submit(used, by_title[title], artifacts[title], frames, threads).result()
            if not use.hwm_reset:
                raise RuntimeError(
                    "this kernel cannot reset a process's high-water mark: a peak would include the loading"
                )
            grown[title][turn] = use.peak_rss_growth
    return {title: own[1:] for title, own in grown.items()}


def section(rounds: int, frames: int, threads: int) -> Iterator[str]:
    """Yield the section: growth at the peak, and its ratio to the dense detector's of the same round."""
    grown = in_turns(rounds, frames, threads)
    yield "| peak memory, a process of its own | MB, median | least-most | this / dense [95 % interval] |"
    yield "|---|--:|--:|--:|"
    reference = grown[REFERENCE]
    for title, own in grown.items():
        told = ""
        if title != REFERENCE:
            times = geometric_mean_ratio(own.tolist(), reference.tolist(), 0.95)
            told = f"{times.value:.2f}"
            if times.interval is not None:
                told += f" [{times.interval.low:.2f}, {times.interval.high:.2f}]"
        yield f"| {title} | {np.median(own) / MB:.1f} | {own.min() / MB:.1f}-{own.max() / MB:.1f} | {told} |"
    yield ""
    yield (
        f"{rounds} rounds of fresh processes in turns, {threads} threads; {frames} frames twice, one at a time. What the "
        "process grew by at its peak (the system's high-water mark), weights, kernel maps and compiled loops included, "
        "library code not; geometric mean of the ratios within rounds and its t interval on their logarithms."
    )


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=12, help="of the evaluation split")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--page", type=Path, help="a page with the section memory; printed where none is given")
    given = parser.parse_args()
    text = "\n".join(section(given.rounds, given.frames, given.threads))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "memory", text)


if __name__ == "__main__":
    main()
