"""PySCF's Hartree-Fock, coupled cluster, full CI and selected CI as solvers of the task ``vmc-energy``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.tasks.vmc_energy.system import SolverSystem


class PyscfSolver(Method):
    """Solve each molecule with PySCF, from the integrals that every other solver is given."""

    name = "pyscf"
    accepts = (SolverSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        solver: Annotated[
            Literal["hf", "ccsd", "ccsd-t", "fci", "selected-ci"],
            Field(description="Hartree-Fock, CCSD, CCSD(T) of closed shells, full CI, or selected CI."),
        ] = "ccsd"
        selection_ha: Annotated[
            float, Field(gt=0, description="Selected CI: least coefficient that keeps and adds determinants.")
        ] = 1e-3

    def apply(self, system: SolverSystem, artifact: Artifact) -> SolverSystem:
        """Return the solver; raise ``Unsupported`` where PySCF is missing."""
        if find_spec("pyscf") is None:
            raise Unsupported("pyscf: the package is missing; pip install 'effbench[vmc]'")
        from effbench_baselines.pyscf_solvers.solvers import Pyscf

        return SolverSystem(Pyscf(self.params.solver, self.params.selection_ha))
