"""Subsets that look at no ranking: what a search has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.subset.embedding import embed
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.medoids import k_medoids
from effbench.subset.selection import Selection, check_request, even


@dataclass(frozen=True)
class Random:
    """Samples drawn uniformly without replacement."""

    name: str = "random"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return a random subset."""
        check_request(matrices, size)
        return even(np.sort(np.random.default_rng(seed).choice(len(matrices[0].samples), size, replace=False)))


@dataclass(frozen=True)
class Stratified:
    """One random sample from each of ``size`` equal strata of difficulty, the mean standardised score of all methods."""

    name: str = "stratified"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return a stratified subset."""
        check_request(matrices, size)
        difficulty = np.mean([_standard(matrix.values.mean(0)) for matrix in matrices], axis=0)
        generator = np.random.default_rng(seed)
        strata = np.array_split(np.argsort(difficulty, kind="stable"), size)
        return even(np.sort([int(generator.choice(stratum)) for stratum in strata]))


@dataclass(frozen=True)
class TextMedoids:
    """The medoids of ``size`` clusters of prompts by their words, each weighing as much as its cluster has samples."""

    name: str = "k-medoids"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return the medoids; raises ``BadInput`` where the matrix knows no prompts."""
        check_request(matrices, size)
        texts = matrices[0].texts
        if texts is None:
            raise BadInput("k-medoids needs the samples' prompts, and this score matrix has none")
        rows, counts = k_medoids(embed(texts, seed=0), size, seed)
        return Selection(rows, counts / counts.sum())


def _standard(values: Array) -> Array:
    return np.asarray((values - values.mean()) / max(float(values.std()), np.finfo(float).tiny))
