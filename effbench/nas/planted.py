"""A made table whose answer is known: no network was trained for it, and it says so in its name.

What a cell is worth is the sum over its edges of what its operations are worth, by one price list in one region of the
space and by another in the rest; the operation on the edge from input to output says which. One column knows each list,
with a little noise, on all cells; two columns are noise. So a predictor that learns where to trust which column beats any
single one, and what the two noisy ones teach is nothing.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np

from effbench.arrays import Array
from effbench.nas.cells import EDGES, classes
from effbench.nas.skeleton import NAS_BENCH_201, flops
from effbench.nas.tables import ColumnCost, NasTable, table_of

CELLS = 400
"""One of each of as many classes: half of them judged give intervals that tell methods apart."""
PRICES = ((-1.0, 0.2, 0.5, 1.0, 0.0), (0.8, -0.6, 0.1, -0.9, 0.6))
"""Worth of each operation, in the first region and in the second: the two lists nearly contradict each other."""
FIRST_REGION = (1, 2, 4)
"""Operations on the edge from input to output that put a cell into the first region."""
NOISE, COLUMN_NOISE, SCALE = 0.001, 0.1, 0.02  # of accuracies of about a half, of columns, and from worth to accuracy
SEED = 20261129
"""A date; any would do."""


def planted_table() -> NasTable:
    """Return the table ``planted``: columns ``first``, ``second``, ``noise_1``, ``noise_2`` and ``flops``."""
    one_each = {form: members[0] for form, members in classes().items() if form}
    drawn = random.Random(SEED).sample(sorted(one_each), CELLS)
    codes = sorted(one_each[form] for form in drawn)
    cells, rng = np.array(codes), np.random.default_rng(SEED)
    worths = [np.array(prices)[cells].sum(1) for prices in PRICES]
    is_first = np.isin(cells[:, EDGES.index((3, 0))], FIRST_REGION)
    truth = 0.5 + SCALE * np.where(is_first, *worths)
    seeds = truth[:, None] + NOISE * rng.standard_normal((CELLS, 2))
    columns: dict[str, Array] = {
        name: worth + COLUMN_NOISE * rng.standard_normal(CELLS) for name, worth in zip(("first", "second"), worths)
    }
    columns |= {f"noise_{i}": rng.standard_normal(CELLS) for i in (1, 2)}
    columns["flops"] = np.array([float(flops(code, NAS_BENCH_201)) for code in codes])
    priced = {name: ColumnCost(cost_s=0.0 if name == "flops" else 1.0) for name in columns}
    digest = hashlib.sha256(b"".join(np.round(part, 9).tobytes() for part in (cells, seeds, *columns.values())))
    return table_of("planted", codes, seeds, columns, priced, ColumnCost(cost_s=100.0), digest.hexdigest()[:16])
