"""Task ``toy-rank``: a sample is an item with a true score, the system a predictor, the verdict a rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, Sample, Scores, Split, StrictParams, Summariser, Task, noise_seed
from effbench_toyplugin.predictor import Predictor
from effbench_toyplugin.weighted import weighted_kendall_tau

COEFFICIENTS = (1.0, -0.5, 0.25)
CALIBRATION_ITEMS = 8


class ToyRank(Task):
    """Rank items whose true score is not quite linear in their features and is rounded, so that some are tied."""

    name = "toy-rank"
    system_type = Predictor
    metrics = (
        Metric("kendall_tau", "", higher_is_better=True, per="set", primary=True, description="weighted tau-b"),
        Metric("abs_error", "", higher_is_better=False, description="distance of the score to the true score"),
    )

    class Params(StrictParams):
        """Parameters of the task."""

        items: Annotated[int, Field(ge=2, description="Number of evaluation items.")] = 40

    def load(self, ctx: Context) -> Predictor:
        """Return the predictor that knows the linear part of the truth."""
        return Predictor(COEFFICIENTS)

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the items of a split, each with ``features`` [3] and its true score ``truth``."""
        count = CALIBRATION_ITEMS if split == "calibration" else self.params.items
        return [_item(f"{split}-item-{number}") for number in range(count)]

    def run(self, system: Predictor, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return ``score`` [1] of each item; nothing is random, so the seed is not used."""
        return [{"score": np.array([score])} for score in system.predict(batch)]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the error of each item, and its score and truth for the ranking of the whole set."""
        predicted = [output["score"] for output in outputs]
        truth = [np.array([sample.data["truth"]]) for sample in batch]
        errors = np.array([float(abs(p[0] - t[0])) for p, t in zip(predicted, truth, strict=True)])
        return Scores({"abs_error": errors}, {"predicted": predicted, "truth": truth})

    def summariser(self, scores: Scores) -> Summariser:
        """Return the mean error and, where the items are not all tied, the rank correlation."""
        means = super().summariser(scores)
        predicted, truth = (np.concatenate(scores.arrays[name]) for name in ("predicted", "truth"))
        tau = weighted_kendall_tau(predicted, truth)

        def summarise(weights: np.ndarray[Any, Any]) -> dict[str, float]:
            value = tau(weights)
            return means(weights) if math.isnan(value) else {**means(weights), "kendall_tau": value}

        return summarise


def _item(sample_id: str) -> Sample:
    """Return an item whose features and true score are drawn from its id."""
    rng = np.random.default_rng(noise_seed(f"truth of {sample_id}", seed=0))
    features = rng.standard_normal(len(COEFFICIENTS))
    truth = np.dot(COEFFICIENTS, features) + 0.5 * np.sin(3.0 * features[0]) + 0.2 * rng.standard_normal()
    return Sample(sample_id, {"features": features.tolist(), "truth": round(float(truth), 1)})
