"""Methods for predictors; they chain in any order, as in ``toy-noisy+toy-rounded``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from effbench.api import Artifact, Execution, Method, StrictParams, System, noise_seed
from effbench_toyplugin.predictor import Predictor

SCORE_RANGE = 4.0


class Noisy(Method):
    """Adds to each score a Gaussian error that the item's id decides, as a predictor trained on few labels would."""

    name = "toy-noisy"
    accepts = (Predictor,)

    class Params(StrictParams):
        """Parameters of the method."""

        scale: Annotated[float, Field(ge=0, description="Standard deviation of the error, in units of score.")] = 0.3

    def apply(self, system: Predictor, artifact: Artifact) -> System:
        """Return the predictor with the error added last."""

        def add_noise(sample_id: str, score: float) -> float:
            rng = np.random.default_rng(noise_seed(f"error on {sample_id}", seed=0))
            return score + float(self.params.scale * rng.standard_normal())

        return replace(system, changes=(*system.changes, add_noise))


class Rounded(Method):
    """Rounds each score to ``bits`` bits over [-4, 4]. The arithmetic stays in floats, so this is simulated."""

    name = "toy-rounded"
    accepts = (Predictor,)

    class Params(StrictParams):
        """Parameters of the method."""

        bits: Annotated[int, Field(ge=1, le=16, description="The scores take 2 ** bits values.")] = 4

    def execution(self) -> Execution:
        """Return "simulated": no integer is ever computed with."""
        return "simulated"

    def apply(self, system: Predictor, artifact: Artifact) -> System:
        """Return the predictor with rounded scores."""
        levels = 2**self.params.bits - 1

        def round_score(sample_id: str, score: float) -> float:
            share = (np.clip(score, -SCORE_RANGE, SCORE_RANGE) + SCORE_RANGE) / (2 * SCORE_RANGE)
            return float(np.round(share * levels) / levels * 2 * SCORE_RANGE - SCORE_RANGE)

        return replace(system, changes=(*system.changes, round_score))
