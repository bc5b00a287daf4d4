"""The system of ``vmc-energy``: a solver, which finds the ground-state energy of a molecule, and what it is given."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from effbench.api import System
from effbench.tasks.vmc_energy.molecules import Energies

if TYPE_CHECKING:
    from effbench.kernels.local_energy.integrals import Integrals

CHEMICAL_ACCURACY_HA = 1.6e-3
"""1 kcal/mol, the error below which predicted reaction rates and heats are as good as measured ones."""


@dataclass(frozen=True)
class Problem:
    """A molecule in a basis of orbitals, with the energies of these integrals as far as they are known.

    ``integrals`` list orbitals as ``aufbau.by_energy`` sorts them: the first ones are those that Hartree-Fock fills.
    """

    name: str
    integrals: Integrals
    known: Energies | Callable[[], Energies]
    """The energies, or what finds them: full CI takes seconds to minutes, and who times a step never asks."""

    @cached_property
    def energies(self) -> Energies:
        """Return the known energies; null where a method was not run."""
        return self.known() if callable(self.known) else self.known


@dataclass(frozen=True)
class Solution:
    """What a solver found. Energies in Hartree, times in seconds of wall clock since it was given the problem.

    ``curve_s`` and ``curve_ha`` [T] say which energy was known when (a deterministic solver: one point). ``parts_s`` splits
    the time of the steps, ``diagonal_ha`` is the lowest energy within the determinants that were sampled. Markov chains have
    a split ``r_hat`` and an autocorrelation time in records; their standard error knows it, and is None where none can.
    ``temperature_ha`` is the weight of the entropy in the last step, None for solvers that have none.
    """

    energy_ha: float
    curve_s: tuple[float, ...]
    curve_ha: tuple[float, ...]
    standard_error_ha: float | None = 0.0
    diagonal_ha: float | None = None
    determinants: int | None = None
    steps: int = 0
    parts_s: dict[str, float] = field(default_factory=dict)
    r_hat: float | None = None
    autocorrelation: float | None = None
    temperature_ha: float | None = None


class Solver(ABC):
    """A way to find a ground-state energy."""

    @abstractmethod
    def solve(self, problem: Problem, seed: int) -> Solution:
        """Return the energy; the same seed gives the same energies, though not the same times."""

    def step(self, problem: Problem, seed: int) -> Callable[[], float]:
        """Return what latency times: a step of an optimisation, here all of the solution; it returns an energy in Hartree."""
        return lambda: self.solve(problem, seed).energy_ha


class HartreeFock(Solver):
    """Restricted Hartree-Fock within the molecule's orbitals: one determinant, whichever orbitals span that space."""

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Return the energy; where the orbitals are Hartree-Fock's, that of the determinant that fills the lowest ones."""
        from effbench.tasks.vmc_energy.selfconsistent import hartree_fock_orbitals

        started = time.perf_counter()
        energy = hartree_fock_orbitals(problem.integrals)[0]
        return Solution(energy, (time.perf_counter() - started,), (energy,), diagonal_ha=energy, determinants=1)


@dataclass(frozen=True)
class SolverSystem(System):
    """A solver, as methods exchange it."""

    solver: Solver
