"""Simple predictors as methods: regression on encodings and columns, and orders by columns alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from effbench.api import Artifact, Context, Fact, Method, StrictParams
from effbench.arrays import Array
from effbench.stats.rank import kendall_tau
from effbench.tasks.nas_ranking.system import Architectures, Predictor, RankingSystem
from effbench_baselines.dele.columns import by_agreement, checked
from effbench_baselines.nas_controls.features import Read, features, pool_columns, standing
from effbench_baselines.nas_controls.forest import boosted, boosted_scores, forest, forest_scores
from effbench_baselines.nas_controls.regression import gaussian_process, gaussian_scores, ridge, ridge_scores

PREFIX = "column/"
"""Before the name of a column among the tensors of an artifact."""

SCORES: Mapping[str, Callable[[Array, dict[str, Array]], Array]] = {
    "ridge": ridge_scores,
    "forest": forest_scores,
    "xgboost": boosted_scores,
    "gaussian-process": gaussian_scores,
}


class RegressionPredictor(Predictor):
    """A fitted regression on features."""

    def __init__(
        self, model: str, read: Read, fitted: dict[str, Array], columns: dict[str, Array], labels: int
    ) -> None:
        self.model, self.read, self.fitted, self.columns = model, read, fitted, columns
        self.labels, self.reads, self.learned_from = labels, tuple(columns), tuple(columns)

    def scores(self, architectures: Architectures) -> Array:
        """Return the predicted truth, up to a constant [n]."""
        return SCORES[self.model](features(architectures, self.columns, self.read), self.fitted)


class NasRegression(Method):
    """Ridge, a random forest, XGBoost or a Gaussian process on operations and low-fidelity columns, fitted to the labels."""

    name = "nas-regression"
    accepts = (RankingSystem,)
    random_preparation = True
    tied_to = ("table", "labels")

    class Params(StrictParams):
        """Parameters of the method."""

        model: Annotated[
            Literal["ridge", "forest", "xgboost", "gaussian-process"],
            Field(description="The forest needs the extra nas, xgboost the extra of its name."),
        ] = "ridge"
        read: Annotated[Read, Field(description="The operations of the edges, the low-fidelity columns, or both.")] = (
            "both"
        )

    def prepare(self, system: RankingSystem, ctx: Context) -> Artifact:
        """Fit the labels that the seed draws."""
        pool, read = system.pool, self.params.read
        labels, columns = pool.labels(ctx.seed), pool_columns(pool.architectures, read)
        x = features(pool.architectures.taken(labels.rows), columns, read)
        if self.params.model in ("forest", "xgboost"):
            grow = forest if self.params.model == "forest" else boosted
            fitted = grow(x, labels.truth, ctx.seed)
        else:
            fitted = (ridge if self.params.model == "ridge" else gaussian_process)(x, labels.truth)
        return _artifact(fitted, columns, {"labels": len(labels.rows)})

    def apply(self, system: RankingSystem, artifact: Artifact) -> RankingSystem:
        """Return the system with the fitted predictor."""
        fitted, columns = _parts(artifact)
        labels = int(artifact.config["labels"])
        return replace(
            system, predictor=RegressionPredictor(self.params.model, self.params.read, fitted, columns, labels)
        )

    def facts(self, system: RankingSystem) -> Mapping[str, Fact]:
        """Return what labels and columns cost."""
        return system.spent()


class ColumnPredictor(Predictor):
    """The mean of where an architecture stands in some columns, each turned the way ``signs`` say."""

    def __init__(
        self, signs: dict[str, float], columns: dict[str, Array], labels: int, compared: tuple[str, ...]
    ) -> None:
        self.signs, self.columns, self.labels, self.compared = signs, columns, labels, compared
        self.reads = tuple(signs)
        self.learned_from = tuple(signs) if len(signs) > 1 else ()  # one column's own order needs no pool

    def scores(self, architectures: Architectures) -> Array:
        """Return the mean standing [n]."""
        if len(self.signs) == 1:
            ((name, sign),) = self.signs.items()
            return sign * architectures.columns[name]
        parts = [sign * standing(architectures.columns[name], self.columns[name]) for name, sign in self.signs.items()]
        return np.asarray(np.mean(parts, axis=0))


class NasColumns(Method):
    """Rank by low-fidelity columns as they are: the best of them, or the mean of all ranks; labels only choose and turn."""

    name = "nas-columns"
    accepts = (RankingSystem,)
    random_preparation = True
    tied_to = ("table", "labels")

    class Params(StrictParams):
        """Parameters of the method."""

        column: Annotated[
            str,
            Field(description="A column, the best or worst by |tau| on the labels, or mean: of all columns' ranks."),
        ] = "best"

    def prepare(self, system: RankingSystem, ctx: Context) -> Artifact:
        """Choose by the labels that the seed draws, and turn each column so that it agrees with them."""
        pool, asked = system.pool, self.params.column
        labels, there = pool.labels(ctx.seed), checked((), pool)
        if asked in ("best", "worst"):
            chosen = [by_agreement(pool, labels)[0 if asked == "best" else -1]]
        else:
            chosen = there if asked == "mean" else checked((asked,), pool)
        values = pool.architectures.columns
        tau = {name: kendall_tau(values[name][labels.rows], labels.truth) or 0.0 for name in chosen}
        signs = {name: -1.0 if tau[name] < 0 else 1.0 for name in chosen}
        columns = {name: np.sort(values[name]) for name in chosen} if len(chosen) > 1 else {}
        compared = there if asked in ("best", "worst") else chosen
        return _artifact({}, columns, {"labels": len(labels.rows), "signs": signs, "compared": compared})

    def apply(self, system: RankingSystem, artifact: Artifact) -> RankingSystem:
        """Return the system that ranks by the chosen columns."""
        config = artifact.config
        signs = {name: float(sign) for name, sign in config["signs"].items()}
        predictor = ColumnPredictor(signs, _parts(artifact)[1], int(config["labels"]), tuple(config["compared"]))
        return replace(system, predictor=predictor)

    def facts(self, system: RankingSystem) -> Mapping[str, Fact]:
        """Return what labels and columns cost."""
        return system.spent()


def _artifact(fitted: dict[str, Array], columns: dict[str, Array], config: Mapping[str, Any]) -> Artifact:
    return Artifact({**fitted, **{PREFIX + name: values for name, values in columns.items()}}, config)


def _parts(artifact: Artifact) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return what was fitted and the columns of the pool, in the order of their names."""
    tensors = {name: np.asarray(tensor) for name, tensor in artifact.tensors.items()}
    fitted = {name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}
    columns = {n.removeprefix(PREFIX): tensor for n, tensor in sorted(tensors.items()) if n.startswith(PREFIX)}
    return fitted, columns
