"""The system of ``nas-ranking``: a predictor of how architectures rank, and what it may learn from.

The labels are drawn here and nowhere else, so that a budget is a budget: who prepares a predictor asks for the draw of its
seed and gets that many truths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from effbench.api import Fact, System, noise_seed
from effbench.arrays import Array
from effbench.nas.spaces import CELLS, Code, Space
from effbench.nas.tables import ColumnCost, paid


@dataclass(frozen=True)
class Architectures:
    """Codes [n] of a space and, by name, what was known of each before it was trained: columns [n]."""

    codes: Sequence[Code]
    columns: Mapping[str, Array]
    space: Space = CELLS

    def __len__(self) -> int:
        return len(self.codes)

    def taken(self, rows: Array) -> Architectures:
        """Return some of them, in the order of ``rows``."""
        return Architectures(
            [self.codes[row] for row in rows],
            {name: values[rows] for name, values in self.columns.items()},
            self.space,
        )


class Labels(NamedTuple):
    """Rows of the pool that were trained, and the truth of each: both [labels]."""

    rows: Array
    truth: Array


@dataclass(frozen=True)
class LearningPool:
    """Architectures to learn from [n], of which ``budget`` are labelled; ``costs`` are those of one value per column."""

    architectures: Architectures
    budget: int
    costs: Mapping[str, ColumnCost]
    label_cost: ColumnCost
    _truth: Callable[[], Array] = field(repr=False)

    def labels(self, seed: int) -> Labels:
        """Return the labels of a seed: as many as the budget says, drawn from the pool without replacement."""
        drawn = np.random.default_rng(noise_seed("labels", seed)).permutation(len(self.architectures))[: self.budget]
        return Labels(drawn, self._truth()[drawn])


class Predictor(ABC):
    """Scores architectures: only their order counts, and higher is better."""

    labels: int = 0
    """True labels that it was made with."""
    learned_from: tuple[str, ...] = ()
    """Columns that it was made with, of the whole pool."""
    compared: tuple[str, ...] = ()
    """Columns that were looked at on the labelled architectures, to choose among them."""
    reads: tuple[str, ...] = ()
    """Columns that it needs of every architecture that it scores."""

    def modules(self) -> Mapping[str, Any]:
        """Return the torch modules that it runs, by name."""
        return {}

    @abstractmethod
    def scores(self, architectures: Architectures) -> Array:
        """Return float64 [n]; the score of one never depends on the others."""


class BySize(Predictor):
    """The larger the better, without looking at a single label: what every predictor has to beat."""

    def scores(self, architectures: Architectures) -> Array:
        """Return what the space counts: of cells the FLOPs in NAS-Bench-201's skeleton, whose order is that of most."""
        return np.array([architectures.space.size_of(code) for code in architectures.codes])


def column_seconds(
    learned: Set[str], compared: Set[str], read: Set[str], costs: Mapping[str, ColumnCost], pool: int, labelled: int
) -> float:
    """Return the core seconds of columns before anything is scored.

    Those ``learned`` from are computed for the pool, those ``compared`` for the labelled architectures; what all values of a
    column share is spent for these and for those ``read`` when scoring. Columns of one pass are paid for once.
    """
    for_the_pool = paid(learned, costs)
    for_the_labelled = {key: cost for key, cost in paid(compared, costs).items() if key not in for_the_pool}
    return (
        sum(cost.cost_s for cost in for_the_pool.values()) * pool
        + sum(cost.cost_s for cost in for_the_labelled.values()) * labelled
        + sum(cost.shared_s for cost in paid(learned | compared | read, costs).values())
    )


@dataclass(frozen=True)
class RankingSystem(System):
    """A predictor, and the pool that it may be prepared on."""

    predictor: Predictor
    pool: LearningPool
    table: str

    def modules(self) -> Mapping[str, Any]:
        """Return the predictor's."""
        return self.predictor.modules()

    def spent(self) -> dict[str, Fact]:
        """Return what the predictor's labels and columns cost, by the table's account: the price beside the quality.

        ``labels`` are trained architectures, ``label_cost`` the core seconds of their trainings, all seeds of the truth (left
        out where the table does not tell them), ``low_fidelity_cost`` those of the columns that were computed to learn from
        (of the pool) or to choose among (of the labelled ones), and of what all values of a column share, which the price of
        preparing includes (labels are the budget, the same for all); ``column_cost`` the milliseconds of columns per
        architecture that is scored.
        """
        pool, predictor = self.pool, self.predictor
        used = set(predictor.learned_from), set(predictor.compared), set(predictor.reads)
        columns = column_seconds(*used, pool.costs, len(pool.architectures), predictor.labels)
        facts = {
            "labels": Fact(float(predictor.labels)),
            "low_fidelity_cost": Fact(columns, "s", before_preparing=True),
            "column_cost": Fact(1e3 * sum(cost.cost_s for cost in paid(predictor.reads, pool.costs).values()), "ms"),
        }
        if pool.label_cost.cost_s:
            facts["label_cost"] = Fact(predictor.labels * pool.label_cost.cost_s, "s")
        return facts

    def settings(self) -> Mapping[str, Any]:
        """Return what a prepared predictor is tied to."""
        return {"table": self.table, "labels": self.pool.budget}
