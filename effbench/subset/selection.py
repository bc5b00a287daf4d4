"""What every selector returns, and what it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.subset.matrix import ScoreMatrix, check_same, without_noise


@dataclass(frozen=True)
class Selection:
    """``rows`` int [size] are positions among the samples, without repeats; ``weights`` [size] are positive and sum to 1."""

    rows: Array
    weights: Array
    details: Mapping[str, Any] = field(default_factory=dict)

    def estimate(self, matrix: ScoreMatrix) -> Array:
        """Return the weighted mean of every method over the subset [methods]."""
        return without_noise(matrix.values[:, self.rows] @ self.weights, matrix.values)


class Selector(Protocol):
    """Chooses ``size`` samples from the scores of the methods it is given, and from nothing else."""

    @property
    def name(self) -> str:
        """Return what the selector is called."""
        ...

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return one subset that serves all the metrics of ``matrices``; raises ``BadInput`` for a size that cannot be."""
        ...


def even(rows: Array | Sequence[int], **details: Any) -> Selection:
    """Return a selection in which all samples weigh the same."""
    chosen = np.asarray(rows, np.int64)
    return Selection(chosen, np.full(len(chosen), 1 / len(chosen)), details)


def check_request(matrices: Sequence[ScoreMatrix], size: int) -> None:
    """Raise ``BadInput`` where the matrices disagree or the size is not between 1 and the number of samples."""
    check_same(matrices)
    pool = len(matrices[0].samples)
    if not 1 <= size <= pool:
        raise BadInput(f"a subset of {size} samples cannot be chosen from a pool of {pool}; valid: 1 to {pool}")
