"""Scalable neural quantum states: a MADE trained by variational Monte Carlo, sampled without repetition."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from effbench.api import Artifact, Method
from effbench.tasks.vmc_energy.settings import NeuralState
from effbench.tasks.vmc_energy.system import SolverSystem


class NqsMade(Method):
    """Train a MADE from scratch on each molecule and return its energy."""

    name = "nqs-made"
    accepts = (SolverSystem,)

    class Params(NeuralState):
        """Parameters of the network, beside those of its training."""

        width: Annotated[int, Field(ge=1, description="Hidden units of the amplitude net, per layer.")] = 64
        depth: Annotated[int, Field(ge=1, description="Hidden layers of the amplitude net.")] = 1
        phase_width: Annotated[int, Field(ge=1, description="Hidden units of the phase net, per layer.")] = 64
        phase_depth: Annotated[int, Field(ge=0, description="Hidden layers of the phase net.")] = 2
        hf_bias: Annotated[float, Field(description="Logit added to Hartree-Fock's tokens at the start.")] = 3.0

    def apply(self, system: SolverSystem, artifact: Artifact) -> SolverSystem:
        """Return a solver that trains this network."""
        from effbench.tasks.vmc_energy.vmc import trained
        from effbench_baselines.nqs_made.made import Made

        return SolverSystem(trained(Made, self.params))
