"""Train the cells of EffBench-Micro, one after the other; ``make nas-micro``. It goes on where it stopped.

Cells are drawn from the connected classes of isomorphs in a seeded order, one of each class: any prefix of that order is a
plain random sample of architectures, so a table may be cut anywhere.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import Any

from effbench.nas.cells import Code, classes
from effbench.zoo.digits_pixart.data import Digits
from effbench.zoo.nas_micro.recipe import settings, train_stack
from effbench.zoo.nas_micro.state import TrainedCell, TrainingState

FIDELITIES = (1, 2, 6)
"""Epochs of a training. The last is the truth; the others cost a sixth and a third of it."""
SEEDS = (0, 1, 2)
"""Three, so that truth is a mean and its own reliability is known."""
ORDER_SEED = 20261129
"""A date; the order of the cells is part of what the table is."""
N_CELLS = 570
"""As many as the table that ships has."""
STATE = "cells.jsonl"


def chosen() -> list[Code]:
    """Return one cell of every connected class, in the order in which they are trained."""
    one_each = [members[0] for form, members in sorted(classes().items()) if form]
    random.Random(ORDER_SEED).shuffle(one_each)
    return one_each


def recipe() -> dict[str, Any]:
    """Return all that a training depends on besides the digits and the seeds."""
    return {**settings(), "fidelities": list(FIDELITIES), "seeds": list(SEEDS)}


def train_cells(state: TrainingState, codes: list[Code], train: Digits, judging: Digits) -> None:
    """Train those of some cells that are not in the state yet, in their order."""
    known = {cell.code for cell in state.cells}
    for code in (code for code in codes if code not in known):
        started = time.monotonic()
        reached = {epochs: train_stack(code, epochs, SEEDS, train, judging) for epochs in FIDELITIES}
        state.add(TrainedCell(code, reached))
        last = ", ".join(f"{one.accuracy:.4f}" for one in reached[FIDELITIES[-1]])
        print(f"{len(state.cells)}: {code} {last} ({time.monotonic() - started:.1f} s)", flush=True)


def main() -> None:
    """Train the cells that are not finished yet."""
    import torch

    from effbench.zoo.nas_micro.data import micro_digits

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("results/nas-micro"))
    parser.add_argument("--cells", type=int, default=N_CELLS, help="how many cells in all")
    args = parser.parse_args()
    torch.set_num_threads(1)
    train, judging = micro_digits()
    train_cells(TrainingState(args.work / STATE, recipe()), chosen()[: args.cells], train, judging)


if __name__ == "__main__":
    main()
