"""Evolution that a predictor guides: what it thinks best is trained, and it learns from what that showed.

Source: Ning et al. 2020 (GATES, arXiv 2004.01899) and its use by DELE (arXiv 2302.00932): stages of a few trainings each; in
a stage, every architecture to train is the best of a fresh evolution of the predictor's scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effbench.api import Method, PluginError, noise_seed
from effbench.arrays import Array
from effbench.tasks.nas_search.predictors import fitted
from effbench.tasks.nas_search.system import ArchitectureSearch
from effbench.tasks.nas_search.trial import SearchTrial
from effbench_baselines.nas_search.evolution import evolve_by_scores

MOST_EVOLUTIONS = 5
"""For one architecture: where as many find nothing that is not trained yet, the blind order says what is trained."""


@dataclass(frozen=True)
class Guided(ArchitectureSearch):
    """``predictor`` is the method of nas-ranking that is prepared anew in every stage."""

    predictor: Method
    start: int
    stage: int
    population: int
    tournament: int
    steps: int

    def search(self, trial: SearchTrial) -> None:
        """Train ``start`` architectures in the blind order, then ``stage`` at a time as the predictor says."""
        for _ in range(self.start):
            trial.train(trial.draw())
        while len(trial.trained) < trial.budget:
            seed = noise_seed(f"predictor after {len(trial.trained)}", trial.seed)
            predictor = fitted(self.predictor, trial, seed)
            scores = predictor.scores(trial.space.architectures)
            if not np.isfinite(scores).all():
                raise PluginError(f"predictor {self.predictor.name!r} gives scores that are not finite")
            for _ in range(self.stage):
                trial.train(self._proposed(scores, trial))

    def _proposed(self, scores: Array, trial: SearchTrial) -> int:
        """Return the architecture of the highest score that an evolution met and that is not trained yet."""
        for _ in range(MOST_EVOLUTIONS):
            start = trial.rng.choice(len(scores), min(self.population, len(scores)), replace=False)
            met: list[int] = evolve_by_scores(
                scores, map(int, start), trial.space.neighbours, self.steps, self.tournament, trial.rng
            )
            new = [place for place in met if place not in trial.trained]
            if new:
                return max(new, key=scores.__getitem__)
        return trial.draw()
