"""The system of ``toy-rank``: a linear predictor, whose scores methods change one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from effbench.api import Sample, System

ScoreChange = Callable[[str, float], float]
"""From (sample id, score) to the changed score."""


@dataclass(frozen=True)
class Predictor(System):
    """Scores an item by a weighted sum of its features; ``changes`` are applied to each score in their order."""

    coefficients: tuple[float, ...]
    changes: tuple[ScoreChange, ...] = ()

    def predict(self, items: Sequence[Sample]) -> list[float]:
        """Return one score per item; each item is scored alone, so none depends on its neighbours."""
        return [self._score(item) for item in items]

    def _score(self, item: Sample) -> float:
        score = float(np.dot(self.coefficients, item.data["features"]))
        for change in self.changes:
            score = change(item.id, score)
        return score
