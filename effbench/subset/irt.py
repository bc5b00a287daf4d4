"""Anchor prompts by item response: prompts that answer to the methods alike stand for one another.

A score is modelled as  score[m, p] = mean_p + sum_k ability[m, k] * discrimination[p, k] + noise,  the linear form
of an item response model; least squares over both factors is the truncated singular value decomposition of the scores
without the prompts' means (Eckart and Young 1936). Prompts with the same discriminations tell the methods apart in the same
way, so the pool is clustered by them, and the medoid of a cluster stands for all its prompts with the cluster's share as
weight. The idea is that of anchor points (arXiv 2309.08638) with tinyBenchmarks' item embeddings (arXiv 2402.14992); both
model right and wrong answers, here scores are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.medoids import k_medoids
from effbench.subset.selection import Selection, check_request


@dataclass(frozen=True)
class ItemResponse:
    """Anchor prompts of clusters by discrimination, in ``factors`` dimensions; a weight is a cluster's share of the pool."""

    factors: int = 5
    name: str = "irt"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return the anchors with their shares as weights."""
        check_request(matrices, size)
        points = np.concatenate([discriminations(matrix, self.factors) for matrix in matrices], axis=1)
        rows, counts = k_medoids(points, size, seed)
        return Selection(rows, counts / counts.sum())


def discriminations(matrix: ScoreMatrix, factors: int) -> Array:
    """Return the prompts' discriminations [samples, factors or fewer]; all metrics' are of about the same size.

    Abilities are of unit length, so that the distance of two prompts is that of their modelled scores.
    """
    centred = matrix.values - matrix.values.mean(0)
    _, singular, items = np.linalg.svd(centred, full_matrices=False)
    found = (items[:factors] * singular[:factors, None]).T
    return np.asarray(found / np.sqrt((found**2).sum(1).mean()))
