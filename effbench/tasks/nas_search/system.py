"""The system of ``nas-search``: a searcher, and the space that it searches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from effbench.api import System
from effbench.tasks.nas_search.trial import SearchSpace, SearchTrial


class ArchitectureSearch(ABC):
    """Chooses which architectures to train."""

    @abstractmethod
    def search(self, trial: SearchTrial) -> None:
        """Train architectures until the budget ends the search, or return before; ``trial`` keeps what was trained."""


class RandomSearch(ArchitectureSearch):
    """Trains whatever the blind order of the trial brings: what every search has to beat."""

    def search(self, trial: SearchTrial) -> None:
        """Train one architecture after the other."""
        while True:
            trial.train(trial.draw())


@dataclass(frozen=True)
class SearchSystem(System):
    """A searcher, and what it searches."""

    searcher: ArchitectureSearch
    space: SearchSpace
    budget: int
    table: str

    def settings(self) -> Mapping[str, Any]:
        """Return what a search is tied to."""
        return {"table": self.table, "budget": self.budget}
