"""Score matrices as a file (``.npz``, numbers and strings only), so that a study can be repeated without the store behind it.

Arrays: ``metrics`` [k], ``values`` [k, methods, samples], ``methods``, ``samples``, ``families``, ``higher_is_better`` [k],
``margins`` [k], ``texts`` [samples] or empty, ``source`` and ``seconds_per_sample``. Values that float32 holds exactly are
stored as such.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np

from effbench.atomic import write_with
from effbench.errors import BadInput, nearest
from effbench.subset.matrix import check_same, score_matrix
from effbench.subset.stores import PoolScores

SCHEMA = "effbench/scores/1"
SUFFIX = ".npz"


def write_scores(path: Path, found: PoolScores) -> None:
    """Write the matrices, which must be of the same methods and samples; raises ``BadInput`` where they are not."""
    check_same(found.matrices)
    first, matrices = found.matrices[0], found.matrices
    values = np.stack([matrix.values for matrix in matrices])
    narrow = values.astype(np.float32)
    fields = {
        "schema": np.array(SCHEMA),
        "metrics": np.array([matrix.metric for matrix in matrices]),
        "values": narrow if np.array_equal(narrow.astype(np.float64), values) else values,
        "methods": np.array(first.methods),
        "samples": np.array(first.samples),
        "families": np.array(first.families),
        "higher_is_better": np.array([matrix.higher_is_better for matrix in matrices]),
        "margins": np.array([matrix.margin for matrix in matrices]),
        "texts": np.array(first.texts or (), str),
        "source": np.array(found.source),
        "seconds_per_sample": np.array(found.seconds_per_sample),
    }

    def write(target: Path) -> None:
        with target.open("wb") as file:
            np.savez_compressed(file, **fields)  # type: ignore[arg-type]

    write_with(path, write)


def read_scores_file(
    path: Path,
    metrics: Sequence[str] = (),
    tasks: str = "*",
    missing: Literal["refuse", "drop-samples", "drop-methods"] = "refuse",
) -> PoolScores:
    """Return the matrices of a file, all or those of some metrics; methods are filtered by the task that begins their names.

    Raises ``BadInput`` where the file is not there or not such a file, lacks a metric, or holds what a matrix refuses.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            if str(data["schema"]) != SCHEMA:
                raise BadInput(f"{path}: its schema is {str(data['schema'])!r}, not {SCHEMA!r}")
            held = {name: data[name] for name in data.files}
            names = [str(name) for name in held["metrics"]]
            unknown = [metric for metric in metrics if metric not in names]
            if unknown:
                raise BadInput(f"{path}: no scores of {unknown[0]!r}{nearest(unknown[0], names)}")
            texts = held["texts"].tolist() or None
            methods = held["methods"].tolist()
            rows = [
                row
                for row, name in enumerate(methods)
                if name.startswith(f"{tasks}/") or fnmatch.fnmatchcase(name, f"{tasks}/*")
            ]
            if tasks == "*":
                rows = list(range(len(methods)))
            if not rows:
                raise BadInput(f"{path}: no method of task {tasks!r} in it")
            matrices = [
                score_matrix(
                    name,
                    held["values"][names.index(name)][rows],
                    [methods[row] for row in rows],
                    held["samples"].tolist(),
                    families=held["families"][rows].tolist(),
                    higher_is_better=bool(held["higher_is_better"][names.index(name)]),
                    margin=float(held["margins"][names.index(name)]),
                    texts=texts,
                    missing=missing,
                )
                for name in metrics or names
            ]
            return PoolScores(tuple(matrices), float(held["seconds_per_sample"]), str(held["source"]))
    except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
        raise BadInput(
            f"{path}: not a file of scores ({SUFFIX}, written by `effbench subset scores`): {error}"
        ) from error
