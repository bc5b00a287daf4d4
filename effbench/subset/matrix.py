"""The score matrix: one metric of many methods on the same samples, from which subsets are chosen and judged.

Missing scores: a matrix has none. ``score_matrix`` refuses them, or on request leaves out the samples (or the methods)
that miss one, and says how many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput

LEAST_METHODS = 4
"""Fewer methods have at most three pairs, whose order a subset matches by luck in a sixth of all cases."""


@dataclass(frozen=True)
class ScoreMatrix:
    """``values`` is float64 [methods, samples], finite; ``families`` groups methods that share a model.

    ``texts`` are the samples' prompts where they are known; ``margin`` is the difference of two means up to which two
    methods count as tied.
    """

    metric: str
    values: Array
    methods: tuple[str, ...]
    samples: tuple[str, ...]
    families: tuple[str, ...]
    higher_is_better: bool = True
    margin: float = 0.0
    texts: tuple[str, ...] | None = None

    @property
    def truth(self) -> Array:
        """Return every method's mean over all samples [methods]: what a subset should reproduce."""
        return without_noise(self.values.mean(1), self.values)

    @property
    def pool_sha256(self) -> str:
        """Return the hash over the methods' names and the samples' ids: what a certificate holds for."""
        return hashlib.sha256("\0".join([*sorted(self.methods), "", *sorted(self.samples)]).encode()).hexdigest()

    def of_methods(self, rows: Sequence[int] | Array) -> ScoreMatrix:
        """Return the matrix of some of the methods; raises ``BadInput`` for fewer than four."""
        chosen = [int(row) for row in rows]
        _enough(self.metric, len(chosen))
        return replace(
            self,
            values=self.values[chosen],
            methods=tuple(self.methods[row] for row in chosen),
            families=tuple(self.families[row] for row in chosen),
        )


def score_matrix(
    metric: str,
    values: Any,
    methods: Sequence[str],
    samples: Sequence[str],
    *,
    families: Sequence[str] | None = None,
    higher_is_better: bool = True,
    margin: float = 0.0,
    texts: Sequence[str] | None = None,
    missing: Literal["refuse", "drop-samples", "drop-methods"] = "refuse",
) -> ScoreMatrix:
    """Return the checked matrix of ``values`` [methods, samples], NaN or infinite where a score is missing.

    Raises ``BadInput`` for shapes that disagree, duplicate ids, fewer than four methods, missing scores (see ``missing``)
    and a metric on which all methods are equal.
    """
    table = np.array(values, np.float64)
    if table.shape != (len(methods), len(samples)):
        raise BadInput(
            f"{metric}: scores of shape {table.shape} do not fit {len(methods)} methods x {len(samples)} samples"
        )
    for kind, names in (("method", methods), ("sample", samples)):
        if len(set(names)) < len(names):
            twice = next(name for name in names if list(names).count(name) > 1)
            raise BadInput(f"{metric}: {kind} {twice!r} stands twice in the matrix")
    groups = tuple(families) if families is not None else tuple(methods)
    holes = ~np.isfinite(table)
    rows, columns = list(range(len(methods))), list(range(len(samples)))
    if holes.any() and missing == "refuse":
        row, column = np.argwhere(holes)[0]
        raise BadInput(
            f"{metric}: {int(holes.sum())} scores are missing or not finite, first that of method {methods[row]!r} on "
            f"sample {samples[column]!r}; leave out those samples with --missing drop-samples, or the methods with "
            "--missing drop-methods"
        )
    if missing == "drop-samples":
        columns = np.flatnonzero(~holes.any(0)).tolist()
    elif missing == "drop-methods":
        rows = np.flatnonzero(~holes.any(1)).tolist()
    _enough(metric, len(rows))
    if len(columns) == 0:
        raise BadInput(f"{metric}: no sample has a score of every method")
    table = table[np.ix_(rows, columns)]
    if np.ptp(table.mean(1)) <= margin:
        raise BadInput(f"{metric}: all methods have the same mean, so there is no ranking to reproduce")
    return ScoreMatrix(
        metric,
        table,
        tuple(methods[row] for row in rows),
        tuple(samples[column] for column in columns),
        tuple(groups[row] for row in rows),
        higher_is_better,
        margin,
        None if texts is None else tuple(texts[column] for column in columns),
    )


def without_noise(means: Array, values: Array) -> Array:
    """Return means of ``values`` without what the order of their additions left in the last bits.

    0.35 as a sum of sevens of twenty comes out in several ways, and methods that tie would be apart by 1e-17. Means keep
    forty binary digits below the largest score.
    """
    largest = float(np.abs(values).max())
    if largest == 0:
        return np.asarray(means)
    digit = 2.0 ** (np.ceil(np.log2(largest)) - 40)
    return np.asarray(np.round(means / digit) * digit)


def check_same(matrices: Sequence[ScoreMatrix]) -> None:
    """Raise ``BadInput`` where matrices of several metrics are not of the same methods and samples, in the same order."""
    if not matrices:
        raise BadInput("no score matrix to choose from")
    first = matrices[0]
    for other in matrices[1:]:
        if other.methods != first.methods or other.samples != first.samples:
            raise BadInput(f"the matrices of {first.metric} and {other.metric} are not of the same methods and samples")


def _enough(metric: str, methods: int) -> None:
    if methods < LEAST_METHODS:
        raise BadInput(f"{metric}: {methods} methods are too few to rank; at least {LEAST_METHODS} are needed")
