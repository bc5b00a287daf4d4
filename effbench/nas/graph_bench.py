"""NAS-Bench-Graph's trained networks on nine data sets, from the package ``nas-bench-graph`` where a user has installed it.

The package (Apache-2.0) brings one pickle per data set: number of a network -> its accuracies, latency and parameters, as
means over three trainings. Nothing of it is copied here and none of its code runs: numbers are all that the pickle may hold.
Truth is the test accuracy; parameters, which are counted before anything is trained, are the only column. Validation
accuracy needs the training itself, and what a latency cost to measure is not told.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from effbench.errors import BadInput
from effbench.nas.spaces import GRAPHS, Code
from effbench.nas.tables import NasTable, table_of

PACKAGE = "nas_bench_graph"
PREFIX = "nas-bench-graph-"
DATA_SETS = ("arxiv", "citeseer", "computers", "cora", "cs", "photo", "physics", "proteins", "pubmed")
"""Those that the package brings."""
NUMBERS = frozenset(
    (module, name)
    for core in ("numpy.core", "numpy._core")
    for module, name in ((f"{core}.multiarray", "scalar"), ("numpy", "dtype"), ("_codecs", "encode"))
)
"""What a pickled number of numpy is made of, under numpy 1 and 2."""


class _NumberReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NUMBERS:
            raise pickle.UnpicklingError(f"holds {module}.{name}, which is no number")
        if name == "scalar":
            return _number
        return np.dtype if name == "dtype" else _encode


def _number(kind: np.dtype[Any], content: bytes) -> float:
    return float(np.frombuffer(content, kind)[0])


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


def installed() -> Path | None:
    """Return the folder of the package's tables, None where it is not installed."""
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(folders))) / "light" if folders else None


def graph_table(file: Path) -> NasTable:
    """Return the networks of a data set with their test accuracy; raise ``BadInput`` for a file of another form."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror or error}; pip install nas-bench-graph") from None
    try:
        found = _NumberReader(io.BytesIO(content)).load()
        rows = sorted((_code(number), float(one["perf"]), 1e6 * float(one["para"])) for number, one in found.items())
        if not all(0 <= accuracy <= 1 for _, accuracy, _ in rows):
            raise ValueError("an accuracy lies outside 0 to 1")
    except (pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError, BadInput) as error:
        raise BadInput(f"{file}: not a table of nas-bench-graph 1.4: {error}") from None
    return table_of(
        PREFIX + file.stem,
        [code for code, _, _ in rows],
        np.array([[accuracy] for _, accuracy, _ in rows]),
        {"parameters": np.array([parameters for _, _, parameters in rows])},
        {},
        revision=hashlib.sha256(content).hexdigest()[:16],
        space=GRAPHS,
    )


def _code(number: int) -> Code:
    """Return the code of a network's number, whose decimal digits are the code."""
    code = tuple(map(int, f"{number:05d}"))
    GRAPHS.check(code)
    return code
