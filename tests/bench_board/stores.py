"""Whole generated stores: ``python -m bench_board.stores FOLDER --tasks 50 --methods 200 --samples 200``.

The same options give the same files. Only ``fsync`` is left out: a generated store need not survive a power failure.
"""

from __future__ import annotations

import argparse
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import effbench.atomic
from bench_board.cells import write_cell
from bench_board.drawn import MACHINE, SUBSET, GeneratedCell
from effbench.store import Store

CHUNK = 50
"""Cells that a process writes in one go: some seconds."""


@dataclass(frozen=True)
class StoreSize:
    """How large a generated store is: cells are tasks x methods, rows of samples cells x samples."""

    tasks: int
    methods: int
    samples: int
    seed: int = 0

    @property
    def name(self) -> str:
        """Return a folder's name that says all of it."""
        return f"board-{self.tasks}x{self.methods}x{self.samples}-s{self.seed}"

    def cells(self) -> list[GeneratedCell]:
        """Return every cell, in the order of a plan."""
        return [
            GeneratedCell(self.seed, task, method, self.samples)
            for task in range(self.tasks)
            for method in range(self.methods)
        ]


def write_store(path: Path, size: StoreSize, processes: int = 2) -> Path:
    """Write a store of that size into a new folder; it takes its name when it is whole."""
    cells, unfinished = size.cells(), path.with_name(f"{path.name}.partly")
    shutil.rmtree(unfinished, ignore_errors=True)
    store = Store(unfinished)
    store.open(suite_of(size), [{"id": c.id, "task": c.task_id, "method": c.method_id} for c in cells])
    store.write_machine(MACHINE, {"cpu_model": "none (generated)", "cores": 2, "memory_gb": 8.3, "gpu": []})
    store.close()
    _write_cells(unfinished, [cell for cell in cells if cell.method == 0])
    rest = [cell for cell in cells if cell.method != 0]
    chunks = [rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK)]
    if processes > 1 and len(chunks) > 1:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            list(pool.map(_write_cells, [unfinished] * len(chunks), chunks))
    else:
        for chunk in chunks:
            _write_cells(unfinished, chunk)
    unfinished.rename(path)
    return path


def _write_cells(path: Path, cells: list[GeneratedCell]) -> None:
    synced, effbench.atomic._sync = effbench.atomic._sync, lambda _: None
    try:
        store = Store(path)
        for cell in cells:
            write_cell(store.cell(cell.id), cell)
    finally:
        effbench.atomic._sync = synced


def suite_of(size: StoreSize) -> dict:
    """Return the suite that such a store would have been made from, as resolved."""
    first = size.cells()[: size.methods]
    return {
        "schema": "effbench/suite/1",
        "name": "generated",
        "description": f"{size.tasks} tasks x {size.methods} methods, generated: nothing in it was measured",
        "tasks": [
            {
                "id": replace(first[0], task=task).task_id,
                "use": "t2i",
                "with": replace(first[0], task=task).identity.task_params,
                "samples": {"subset": SUBSET},
            }
            for task in range(size.tasks)
        ],
        "methods": [{"id": cell.method_id, "use": cell.family, "with": cell.passed} for cell in first],
        "seeds": [0],
        "measure": {"latency": {"rounds": 3, "batch_sizes": [1]}, "memory": True, "flops": True, "energy": "auto"},
        "stats": {"ci": 0.95, "resamples": 200},
    }


def main() -> None:
    """Write the store and say what it took."""
    parser = argparse.ArgumentParser(prog="python -m bench_board.stores", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--methods", type=int, default=200)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    size = StoreSize(given.tasks, given.methods, given.samples, given.seed)
    begin = time.perf_counter()
    write_store(given.folder, size, given.processes)
    print(f"{given.folder}: {size.tasks * size.methods} cells in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
