"""PySCF on given integrals: a mean field without atoms, from which coupled cluster starts, and its CI solvers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from effbench.api import Unsupported
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.solving import full_ci, near, string_counts
from effbench.tasks.vmc_energy.system import Problem, Solution, Solver


@dataclass(frozen=True)
class Pyscf(Solver):
    """One of PySCF's solvers by the name that ``PyscfSolver`` gives it."""

    name: str
    selection_ha: float

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Return the energy; raise ``Unsupported`` where a solver does not converge or does not take open shells."""
        started = time.perf_counter()
        energy, determinants = getattr(self, "_" + self.name.replace("-", "_"))(problem)
        return Solution(energy, (time.perf_counter() - started,), (energy,), determinants=determinants)

    def _hf(self, problem: Problem) -> tuple[float, int]:
        return float(mean_field(problem).e_tot), 1

    def _ccsd(self, problem: Problem) -> tuple[float, None]:
        return float(self._coupled(problem).e_tot), None

    def _ccsd_t(self, problem: Problem) -> tuple[float, None]:
        if problem.integrals.alpha != problem.integrals.beta:
            raise Unsupported(f"pyscf: CCSD(T) of {problem.name}, an open shell, is not offered")
        coupled = self._coupled(problem)
        return float(coupled.e_tot + coupled.ccsd_t()), None

    def _coupled(self, problem: Problem) -> Any:
        from pyscf import cc

        coupled = cc.CCSD(mean_field(problem))
        coupled.conv_tol = 1e-9
        coupled.kernel()
        if not coupled.converged:
            raise Unsupported(f"pyscf: CCSD of {problem.name} does not converge")
        return coupled

    def _fci(self, problem: Problem) -> tuple[float, int]:
        energy = full_ci(problem.integrals, 1e-10)
        if energy is None:
            raise Unsupported(f"pyscf: full CI of {problem.name} does not converge")
        return energy, prod(string_counts(problem.integrals))

    def _selected_ci(self, problem: Problem) -> tuple[float, int]:
        from pyscf import fci

        given = problem.integrals
        solver = fci.SCI()
        solver.verbose = 0  # or it says that its first guess is replaced
        solver.select_cutoff = solver.ci_coeff_cutoff = self.selection_ha
        electrons = (given.alpha, given.beta)
        # It has been seen to stop too high, in processes that had done much else. All energies are bounds; the lowest counts.
        found = []
        for seed in range(3):
            solver.get_init_guess = partial(_first_guess, seed, electrons)
            found.append(solver.kernel(given.one, given.two, given.orbitals, electrons, ecore=given.core))
        energy, vector = min(found, key=lambda one: float(one[0]))
        return float(energy), int(np.asarray(vector).size)


def _first_guess(seed: int, electrons: tuple[int, int], strings: Any, *_: Any) -> list[Any]:
    """Return selected CI's first vector near Hartree-Fock; ``strings`` are the selected ones of both spins."""
    from pyscf.fci.selected_ci import _as_SCIvector

    shape = (len(strings[0]), len(strings[1]))
    alpha, beta = (int(np.argmax(np.asarray(of) == 2**many - 1)) for of, many in zip(strings, electrons))
    return [_as_SCIvector(near(alpha * shape[1] + beta, shape, seed), strings)]


def mean_field(problem: Problem) -> Any:
    """Return PySCF's Hartree-Fock of the integrals, started from the determinant that is lowest in their orbitals."""
    from pyscf import ao2mo, gto, scf

    given: Integrals = problem.integrals
    atomless = gto.M(verbose=0)
    atomless.nelectron, atomless.spin = given.alpha + given.beta, given.alpha - given.beta
    atomless.incore_anyway = True
    field = (scf.ROHF if atomless.spin else scf.RHF)(atomless)
    field.get_hcore = lambda *_: given.one
    field.get_ovlp = lambda *_: np.eye(given.orbitals)
    field.energy_nuc = lambda *_: given.core
    field._eri = ao2mo.restore(8, given.two, given.orbitals)
    filled = [np.diag((np.arange(given.orbitals) < many).astype(float)) for many in (given.alpha, given.beta)]
    field.conv_tol = 1e-10
    field.kernel(np.array(filled) if atomless.spin else filled[0] + filled[1])
    if not field.converged:
        raise Unsupported(f"pyscf: Hartree-Fock of {problem.name} does not converge")
    return field
