"""NAS-Bench-201's trained accuracies on CIFAR-10, from the package ``analog-nasbench`` where a user has installed it.

The package (no licence stated, so nothing of it is copied here) keeps a pickle of its own classes; it is read without
importing the package, and nothing in it but those classes is let in. Its codes list edges by their source and operations as
(skip, none, 3x3, 1x1, pool): found by us from the cells that stay at 10 %, which are the disconnected ones exactly.
"""

from __future__ import annotations

import hashlib
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from effbench.errors import BadInput
from effbench.nas.cells import Code, check_code
from effbench.nas.spaces import CELLS
from effbench.nas.tables import NasTable, table_of

PACKAGE = "analognasbench"
OPS_THERE = (1, 0, 3, 2, 4)
"""Their operation -> ours."""
EDGES_THERE = (0, 1, 3, 2, 4, 5)
"""Place of our edge in their code."""


class _Stand:
    """What stands for any of the package's classes: its attributes alone are read."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        if module.split(".")[0] != PACKAGE:
            raise pickle.UnpicklingError(f"holds {module}.{name}, which is none of the package's own")
        return _Stand


def installed() -> Path | None:
    """Return the package's file, None where it is not installed."""
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(folders))) / "data.anb" if folders else None


def analog_table(file: Path) -> NasTable:
    """Return all cells with their accuracy, parameters and FLOPs; raise ``BadInput`` for a file of another form."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror or error}; pip install analog-nasbench") from None
    try:
        with file.open("rb") as opened:
            found = _Reader(opened).load()
        accuracy = {_ours(code): float(cell.baseline_accuracy) / 100 for code, cell in found.items()}
    except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError, IndexError, BadInput) as error:
        raise BadInput(f"{file}: not the table of analog-nasbench 0.1: {error}") from None
    codes = sorted(accuracy)
    counted = [CELLS.counts(code) for code in codes]
    columns = {name: np.array([counts[name] for counts in counted]) for name in counted[0]}
    truths = np.array([[accuracy[code]] for code in codes])
    return table_of("nas-bench-201", codes, truths, columns, {}, revision=hashlib.sha256(content).hexdigest()[:16])


def _ours(code: Any) -> Code:
    ours = tuple(OPS_THERE[code[place]] for place in EDGES_THERE)
    check_code(ours)
    return ours
