"""Per-round medians of a cell, which speed is compared by: rounds join methods that were timed side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from effbench.store import CellFolder
from effbench.timings import rounds_of


def round_medians(folder: CellFolder, batch_size: int, machine: str) -> dict[str, float]:
    """Return round -> the median call in ms, for one batch size on one machine."""
    rounds = rounds_of(folder, batch_size, machine)
    return {name: float(np.median(timings.steady[name])) / 1e6 for name, timings in sorted(rounds.items())}


def log_ratios(above: Mapping[str, float], below: Mapping[str, float]) -> dict[str, float]:
    """Return round -> log(above / below) over the rounds that both share, leaving out times that are not positive."""
    shared = [name for name in above if name in below and above[name] > 0 and below[name] > 0]
    return {name: math.log(above[name] / below[name]) for name in shared}


def batch_size_of(name: str, batch_sizes: tuple[int, ...]) -> int | None:
    """Return the batch size that a latency number is of: that after ``@b``, else the first of the suite."""
    _, at, size = name.partition("@b")
    if at:
        return int(size)
    return batch_sizes[0] if batch_sizes else None
