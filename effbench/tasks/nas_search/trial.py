"""What one search may see and do: the architectures of a table, and the accuracy of those that it has paid for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from effbench.api import PluginError, noise_seed
from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.nas.spaces import Code
from effbench.nas.tables import ColumnCost, NasTable
from effbench.tasks.nas_ranking.system import Architectures, Predictor


class BudgetSpent(Exception):
    """Ends a search that asks for one more training than it may have; the task catches it."""


@dataclass(frozen=True)
class SearchSpace:
    """The architectures of a table, one of each class of isomorphs [n]: that which the table lists first.

    ``neighbours[i]`` are the places of those that ``edits`` changes of architecture i may lead to.
    """

    architectures: Architectures
    forms: Sequence[str]
    neighbours: Sequence[Array]
    edits: int
    costs: Mapping[str, ColumnCost]
    label_cost: ColumnCost

    def __len__(self) -> int:
        return len(self.forms)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {form: place for place, form in enumerate(self.forms)}

    def place_of(self, code: Code) -> int:
        """Return the place of an architecture or of its isomorph; raise ``PluginError`` where the table has neither."""
        try:
            self.architectures.space.check(code)
        except BadInput as error:
            raise PluginError(str(error)) from None
        place = self._places.get(self.architectures.space.canonical(code))
        if place is None:
            raise PluginError(
                f"the table has no architecture {self.architectures.space.name_of(code)}, nor an isomorph"
            )
        return place


def one_of_each_class(table: NasTable) -> list[int]:
    """Return the rows of a table that are the first of their class of isomorphs, ascending."""
    first: dict[str, int] = {}
    for row, form in enumerate(table.forms):
        first.setdefault(form, row)
    return sorted(first.values())


def space_of(table: NasTable, rows: Sequence[int]) -> SearchSpace:
    """Return the space of some rows of a table, no two of them isomorphs."""
    forms = [table.forms[row] for row in rows]
    neighbours, edits = table.space.neighbours(forms)
    architectures = Architectures(table.codes, table.columns, table.space).taken(np.array(rows))
    return SearchSpace(architectures, forms, neighbours, edits, dict(table.costs), table.truth_cost)


@dataclass
class SearchTrial:
    """One search under a budget of trainings. What it draws blindly is the same whoever searches.

    ``rng`` is the search's own; ``trained`` maps the place of an architecture to the accuracy that its training showed, in
    the order of the trainings; ``predictors`` were fitted on the way.
    """

    space: SearchSpace
    budget: int
    seed: int
    _shown: Callable[[int], float] = field(repr=False)
    trained: dict[int, float] = field(default_factory=dict)
    predictors: list[tuple[Predictor, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(noise_seed("search", self.seed))
        self._order = np.random.default_rng(noise_seed("order", self.seed)).permutation(len(self.space))
        self._next = 0

    def train(self, place: int) -> float:
        """Return the accuracy of an architecture after training it; one that was trained before costs nothing again.

        Raises ``BudgetSpent`` where the budget is, ``PluginError`` for a place that is none.
        """
        place = int(place)
        if not 0 <= place < len(self.space):
            raise PluginError(f"no architecture at place {place}; the space has places 0 to {len(self.space) - 1}")
        if place not in self.trained:
            if len(self.trained) >= self.budget:
                raise BudgetSpent
            self.trained[place] = float(self._shown(place))
        return self.trained[place]

    def draw(self) -> int:
        """Return an architecture that was not trained yet, the next in the trial's blind order.

        Raises ``BudgetSpent`` where all of them are.
        """
        while self._next < len(self._order) and int(self._order[self._next]) in self.trained:
            self._next += 1
        if self._next == len(self._order):
            raise BudgetSpent
        return int(self._order[self._next])
