"""NetKet on given integrals: its operator, its RBM, its samplers and its stochastic reconfiguration, as its users join them.

What is ours: the integrals, the start near Hartree-Fock (that of ``nqs-rbm``), and the statistics of the last run, so that
errors mean the same for every solver.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from effbench.api import PluginError
from effbench.kernels.local_energy.determinants import pack
from effbench.kernels.local_energy.integrals import Integrals
from effbench.stats.series import mean_with_error, r_hat
from effbench.tasks.vmc_energy.evaluation import diagonalise
from effbench.tasks.vmc_energy.system import Problem, Solution, Solver

LONGER = 20
"""How many times the records of a step the evaluation takes."""
CUTOFF = 1e-11
"""NetKet's own: integrals below it are left out."""


@dataclass(frozen=True)
class NetketSolver(Solver):
    """Trains NetKet's RBM; the fields are those of ``Netket.Params``."""

    sampling: str
    steps: int
    chains: int
    records: int
    rate: float
    diag_shift: float
    density: int
    hf_bias: float

    def solve(self, problem: Problem, seed: int) -> Solution:
        """Return the energy after training, from ``LONGER`` times the records of a step.

        Times hold what NetKet compiles. Raises ``PluginError`` where an energy is not finite any more.
        """
        started = time.perf_counter()
        hamiltonian = operator(problem.integrals)
        driver = self._driver(hamiltonian, problem.integrals, seed)
        seconds: list[float] = []
        energies: list[float] = []

        def note(step: int, logged: Any, driver: Any) -> bool:
            energies.append(float(np.real(driver.energy.mean)))
            seconds.append(time.perf_counter() - started)
            return bool(np.isfinite(energies[-1]))

        driver.run(self.steps, out=(), show_progress=False, callback=note)
        if not np.isfinite(energies[-1]):
            raise PluginError(
                f"{problem.name}: training stopped: the energy of step {len(energies) - 1} is not finite; lower the rate"
            )
        state, n = driver.state, problem.integrals.orbitals
        state.n_samples = LONGER * self.chains * self.records
        series = np.asarray(state.local_estimators(hamiltonian).data).real
        unique = np.unique(np.asarray(state.samples).reshape(-1, 2 * n).astype(np.uint8), axis=0)
        error: float | None = float(series.std(ddof=1) / np.sqrt(series.size))
        memory: float | None = None
        agreement: float | None = None
        if self.sampling == "metropolis":
            found = mean_with_error(series)
            error, memory, agreement = found.error, found.autocorrelation_time, r_hat(series, rank_normalised=True)
        return Solution(
            float(series.mean()), tuple(seconds), tuple(energies), error,
            diagonalise(problem.integrals, pack(unique[:, :n]), pack(unique[:, n:])), len(unique), self.steps, {},
            agreement, memory,
        )  # fmt: skip

    def step(self, problem: Problem, seed: int) -> Callable[[], float]:
        """Return the first step of training; every call takes it from the same parameters and chains."""
        hamiltonian = operator(problem.integrals)

        def first() -> float:
            driver = self._driver(hamiltonian, problem.integrals, seed)
            driver.run(1, out=(), show_progress=False)
            return float(np.real(driver.energy.mean))

        return first

    def _driver(self, hamiltonian: Any, integrals: Integrals, seed: int) -> Any:
        import netket as nk

        state = nk.vqs.MCState(
            self._sampler(hamiltonian.hilbert, integrals.orbitals),
            nk.models.RBM(alpha=self.density, param_dtype=complex),
            n_samples=self.chains * self.records,
            n_discard_per_chain=0,
            chunk_size=self.records,  # what is connected to more determinants is not held at once
            seed=seed,
            sampler_seed=seed,
        )
        filled = np.concatenate([np.arange(integrals.orbitals) < n for n in (integrals.alpha, integrals.beta)])
        # NetKet's x is 0 or 1, that of nqs-rbm -1 or 1: twice the weight for the same psi.
        bias = state.parameters["visible_bias"] + 2 * self.hf_bias * (2.0 * filled - 1)
        state.parameters = {**state.parameters, "visible_bias": bias}
        return nk.driver.VMC(
            hamiltonian,
            nk.optimizer.Sgd(self.rate),
            variational_state=state,
            preconditioner=nk.optimizer.SR(diag_shift=self.diag_shift, holomorphic=True),
        )

    def _sampler(self, space: Any, orbitals: int) -> Any:
        import netket as nk

        if self.sampling == "exact":
            return nk.sampler.ExactSampler(space)
        everywhere = nk.graph.Graph(edges=list(combinations(range(orbitals), 2)))
        return nk.sampler.MetropolisFermionHop(
            space, graph=everywhere, n_chains=self.chains, sweep_size=2 * orbitals, spin_symmetric=True
        )


def operator(integrals: Integrals) -> Any:
    """Return NetKet's number- and spin-conserving Hamiltonian, made as ``from_pyscf_molecule`` makes it of a molecule."""
    import jax.numpy as jnp
    import sparse
    from netket.experimental.operator import ParticleNumberAndSpinConservingFermioperator2nd as Conserving
    from netket.hilbert import SpinOrbitalFermions

    space = SpinOrbitalFermions(integrals.orbitals, s=1 / 2, n_fermions_per_spin=(integrals.alpha, integrals.beta))
    # The public way, by a list of terms, takes minutes; this one is NetKet's own, and the reason for its pinned version.
    one, two = (
        sparse.COO.from_numpy(np.where(np.abs(part) > CUTOFF, part, 0.0)) for part in (integrals.one, integrals.two)
    )
    return Conserving._from_sparse_arrays_normal_order_all_sectors(
        space, [jnp.asarray(integrals.core), one, 0.5 * two.transpose((0, 2, 3, 1))], cutoff=CUTOFF
    )
