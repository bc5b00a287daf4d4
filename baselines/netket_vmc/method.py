"""NetKet's variational Monte Carlo as a solver of the task ``vmc-energy``: the library that a user would reach for."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.tasks.vmc_energy.system import SolverSystem


class Netket(Method):
    """Train NetKet's RBM on each molecule with NetKet's operator, samplers and stochastic reconfiguration."""

    name = "netket"
    accepts = (SolverSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        sampling: Annotated[
            Literal["metropolis", "exact"],
            Field(description="Chains whose electrons hop, or independent draws from |psi|^2 over all determinants."),
        ] = "metropolis"
        steps: Annotated[int, Field(ge=1, description="Steps of the optimiser.")] = 200
        chains: Annotated[int, Field(ge=2, description="Independent Markov chains.")] = 16
        records: Annotated[int, Field(ge=4, description="Samples of a chain per step, 2 n proposals apart.")] = 64
        rate: Annotated[float, Field(gt=0, description="Learning rate of the gradient descent.")] = 0.1
        diag_shift: Annotated[float, Field(gt=0, description="Added to the diagonal of the matrix S.")] = 1e-3
        density: Annotated[int, Field(ge=1, description="Hidden units per spin orbital.")] = 1
        hf_bias: Annotated[float, Field(description="Visible weights towards Hartree-Fock at the start.")] = 0.1

    def apply(self, system: SolverSystem, artifact: Artifact) -> SolverSystem:
        """Return the solver; raise ``Unsupported`` where NetKet is missing."""
        if find_spec("netket") is None:
            raise Unsupported("netket: the package is missing; pip install 'effbench[netket]'")
        from effbench_baselines.netket_vmc.solver import NetketSolver

        return SolverSystem(NetketSolver(**self.params.model_dump()))
