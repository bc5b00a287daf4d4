"""A restricted Boltzmann machine trained by stochastic reconfiguration on Markov chains: the control of ``nqs-made``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams
from effbench.tasks.vmc_energy.system import SolverSystem


class NqsRbm(Method):
    """Train an RBM on each molecule with samples of Metropolis chains, and return the mean of a long run."""

    name = "nqs-rbm"
    accepts = (SolverSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        steps: Annotated[int, Field(ge=1, description="Steps of the optimiser.")] = 400
        chains: Annotated[int, Field(ge=2, description="Independent Markov chains.")] = 32
        records: Annotated[int, Field(ge=4, description="Records of a chain per step, 2 n proposals apart.")] = 100
        rate: Annotated[float, Field(gt=0, description="Step in imaginary time, 1/Hartree.")] = 0.1
        damping: Annotated[float, Field(gt=0, description="Of the matrix S: times its diagonal, and added to it.")] = (
            1e-3
        )
        density: Annotated[float, Field(gt=0, description="Hidden units per spin orbital.")] = 1.0
        power: Annotated[
            float, Field(gt=0, le=2, description="Chains visit |psi|^power, and are reweighted to |psi|^2.")
        ] = 1.0
        hf_bias: Annotated[float, Field(description="Visible weights towards Hartree-Fock at the start.")] = 0.1

    def apply(self, system: SolverSystem, artifact: Artifact) -> SolverSystem:
        """Return the solver."""
        from effbench_baselines.nqs_rbm.solver import MetropolisRbm

        return SolverSystem(MetropolisRbm(**self.params.model_dump()))
