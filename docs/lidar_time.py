"""The section "time" of docs/lidar.md: how much quicker than the dense detector others are, and where time goes.

``make lidar-time``, on a machine that does nothing else. Detectors take turns frame by frame, so that what disturbs the
machine disturbs all of them; the dense one takes a second turn, which says how far two times of the same thing lie apart.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from lidar_arms import FULLY_SPARSE, OCCUPIED, REFERENCE, Arm, arms, made

from effbench.kernels import isa
from effbench.kernels.sparse_conv import maps
from effbench.lidar.detector import model
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.frames import Frame
from effbench.measure.machine import facts
from effbench.section import replace_section
from effbench.tasks.lidar_detection.system import LidarSystem

OURS, AGAIN = "**Ada3D-B**", "dense, a second time"
TIMED = (REFERENCE, AGAIN, OCCUPIED, OURS, FULLY_SPARSE)
"""Rows, the one that the others are divided by first."""
PARTS = (
    "voxels of points",
    "3D convolutions",
    "BEV convolutions",
    "head",
    "filter",
    "kernel maps",
    "boxes of the maps",
)
"""Of a frame, each without those that it calls; what is left is between them."""
MODULES = {"backbone3d": "3D convolutions", "bev": "BEV convolutions", "head": "head"}
"""Module of a detector -> part."""
MAPS = ("submanifold_map", "strided_map", "map_onto")
"""Functions that look up which rows meet."""


class Clock:
    """Seconds by part: time goes to the part that was entered last and not left yet, to the rest where there is none."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open, self._since = ["rest"], perf_counter()

    def enter(self, part: str) -> None:
        """Let time go to a part from now on."""
        self._count()
        self._open.append(part)

    def leave(self) -> None:
        """Let time go to the part that the one left was called from."""
        self._count()
        self._open.pop()

    def restart(self) -> None:
        """Forget everything; time goes to the rest."""
        self.seconds, self._since = defaultdict(float), perf_counter()

    def taken(self) -> dict[str, float]:
        """Return the seconds by part until now."""
        self._count()
        return dict(self.seconds)

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time goes to a part."""

        def run(*args: Any, **kwargs: Any) -> Any:
            self.enter(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.leave()

        return run

    def _count(self) -> None:
        now = perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now


@contextmanager
def told_apart(detector: LidarDetector, clock: Clock) -> Iterator[None]:
    """Let a clock see the parts of a detector while it runs in the block."""
    with ExitStack() as undone:
        own = [(getattr(detector, name), "forward", part) for name, part in MODULES.items()]
        own += [(detector.filter, name, "filter") for name in ("voxels", "cells")]
        own += [(maps, name, "kernel maps") for name in MAPS]
        own += [(model, "voxelise", PARTS[0]), (detector, "batch", PARTS[0]), (model, "decode", "boxes of the maps")]
        for owner, name, part in own:
            undone.enter_context(patch.object(owner, name, clock.around(part, getattr(owner, name))))
        yield


def systems_timed(frames: int) -> tuple[dict[str, LidarSystem], list[Frame]]:
    """Return the systems by title, prepared as the runner would, and the frames that they are timed on, in memory."""
    by_title: dict[str, Arm] = {arm.title: arm for arm in arms() if arm.title in TIMED}
    by_title[AGAIN] = by_title[REFERENCE]
    systems, shown = {}, []
    for title in TIMED:
        task, systems[title] = made(by_title[title], frames)
        shown = [systems[title].shown(task.source.frame(sample.data["frame"])) for sample in task.samples("evaluation")]
    return systems, shown


def in_turns(systems: dict[str, LidarSystem], frames: Sequence[Frame], turns: int) -> dict[str, np.ndarray]:
    """Return milliseconds [turns, frames] by title; who is first changes from frame to frame."""
    taken = {title: np.empty((turns, len(frames))) for title in systems}
    titles = list(systems)
    for title in titles:  # compiled, and caches filled
        systems[title].detect(frames[:2])
    for turn in range(turns):
        for number, frame in enumerate(frames):
            first = (turn + number) % len(titles)
            for title in titles[first:] + titles[:first]:
                started = perf_counter()
                systems[title].detect([frame])
                taken[title][turn, number] = 1000 * (perf_counter() - started)
    return taken


def parts_of(system: LidarSystem, frames: Sequence[Frame], turns: int) -> dict[str, float]:
    """Return the milliseconds of a frame by part: medians over frames and turns, and the rest."""
    clock = Clock()
    seen: list[dict[str, float]] = []
    with told_apart(system.detector, clock):
        system.detect(frames[:2])
        for _ in range(turns):
            for frame in frames:
                clock.restart()
                system.detect([frame])
                seen.append(clock.taken())
    return {part: 1000 * float(np.median([one.get(part, 0.0) for one in seen])) for part in (*PARTS, "rest")}


def ratios(taken: dict[str, np.ndarray], threads: int) -> Iterator[str]:
    """Yield the table of times and of ratios to the reference."""
    yield f"| {threads} thread{'s' * (threads > 1)} | ms a frame, median | dense / this, mean | 10th-90th percentile |"
    yield "|---|--:|--:|--:|"
    reference = next(iter(taken.values()))
    for title, own in taken.items():
        times = reference / own
        low, high = np.percentile(times, [10, 90])
        cells = f"{times.mean():.2f} | {low:.2f}-{high:.2f}" if own is not reference else " | "
        yield f"| {title} | {np.median(own):.1f} | {cells} |"


def split(parts: dict[str, dict[str, float]], threads: int) -> Iterator[str]:
    """Yield the table of milliseconds by part: a row per part, a column per detector."""
    yield f"| ms of a frame, {threads} thread{'s' * (threads > 1)} | {' | '.join(parts)} |"
    yield "|---|" + "--:|" * len(parts)
    for part in (*PARTS, "rest"):
        yield f"| {part} | {' | '.join(f'{own[part]:.1f}' if own[part] else '' for own in parts.values())} |"
    yield f"| sum | {' | '.join(f'{sum(own.values()):.1f}' for own in parts.values())} |"


def section(frames: int, turns: int, threads: int) -> Iterator[str]:
    """Yield the section."""
    torch.set_num_threads(threads)
    systems, shown = systems_timed(frames)
    yield from ratios(in_turns(systems, shown, turns), threads)
    yield ""
    yield (
        f"{facts()['cpu_model']} ({isa.current().vectors}); {frames} generated frames of the evaluation split, "
        f"{turns} turns. Ratio of two calls on the same frame in the same turn, mean and percentiles over frames and turns; "
        "points are in memory, boxes come out."
    )
    yield ""
    yield from split(
        {title: parts_of(systems[title], shown, turns) for title in (REFERENCE, OURS, FULLY_SPARSE)}, threads
    )
    yield ""
    yield (
        "Medians over the same frames; each part without those that it calls, so that kernel maps and the filter are not in "
        "the convolutions. The rest is between them: small tensors and Python. A run of its own, whose sum is not the time "
        "above to the last tenth: the clock costs a little, and medians do not add up."
    )


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20, help="of the evaluation split")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--page", type=Path, help="a page with the section time; printed where none is given")
    given = parser.parse_args()
    text = "\n".join(section(given.frames, given.turns, given.threads))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "time", text)


if __name__ == "__main__":
    main()
