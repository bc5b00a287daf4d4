"""Regularised evolution: tournaments choose parents, children differ by an edit, and the oldest dies.

Source: Real et al. 2019 (arXiv 1802.01548), algorithm 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from effbench.arrays import Array
from effbench.tasks.nas_search.system import ArchitectureSearch
from effbench.tasks.nas_search.trial import SearchTrial

MOST_KNOWN = 100
"""Children in a row that were trained before: a population whose surroundings are known so far moves on by lot."""


class Evolution(ArchitectureSearch):
    """Evolves the accuracies that trainings show."""

    def __init__(self, population: int, tournament: int) -> None:
        self.population, self.tournament = population, tournament

    def search(self, trial: SearchTrial) -> None:
        """Train a first population in the blind order, then children until the budget is spent."""
        living: deque[int] = deque(maxlen=self.population)
        while len(living) < self.population:
            place = trial.draw()
            trial.train(place)
            living.append(place)
        known = 0
        while True:
            parent = winner(living, trial.trained.__getitem__, self.tournament, trial.rng)
            child = an_edit(parent, trial.space.neighbours, trial.rng)
            known = known + 1 if child is None or child in trial.trained else 0
            if child is None or known > MOST_KNOWN:
                child, known = trial.draw(), 0
            trial.train(child)
            living.append(child)  # the oldest falls out


def winner(living: Sequence[int], worth: Callable[[int], float], tournament: int, rng: np.random.Generator) -> int:
    """Return the best of ``tournament`` members drawn with replacement."""
    drawn = rng.integers(len(living), size=tournament)
    return max((living[int(member)] for member in drawn), key=worth)


def an_edit(parent: int, neighbours: Sequence[Array], rng: np.random.Generator) -> int | None:
    """Return one of the neighbours, each as likely; None where there is none."""
    around = neighbours[parent]
    return int(around[rng.integers(len(around))]) if len(around) else None


def evolve_by_scores(
    scores: Array,
    start: Iterable[int],
    neighbours: Sequence[Array],
    steps: int,
    tournament: int,
    rng: np.random.Generator,
) -> list[int]:
    """Return every architecture that an evolution of scores [n] looked at: its start, then a child per step."""
    looked_at = list(start)
    living = deque(looked_at, maxlen=len(looked_at))
    for _ in range(steps):
        child = an_edit(winner(living, scores.__getitem__, tournament, rng), neighbours, rng)
        if child is None:
            child = int(rng.integers(len(scores)))
        looked_at.append(child)
        living.append(child)
    return looked_at
