"""Compute the zero-cost proxies of a seeded sample of NAS-Bench-201's cells; ``make nas-201``. It goes on where it stopped.

The benchmark's own networks cost some 17 core seconds a cell, so proxies are taken of smaller ones of the same cells, on
digits instead of CIFAR-10: half the width, two cells a stage instead of five, 16x16 pixels. Parameters and FLOPs are the
benchmark's own.
Cells are the first of the seeded order of EffBench-Micro: one of each class of isomorphs, so any prefix is a random sample.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from effbench.api import noise_seed
from effbench.nas.cells import Code, canonical
from effbench.nas.network import StackedNetwork
from effbench.nas.proxies import every_proxy
from effbench.nas.skeleton import NAS_BENCH_201, Skeleton, flops, parameters
from effbench.zoo.digits_pixart.data import Digits, load_digits
from effbench.zoo.nas_micro.train import chosen

REDUCED = Skeleton(width=8, cells=2, size=16)
"""Of which proxies are taken: 0.3 core seconds a cell, where the benchmark's own skeleton took 17."""
PROBED = 16
"""Digits in the batch of a proxy; more cost in proportion."""
ZEN_REPEATS_HERE = 2
"""Zen is a mean over drawn weights; eight of them cost more than all other proxies together."""
CELLS = 1200
"""Enough for 781 labels beside a judged third."""
STATE = "columns-*.jsonl"
"""Files of finished cells, one per part of the work."""

Values = dict[str, tuple[float, float]]
"""Proxy -> (value, CPU seconds)."""


def probe_batch(digits: Digits) -> Digits:
    """Return the seeded batch of every proxy: ``PROBED`` digits of 16x16 pixels in three equal colours."""
    rows = torch.randperm(len(digits.labels), generator=torch.Generator().manual_seed(0))[:PROBED]
    images = torch.nn.functional.avg_pool2d(digits.images[rows], digits.images.shape[-1] // REDUCED.size)
    return Digits(images.expand(-1, REDUCED.channels, -1, -1).contiguous(), digits.labels[rows])


def proxies_of(code: Code, batch: Digits) -> Values:
    """Return every proxy of a cell, with weights of a generator seeded by its canonical form; counts cost nothing."""
    seed = noise_seed(f"{canonical(code)}:nas-201", 0)
    network = StackedNetwork(code, REDUCED)
    network.initialise([seed])
    generator = torch.Generator().manual_seed(seed)
    found: Values = {}
    for group, compute in every_proxy(network, batch.images, batch.labels, generator, zen_repeats=ZEN_REPEATS_HERE):
        started = time.process_time()
        values = compute()
        spent = 0.0 if group == "counts" else time.process_time() - started
        found |= {name: (value, spent) for name, value in values.items()}
    return found | {
        "parameters": (float(parameters(code, NAS_BENCH_201)), 0.0),
        "flops": (float(flops(code, NAS_BENCH_201)), 0.0),
    }


def finished(work: Path) -> dict[Code, Values]:
    """Return what all parts have written; a line that a kill left half is passed over."""
    known: dict[Code, Values] = {}
    for file in sorted(work.glob(STATE)):
        for line in _whole_lines(file):
            given = json.loads(line)
            known[tuple(given["code"])] = {name: (value, spent) for name, (value, spent) in given["proxies"].items()}
    return known


def compute(work: Path, codes: list[Code], batch: Digits, part: int = 0) -> None:
    """Write the proxies of those cells that no part has finished, each on the disk before the next is begun."""
    work.mkdir(parents=True, exist_ok=True)
    known, file = finished(work), work / STATE.replace("*", str(part))
    whole = "".join(line + "\n" for line in _whole_lines(file)) if file.exists() else ""
    file.write_text(whole, "utf-8")
    with file.open("a", encoding="utf-8") as opened:
        for code in (code for code in codes if code not in known):
            opened.write(json.dumps({"code": list(code), "proxies": proxies_of(code, batch)}) + "\n")
            opened.flush()


def _whole_lines(file: Path) -> Iterator[str]:
    yield from file.read_text("utf-8").split("\n")[:-1]


def main() -> None:
    """Compute the columns that are missing."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("results/nas-201"))
    parser.add_argument("--cells", type=int, default=CELLS, help="how many cells in all")
    parser.add_argument("--part", type=int, default=0, help="which part of the cells, from 0")
    parser.add_argument("--parts", type=int, default=1, help="of how many that run side by side")
    given = parser.parse_args()
    torch.set_num_threads(1)
    codes = chosen()[: given.cells][given.part :: given.parts]
    compute(given.work, codes, probe_batch(load_digits()[0]), given.part)


if __name__ == "__main__":
    main()
