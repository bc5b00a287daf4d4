"""How a neural quantum state is trained, as a suite says it; free of torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from effbench.api import StrictParams

MOST_DRAWS = 1e15
"""Counts of more cannot be told apart by doubles."""


class Orbitals(StrictParams):
    """In which order an autoregressive state samples orbitals, and which symmetries it keeps."""

    order: Literal["reverse", "forward", "mutual-information"] = Field(
        "reverse",
        description="Orbitals from the highest or the lowest energy, or so that those that depend on each other are near.",
    )
    symmetry: Literal["none", "point-group"] = Field(
        "none", description="point-group: determinants that Hartree-Fock's symmetry rules out have probability zero."
    )


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
    evaluation_unique: Annotated[
        int, Field(ge=2, description="Determinants of the fresh sample that the energy is evaluated on, at most.")
    ] = 20_000
    temperature_ha: Annotated[float, Field(ge=0, description="Weight of the entropy in the first step; 0: none.")] = 1.0
    workers: Annotated[
        int, Field(ge=1, description="Processes that share every step and the threads (torch.distributed).")
    ] = 1
    cooling: Annotated[float, Field(gt=0, lt=1, description="The temperature's factor per step.")] = 0.99


class NeuralState(Orbitals, Training):
    """Base of the parameters of a method that trains an autoregressive state; a subclass adds those of its network."""

    def parts(self) -> tuple[Training, Orbitals, dict[str, Any]]:
        """Return the settings of training, of sampling, and those of the network by name."""
        given = self.model_dump()
        training, orbitals = ({name: given.pop(name) for name in base.model_fields} for base in (Training, Orbitals))
        return Training(**training), Orbitals(**orbitals), given
