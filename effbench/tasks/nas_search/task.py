"""The task ``nas-search``: find the best architecture of a table while training few of them.

A sample is a repeat of the whole search, the system a searcher. A training is a look-up: it shows what one training of the
architecture reached, under a seed that the repeat draws, and is paid for once, for all isomorphs together. The answer after
t trainings is the architecture that showed the most; what it is worth is its truth, the mean over all seeds of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, PluginError, Sample, Scores, Split, StrictParams, Task, noise_seed
from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.nas.shipped import find_table
from effbench.nas.tables import ColumnCost, NasTable
from effbench.tasks.nas_ranking.system import Predictor, column_seconds
from effbench.tasks.nas_search.system import RandomSearch, SearchSystem
from effbench.tasks.nas_search.trial import BudgetSpent, SearchSpace, SearchTrial, one_of_each_class, space_of

CURVE = "regret_by_trained"
"""Array of scores: regret in points of the answer after 1, 2, ... trainings."""


class NasSearch(Task):
    """Search a table for the architecture that trains best."""

    name = "nas-search"
    system_type = SearchSystem
    small: ClassVar[Mapping[str, Any]] = {"table": "planted", "budget": 4, "repeats": 3}
    metrics = (
        Metric(
            "regret_points", "points", higher_is_better=False, primary=True, bounds=(0.0, 100.0),
            description="how far the truth of the answer lies below the best of the table, after the whole budget",
        ),
        Metric(
            "mean_regret_points", "points", higher_is_better=False, bounds=(0.0, 100.0),
            description="the same after 1, 2, ... trainings, the mean over the budget",
        ),
        Metric(
            "trained", "", higher_is_better=False, bounds=(1.0, float("inf")),
            description="architectures that the search trained",
        ),
        Metric(
            "training_cost", "s", higher_is_better=False, bounds=(0.0, float("inf")), undefined="unsupported",
            description="core seconds of their trainings, one each, by the table's account",
        ),
        Metric(
            "low_fidelity_cost", "s", higher_is_better=False, bounds=(0.0, float("inf")),
            description="core seconds of the columns that its predictors read, by the table's account",
        ),
    )  # fmt: skip

    class Params(StrictParams):
        """Parameters of the task."""

        table: Annotated[str, Field(description="As in nas-ranking.")] = "effbench-micro"
        budget: Annotated[int, Field(ge=2, description="Architectures that a search may train.")] = 60
        repeats: Annotated[int, Field(ge=1, description="Searches, each with its own draws.")] = 20

    @cached_property
    def table(self) -> NasTable:
        """Return the table; raise ``PluginError`` where it cannot be read."""
        try:
            return find_table(self.params.table)
        except BadInput as error:
            raise PluginError(str(error)) from None

    @cached_property
    def _rows(self) -> list[int]:
        rows = one_of_each_class(self.table)
        if self.params.budget > len(rows):
            raise PluginError(
                f"budget: {self.params.budget} trainings asked for, and table {self.table.name!r} has {len(rows)} "
                "architectures that are no isomorphs"
            )
        return rows

    @cached_property
    def _space(self) -> SearchSpace:
        return space_of(self.table, self._rows)

    def check(self) -> None:
        """Raise ``PluginError`` for a table that is not there or is wrong, and for a budget above it."""
        _ = self._rows

    def revision(self) -> str:
        """Return the hash of the table's rows."""
        return self.table.revision

    def load(self, ctx: Context) -> SearchSystem:
        """Return random search; methods return other searchers."""
        return SearchSystem(RandomSearch(), self._space, self.params.budget, f"{self.table.name}@{self.table.revision}")

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the repeats, and as calibration one of another name; validation is empty."""
        if split == "validation":
            return []
        if split == "calibration":
            return [Sample("rehearsal-0", {"repeat": 0})]
        return [Sample(f"repeat-{repeat}", {"repeat": repeat}) for repeat in range(self.params.repeats)]

    def run(self, system: SearchSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per repeat what was ``trained`` [t], places in order, ``shown`` [t] and ``low_fidelity_cost`` [1]."""
        outputs = []
        for sample in batch:
            own = noise_seed(sample.id, seed)
            truths = self.table.truths[self._rows]
            shown = truths[:, own % truths.shape[1]]
            trial = SearchTrial(system.space, system.budget, own, shown.__getitem__)
            with suppress(BudgetSpent):
                system.searcher.search(trial)
            if not trial.trained:
                raise PluginError(f"{type(system.searcher).__name__} trained nothing, so that it has no answer")
            outputs.append(
                {
                    "trained": np.array(list(trial.trained), np.int64),
                    "shown": np.array(list(trial.trained.values())),
                    "low_fidelity_cost": np.array([spent_on_columns(trial.predictors, system.space.costs, len(shown))]),
                }
            )
        return outputs

    def probes(self, system: SearchSystem, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return one call: a whole search."""
        return [partial(self.run, system, list(self.samples("calibration")) * batch_size, 0)]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return each repeat's regret after the budget and on the way, and what it spent."""
        truth = self.table.truth[self._rows]
        curves = [regret_curve(truth, output["trained"], output["shown"], self.params.budget) for output in outputs]
        trained = np.array([float(len(output["trained"])) for output in outputs])
        return Scores(
            {
                "regret_points": np.array([curve[-1] for curve in curves]),
                "mean_regret_points": np.array([curve.mean() for curve in curves]),
                "trained": trained,
                "training_cost": trained * (self.table.truth_cost.cost_s or np.nan),
                "low_fidelity_cost": np.array([float(output["low_fidelity_cost"][0]) for output in outputs]),
            },
            {CURVE: curves},
        )

    def remarks(self, scores: Scores) -> dict[str, list[str]]:
        """Return what a reader has to know of the table."""
        said = {}
        if self.table.left_out:
            said["regret_points"] = [
                f"low-fidelity column {name} was left out: {why}" for name, why in self.table.left_out.items()
            ]
        if not self.table.truth_cost.cost_s:
            said["training_cost"] = ["the table does not tell what a training cost"]
        return said


def regret_curve(truth: Array, trained: Array, shown: Array, budget: int) -> Array:
    """Return how far the answer after 1, ..., ``budget`` trainings lies below the best truth [budget], in points.

    ``trained`` [t] are places of ``truth`` [n] in the order of the trainings, which showed ``shown`` [t]; the answer is the
    first of those that showed most. A search that stopped before its budget keeps its answer.
    """
    answer, curve = 0, np.empty(budget)
    for step in range(budget):
        if step < len(trained) and shown[step] > shown[answer]:
            answer = step
        curve[step] = 100 * (truth.max() - truth[trained[answer]])
    return curve


def spent_on_columns(
    predictors: Sequence[tuple[Predictor, int]], costs: Mapping[str, ColumnCost], architectures: int
) -> float:
    """Return the core seconds of all columns that some predictors read, each column once.

    A column that was learned from, or that scores are made of, is computed for the whole space; one that was looked at to
    choose among columns for the architectures that were trained by then, of which the last predictor knew the most.
    """
    learned = {name for predictor, _ in predictors for name in (*predictor.learned_from, *predictor.reads)}
    compared = {name for predictor, _ in predictors for name in predictor.compared}
    labelled = max((count for _, count in predictors), default=0)
    return float(column_seconds(learned, compared, set(), costs, architectures, labelled))
