"""Compute the zero-cost proxies of a seeded sample of NAS-Bench-201's cells; ``make nas-201``. It goes on where it stopped.

The benchmark's own networks cost some 17 core seconds a cell, so proxies are taken of smaller ones of the same cells, on
digits instead of CIFAR-10: half the width, two cells a stage instead of five, 16x16 pixels. Parameters and FLOPs are the
benchmark's own.
Cells are the first of the seeded order of EffBench-Micro: one of each class of isomorphs, so any prefix is a random sample.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from effbench.errors import BadInput
from effbench.nas.cells import Code
from effbench.nas.probing import Probing, Values, probed
from effbench.nas.skeleton import Skeleton
from effbench.nas.spaces import CELLS
from effbench.zoo.digits_pixart.data import Digits, load_digits
from effbench.zoo.nas_micro.train import chosen

REDUCED = Skeleton(width=8, cells=2, size=16)
"""Of which proxies are taken: 0.3 core seconds a cell, where the benchmark's own skeleton took 17."""
PROBED = 16
"""Digits in the batch of a proxy; more cost in proportion."""
ZEN_REPEATS_HERE = 2
"""Zen is a mean over drawn weights; eight of them cost more than all other proxies together."""
N_CELLS = 1200
"""Enough for 781 labels beside a judged third."""
STATE = "columns.jsonl"
"""Finished cells."""


def probing(digits: Digits) -> Probing:
    """Return of which networks proxies are taken: on ``PROBED`` digits of 16x16 pixels in three equal colours, by a seed."""
    rows = torch.randperm(len(digits.labels), generator=torch.Generator().manual_seed(0))[:PROBED]
    images = torch.nn.functional.avg_pool2d(digits.images[rows], digits.images.shape[-1] // REDUCED.size)
    batch = images.expand(-1, REDUCED.channels, -1, -1).contiguous()
    return Probing(REDUCED, "nas-201", batch.numpy(), digits.labels[rows].numpy(), ZEN_REPEATS_HERE)


def columns(work: Path, codes: Sequence[Code], digits: Digits, workers: int = 1) -> dict[Code, Values]:
    """Return the columns of cells, in their order; proxies that ``work`` does not hold are computed and kept there."""
    found = probed(probing(digits), codes, work / STATE, workers)
    counts = {code: {name: (value, 0.0) for name, value in CELLS.counts(code).items()} for code in found}
    return {code: {**values, **counts[code]} for code, values in found.items()}


def main() -> None:
    """Compute the columns that are missing."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("results/nas-201"))
    parser.add_argument("--cells", type=int, default=N_CELLS, help="how many cells in all")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of one thread")
    given = parser.parse_args()
    try:
        columns(given.work, chosen()[: given.cells], load_digits()[0], given.workers)
    except BadInput as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
