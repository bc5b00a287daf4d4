"""Write the table that suites/nas-201.yaml reads: the package's accuracies beside our proxies, under a user's results folder.

Nothing of it ships: the truths belong to the package ``analog-nasbench``, which states no licence.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from effbench.errors import BadInput
from effbench.nas.cells import Code, name_of
from effbench.nas.probing import Values, low_fidelity_costs
from effbench.nas.shipped import OF_THE_PACKAGE, find_table
from effbench.zoo.digits_pixart.data import load_digits
from effbench.zoo.nas_201.columns import N_CELLS, PROBED, REDUCED, ZEN_REPEATS_HERE, columns
from effbench.zoo.nas_micro.train import chosen

NOISE_COLUMNS = 12
"""As many columns that know nothing as DELE is given that may: what bad low-fidelity information does."""
NOISE_SEED = 20261130
"""A date."""
ROWS = "nas-201.csv"
"""Of both tables: they differ in what their headers name as columns."""
DIGITS = 9  # significant ones of a value, all that float32 has


def write_table(folder: Path, truth: Mapping[Code, float], known: Mapping[Code, Values]) -> None:
    """Write the rows of the known cells, in their order, under two headers.

    ``nas-201.yaml`` has every proxy as a column, ``nas-201-noise.yaml`` Gaussian noise instead.
    """
    costs = low_fidelity_costs(list(known.values()))
    proxies = {name: [values[name][0] for values in known.values()] for name in costs}
    drawn = np.random.default_rng(NOISE_SEED).standard_normal((len(known), NOISE_COLUMNS))
    noise = {f"noise_{i + 1}": drawn[:, i].tolist() for i in range(NOISE_COLUMNS)}
    lines = [",".join(["cell", "accuracy", *proxies, *noise])]
    for row, code in enumerate(known):
        values = ",".join(f"{own[row]:.{DIGITS}g}" for own in (*proxies.values(), *noise.values()))
        lines.append(f"{name_of(code)},{truth[code]:.{DIGITS}g},{values}")
    content = ("\n".join(lines) + "\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ROWS).write_bytes(content)
    header: dict[str, Any] = {
        "space": "nas-bench-201",
        "what": f"{len(known)} connected cells of NAS-Bench-201, no two isomorphic, one training each on CIFAR-10; zero-cost "
        f"proxies of networks of width {REDUCED.width}, {REDUCED.cells} cells a stage, {REDUCED.size}x{REDUCED.size} pixels, "
        f"on {PROBED} digits, zen with {ZEN_REPEATS_HERE} repeats; CPU seconds of the machine that computed them",
        "source": "PyPI analog-nasbench (accuracy); effbench/zoo/nas_201 (make nas-201)",
        "rows": ROWS,
        "sha256": hashlib.sha256(content).hexdigest(),
        "truth": ["accuracy"],
    }
    for name, own in (
        ("nas-201", costs),
        ("nas-201-noise", {column: {"cost_s": 0.0} for column in noise}),
    ):
        text = yaml.safe_dump({**header, "low_fidelity": own}, sort_keys=False, width=120)
        (folder / f"{name}.yaml").write_text(text, "utf-8")


def main() -> None:
    """Write the table of the first cells of the order, computing proxies that are not there yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("results/nas-201"))
    parser.add_argument("--out", type=Path, help="folder of the table; that of the proxies where not given")
    parser.add_argument("--cells", type=int, default=N_CELLS, help="how many cells in all")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes of one thread for the proxies"
    )
    given = parser.parse_args()
    try:
        package = find_table(OF_THE_PACKAGE)
        truth = dict(zip(package.codes, package.truth.tolist()))
        known = columns(given.work, chosen()[: given.cells], load_digits()[0], given.workers)
    except BadInput as error:
        raise SystemExit(str(error)) from None
    out = given.out or given.work
    write_table(out, truth, known)
    print(f"{len(known)} cells in {out / ROWS}")


if __name__ == "__main__":
    main()
