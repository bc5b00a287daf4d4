"""How a neural quantum state is trained, as a suite says it; free of torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from effbench.api import StrictParams

MOST_DRAWS = 1e15
"""Counts of more cannot be told apart by doubles."""


class Training(StrictParams):
    """How a neural quantum state is trained."""

    steps: Annotated[int, Field(ge=1, description="Steps of the optimiser.")] = 2000
    unique: Annotated[
        int, Field(ge=2, description="Unique determinants per step that the number of draws aims at.")
    ] = 500
    first_draws: Annotated[float, Field(ge=1, le=MOST_DRAWS, description="Draws of the first step.")] = 1e4
    most_draws: Annotated[float, Field(ge=1, le=MOST_DRAWS, description="Draws per step, at most.")] = 1e12
    policy: Literal["exact", "sampled-only"] = Field(
        "exact",
        description="What psi is beyond the sample; sampled-only weighs with |psi|^2 renormalised over the sample.",
    )
    optimiser: Literal["minsr", "adam"] = Field("minsr", description="How parameters follow the energy.")
    rate: Annotated[float | None, Field(gt=0, description="Learning rate; null: 0.05 for minsr, 0.01 for adam.")] = None
    damping: Annotated[
        float, Field(gt=0, description="Added to minSR's matrix; small ones follow rare determinants.")
    ] = 1e-5
    temperature_ha: Annotated[float, Field(ge=0, description="Weight of the entropy in the first step; 0: none.")] = 1.0
    cooling: Annotated[float, Field(gt=0, lt=1, description="The temperature's factor per step.")] = 0.99
