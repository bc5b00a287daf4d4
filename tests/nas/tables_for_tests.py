"""A made table of a sample of cells: truth is a known function of the cell, so that what a predictor finds can be judged."""

import random

import numpy as np
import yaml

from effbench.nas.cells import classes, name_of

WORTH = {0: -1.0, 1: 0.2, 2: 0.5, 3: 1.0, 4: 0.0}
"""What an operation adds to a cell, whatever the edge."""


def some_cells(count, seed=0):
    """One cell of each of ``count`` classes, connected, sorted."""
    one_each = {form: members[0] for form, members in classes().items() if form}
    return sorted(one_each[form] for form in random.Random(seed).sample(sorted(one_each), count))


def write_table(folder, count=120, seed=0, columns=(), truths=2, **header):
    """Write a table whose truth is the sum of its operations' worth plus a little noise per seed; returns its YAML file.

    ``columns`` are (name, function of codes [n, 6] and generator, cost in seconds).
    """
    cells, rng = some_cells(count, seed), np.random.default_rng(seed)
    codes = np.array(cells)
    worth = np.vectorize(WORTH.get)(codes).sum(1)
    truth = 0.7 + 0.03 * (worth - worth.mean()) + 0.002 * rng.standard_normal((truths, count))
    names = ["cell", *(f"seed{s}" for s in range(truths)), *(name for name, _, _ in columns)]
    values = [truth[s] for s in range(truths)] + [np.asarray(make(codes, rng), float) for _, make, _ in columns]
    rows = [",".join(names)] + [
        ",".join([name_of(cell), *(f"{column[i]:.6g}" for column in values)]) for i, cell in enumerate(cells)
    ]
    (folder / "made.csv").write_text("\n".join(rows) + "\n", "utf-8")
    given = {
        "space": "nas-bench-201",
        "rows": "made.csv",
        "truth": names[1 : 1 + truths],
        "truth_cost": {"cost_s": 10.0},
        "low_fidelity": {name: {"cost_s": cost} for name, _, cost in columns},
        **header,
    }
    file = folder / "made.yaml"
    file.write_text(yaml.safe_dump(given), "utf-8")
    return file
