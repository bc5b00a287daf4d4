"""The task ``nas-ranking``: rank architectures that were never trained, having learned from a few that were.

A sample is an architecture, the system a predictor. Judged architectures and those to learn from share no class of
isomorphs. Each training of a predictor (its labels, its start) ranks by itself: scores of two are not compared, and a metric
is the mean over trainings of what each reaches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from effbench.api import (
    Context,
    Metric,
    Output,
    PluginError,
    Sample,
    Scores,
    Split,
    StrictParams,
    Summariser,
    Task,
    without_target,
)
from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.nas.shipped import find_table
from effbench.nas.tables import NasTable
from effbench.tasks.nas_ranking.splits import check_budget, split
from effbench.tasks.nas_ranking.system import Architectures, BySize, LearningPool, RankingSystem

if TYPE_CHECKING:
    from effbench.nas.ranking import Ranking

BEST_SHARE = 0.05
"""Of the judged architectures: those that a search is after, and enough of them to count."""
PICKED = 10
"""Architectures that one would train of a ranking, to keep the best."""


class NasRanking(Task):
    """Rank architectures of a table by what they reach when trained."""

    name = "nas-ranking"
    system_type = RankingSystem
    preload = ("effbench.nas.ranking", "torch._dynamo")
    """The second is what torch imports when an optimiser is made: with torch, three core seconds of each of many workers."""
    small: ClassVar[Mapping[str, Any]] = {"table": "planted", "labels": 10, "judged": 0.1}
    metrics = (
        Metric(
            "kendall_tau", "", higher_is_better=True, per="set", primary=True, bounds=(-1.0, 1.0), undefined="unsupported",
            description="Kendall's tau-b between scores and trained accuracy",
        ),
        Metric(
            "precision_at_5_percent", "share", higher_is_better=True, per="set",
            description="of the 5 % that score best, the share that is among the 5 % best",
        ),
        Metric(
            "regret_points", "points", higher_is_better=False, per="set", bounds=(0.0, 100.0),
            description="how far the best of the ten that score best lies below the best of all, in points of accuracy",
        ),
    )  # fmt: skip

    class Params(StrictParams):
        """Parameters of the task."""

        table: Annotated[
            str,
            Field(
                description="effbench-micro (trained here), planted (made, no network trained), nas-bench-201 or "
                "nas-bench-graph-cora (of packages), or a YAML file's path."
            ),
        ] = "effbench-micro"
        labels: Annotated[int, Field(ge=2, description="Trained architectures that a predictor may learn from.")] = 25
        judged: Annotated[float, Field(gt=0, lt=1, description="Share of the architectures that is judged.")] = 0.5
        split_seed: Annotated[int, Field(ge=0, description="Draws which classes of isomorphs are judged.")] = 0

    @cached_property
    def table(self) -> NasTable:
        """Return the table; raise ``PluginError`` where it cannot be read."""
        try:
            return find_table(self.params.table)
        except BadInput as error:
            raise PluginError(str(error)) from None

    @cached_property
    def _rows(self) -> tuple[list[int], list[int]]:
        try:
            pool, judged = split(self.table, self.params.judged, self.params.split_seed)
            check_budget(self.table, pool, self.params.labels)
        except BadInput as error:
            raise PluginError(str(error)) from None
        return pool, judged

    def check(self) -> None:
        """Raise ``PluginError`` for a table that is not there or is wrong, and for a budget above it."""
        _ = self._rows

    def revision(self) -> str:
        """Return the hash of the table's rows."""
        return self.table.revision

    def load(self, ctx: Context) -> RankingSystem:
        """Return the order by size; methods return predictors that learned from the pool."""
        rows, table = np.array(self._rows[0]), self.table
        pool = LearningPool(
            Architectures(table.codes, table.columns, table.space).taken(rows),
            self.params.labels,
            dict(table.costs),
            table.label_cost,
            lambda: table.truth[rows],
        )
        return RankingSystem(BySize(), pool, f"{table.name}@{table.revision}")

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the pool as calibration (without truths: a predictor asks its system for labels), the others to judge.

        Nothing is frozen on a validation split, which is empty.
        """
        if split == "validation":
            return []
        pool, judged = self._rows
        is_judged = split == "evaluation"
        return [self._sample(row, is_judged) for row in (judged if is_judged else pool)]

    def _sample(self, row: int, is_judged: bool) -> Sample:
        table, code = self.table, self.table.codes[row]
        return Sample(
            "".join(map(str, code)),
            {"code": list(code), **{name: float(values[row]) for name, values in table.columns.items()}},
            group=table.forms[row] or "disconnected",
            target=float(table.truth[row]) if is_judged else None,
        )

    def caption(self, sample: Sample) -> str:
        """Return what the space calls the architecture."""
        return self.table.space.name_of(sample.data["code"])

    def run(self, system: RankingSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per architecture its ``score`` [1] and ``training`` [1], the seed that its predictor was prepared under."""
        names = [name for name in batch[0].data if name != "code"]
        columns = {name: np.array([sample.data[name] for sample in batch], np.float64) for name in names}
        codes = [tuple(sample.data["code"]) for sample in batch]
        found = system.predictor.scores(Architectures(codes, columns, self.table.space))
        return [{"score": np.array([score], np.float64), "training": np.array([seed])} for score in found]

    def probes(self, system: RankingSystem, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return one call: a predictor's cost does not depend on which architectures it scores."""
        pool = self.samples("calibration")
        return [partial(self.run, system, [without_target(pool[i % len(pool)]) for i in range(batch_size)], 0)]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return what a whole set is ranked by; a single architecture has no quality."""
        return Scores(
            {},
            {
                "score": [output["score"] for output in outputs],
                "truth": [np.array([sample.target]) for sample in batch],
                "training": [output["training"] for output in outputs],
            },
        )

    def summariser(self, scores: Scores) -> Summariser:
        """Return the mean over trainings of what each training's scores reach under the weights."""
        from effbench.nas.ranking import Ranking  # numba, which listing a task need not wait for

        score, truth, training = (np.concatenate(scores.arrays[name]) for name in ("score", "truth", "training"))
        rows = [np.flatnonzero(training == one) for one in np.unique(training)]
        rankings = [(own, Ranking(score[own], truth[own])) for own in rows]

        def summarise(weights: Array) -> dict[str, float]:
            found = [_measured(ranking, weights[own]) for own, ranking in rankings if weights[own].any()]
            means = {}
            for name in found[0] if found else ():
                values = [one[name] for one in found if one[name] is not None]
                if len(values) == len(found):
                    means[name] = math.fsum(value for value in values if value is not None) / len(values)
            return means

        return summarise

    def remarks(self, scores: Scores) -> dict[str, list[str]]:
        """Return what a reader of tau has to know of the table: its ceiling, and columns that inform nobody."""
        table, said = self.table, []
        if table.ceiling is not None:
            said.append(
                f"two trainings of the same architectures rank them alike to tau {table.ceiling:.2f}; who knew each one's "
                f"mean would rank their truth, a mean over {table.truths.shape[1]}, to about {table.ceiling_of_mean:.2f}"
            )
        said += [f"low-fidelity column {name} was left out: {why}" for name, why in table.left_out.items()]
        return {"kendall_tau": said} if said else {}


def _measured(ranking: Ranking, weights: Array) -> dict[str, float | None]:
    regret = ranking.regret_at(PICKED, weights)
    return {
        "kendall_tau": ranking.tau(weights),
        "precision_at_5_percent": ranking.precision_at(BEST_SHARE, weights),
        "regret_points": None if regret is None else 100 * regret,
    }
