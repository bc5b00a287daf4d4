"""PySCF on given integrals: a mean field without atoms, from which coupled cluster starts, and CI solvers."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from effbench.api import Unsupported
from effbench.tasks.vmc_energy.aufbau import by_energy, energy_of
from effbench.tasks.vmc_energy.exact import AGREE_HA, full_ci, obstacle, string_counts
from effbench.tasks.vmc_energy.selfconsistent import hartree_fock_orbitals
from effbench.tasks.vmc_energy.solving import coupled_cluster
from effbench.tasks.vmc_energy.system import Problem, Solution, Solver
from effbench_baselines.pyscf_solvers.selection import selected_ci


@dataclass(frozen=True)
class Pyscf(Solver):
    """One of PySCF's solvers by the name that ``PyscfSolver`` gives it."""

    name: str
    selection_ha: float

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Return the energy, the same for any order of the orbitals.

        Raises ``Unsupported`` where a solver does not converge, does not take open shells, or has no memory for the sector.
        """
        started = time.perf_counter()
        in_order = replace(problem, integrals=by_energy(problem.integrals))
        energy, determinants = getattr(self, "_" + self.name.replace("-", "_"))(in_order)
        return Solution(energy, (time.perf_counter() - started,), (energy,), determinants=determinants)

    def _hf(self, problem: Problem) -> tuple[float, int]:
        return float(mean_field(problem).e_tot), 1

    def _ccsd(self, problem: Problem) -> tuple[float, None]:
        return self._coupled(problem, with_triples=False), None

    def _ccsd_t(self, problem: Problem) -> tuple[float, None]:
        if problem.integrals.alpha != problem.integrals.beta:
            raise Unsupported(f"pyscf: CCSD(T) of {problem.name}, an open shell, is not offered")
        return self._coupled(problem, with_triples=True), None

    def _coupled(self, problem: Problem, *, with_triples: bool) -> float:
        energy = coupled_cluster(mean_field(problem), with_triples=with_triples)[with_triples]
        if energy is None:
            raise Unsupported(f"pyscf: CCSD of {problem.name} does not converge")
        return energy

    def _fci(self, problem: Problem) -> tuple[float, int]:
        reason = obstacle(problem.integrals)
        if reason:
            raise Unsupported(f"pyscf: full CI of {problem.name}: {reason}")
        energy = full_ci(problem.integrals, 1e-10)
        if energy is None:
            raise Unsupported(
                f"pyscf: full CI of {problem.name} does not converge to a state that is sure to be the lowest"
            )
        return energy, prod(string_counts(problem.integrals))

    def _selected_ci(self, problem: Problem) -> tuple[float, int]:
        given = problem.integrals
        if not min(given.alpha, given.beta):
            raise Unsupported(f"pyscf: selected CI of {problem.name}: there must be electrons of both spins")
        energy, determinants = selected_ci(given, self.selection_ha)
        if energy > hartree_fock_orbitals(given)[0] + AGREE_HA:
            raise Unsupported(f"pyscf: selected CI of {problem.name} ends above Hartree-Fock: no number is given")
        return energy, determinants


def mean_field(problem: Problem) -> Any:
    """Return PySCF's Hartree-Fock of the integrals, started from ours; raise ``Unsupported`` where it does not hold that."""
    from pyscf import ao2mo, gto
    from pyscf.scf.hf import RHF
    from pyscf.scf.rohf import ROHF

    given = problem.integrals
    known, orbitals = hartree_fock_orbitals(given)
    electrons = sorted((given.alpha, given.beta), reverse=True)  # PySCF counts the more numerous spin as alpha
    atomless = gto.M(verbose=0)
    atomless.nelectron, atomless.spin = sum(electrons), electrons[0] - electrons[1]
    atomless.incore_anyway = True
    field = (ROHF if atomless.spin else RHF)(
        atomless
    )  # scf.ROHF would take another class for one electron, without the core
    field.get_hcore = lambda *_: given.one
    field.get_ovlp = lambda *_: np.eye(given.orbitals)
    field.energy_nuc = lambda *_: given.core
    field._eri = ao2mo.restore(8, given.two, given.orbitals)
    densities = [orbitals[:, :many] @ orbitals[:, :many].T for many in electrons]
    field.conv_tol = 1e-10
    field.kernel(np.array(densities) if atomless.spin else densities[0] + densities[1])
    filled = [np.asarray(field.mo_coeff)[:, field.mo_occ > least] for least in (0, 1)]
    again = energy_of(given, *(part @ part.T for part in filled))
    if not field.converged or field.e_tot > known + AGREE_HA or abs(field.e_tot - again) > AGREE_HA:
        raise Unsupported(
            f"pyscf: Hartree-Fock of {problem.name} does not converge to the lowest determinant that is known"
        )
    return field
