"""How a neural quantum state is trained, as a suite says it; free of torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from effbench.api import StrictParams

MOST_DRAWS = 1e15
"""Counts of more cannot be told apart by doubles."""
TRIAL, ANNEALED, COLDEST = 0.25, 0.5, 1e-4
"""Share of the steps that each of two starts gets, share of an annealed start that anneals, and the share of the first
temperature that the annealing ends with."""


class Orbitals(StrictParams):
    """In which order an autoregressive state samples orbitals, and which symmetries it keeps."""

    order: Literal["reverse", "forward", "mutual-information"] = Field(
        "reverse",
        description="Orbitals from the highest or the lowest energy, or so that those that depend on each other are near.",
    )
    symmetry: Literal["none", "point-group"] = Field(
        "none", description="point-group: determinants that Hartree-Fock's symmetry rules out have probability zero."
    )


class TrainingSettings(StrictParams):
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
    momentum: Annotated[
        float, Field(ge=0, lt=1, description="Share of its last step that minSR takes again, once the start is chosen.")
    ] = 0.9
    damping: Annotated[
        float, Field(gt=0, description="Added to minSR's matrix; small ones follow rare determinants.")
    ] = 1e-5
    evaluation_unique: Annotated[
        int, Field(ge=2, description="Determinants of the fresh sample that the energy is evaluated on, at most.")
    ] = 20_000
    temperature_ha: Annotated[
        float, Field(ge=0, description="Weight of the entropy at the start of the annealing; 0: none.")
    ] = 1.0
    workers: Annotated[
        int, Field(ge=1, description="Processes that share every step and the threads (torch.distributed).")
    ] = 1
    cooling: Annotated[
        float | None,
        Field(
            gt=0, lt=1,
            description="The temperature's factor per step, in one start; null: two starts, the better goes on.",
        ),
    ] = None  # fmt: skip

    @property
    def trial(self) -> int:
        """Return how many steps each of two starts takes before the better one goes on; 0 where there is one start.

        The first is not annealed, the second is. Neither serves all molecules: entropy mixes excited states in that lie
        so near that imaginary time hardly removes them again, and without it amplitudes of a wrong phase may die for good.
        """
        return 0 if self.cooling is not None or self.temperature_ha == 0 else int(TRIAL * self.steps)

    def temperature_at(self, step: int) -> float:
        """Return the weight of the entropy in Hartree in a step. Without ``cooling`` it is 0 in the second half of them."""
        if self.cooling is not None:
            return self.temperature_ha * float(self.cooling**step)
        part = (step - self.trial) / (ANNEALED * self.trial) if self.trial else 1.0
        return self.temperature_ha * float(COLDEST**part) if 0 <= part < 1 else 0.0


class NeuralState(Orbitals, TrainingSettings):
    """Base of the parameters of a method that trains an autoregressive state; a subclass adds those of its network."""

    def parts(self) -> tuple[TrainingSettings, Orbitals, dict[str, Any]]:
        """Return the settings of training, of sampling, and those of the network by name."""
        given = self.model_dump()
        training, orbitals = (
            {name: given.pop(name) for name in base.model_fields} for base in (TrainingSettings, Orbitals)
        )
        return TrainingSettings(**training), Orbitals(**orbitals), given
