"""Local search: train all neighbours, move to the best of them while it is better, begin elsewhere where none is.

Source: White et al. 2021 (arXiv 2005.02960), algorithm 1, with restarts.
"""

from __future__ import annotations

from effbench.tasks.nas_search.system import ArchitectureSearch
from effbench.tasks.nas_search.trial import SearchTrial


class HillClimb(ArchitectureSearch):
    """Climbs from one architecture to the best of its neighbours."""

    def search(self, trial: SearchTrial) -> None:
        """Climb from architectures of the blind order until the budget is spent."""
        while True:
            here = trial.draw()
            reached = trial.train(here)
            while True:
                around = trial.rng.permutation(trial.space.neighbours[here])
                shown = {int(place): trial.train(place) for place in around}
                there = max(shown, key=shown.__getitem__, default=here)
                if not shown or shown[there] <= reached:
                    break
                here, reached = there, shown[there]
