"""NetKet as a solver: refused where it is missing; where it is there (``make vmc-netket``), its operator is ours."""

from importlib.util import find_spec

import numpy as np
import pytest

from effbench.api import PluginError, Unsupported
from effbench.kernels.local_energy import local_energies
from effbench.kernels.local_energy.determinants import pack
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.policies import Policy
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved
from effbench.tasks.vmc_energy.problems import load_problem
from effbench.tasks.vmc_energy.system import HartreeFock, SolverSystem
from effbench_baselines.netket_vmc.method import Netket

needs_netket = pytest.mark.skipif(
    find_spec("netket") is None, reason="NetKet is not installed; make vmc-netket does so"
)
SMALL = {"steps": 30, "records": 32, "sampling": "exact"}


def solver(**params):
    return Netket(Netket.Params(**params)).apply(SolverSystem(HartreeFock()), None).solver


def test_without_netket_the_method_says_what_to_install(monkeypatch):
    monkeypatch.setattr("effbench_baselines.netket_vmc.method.find_spec", lambda name: None)
    with pytest.raises(Unsupported, match=r"pip install 'effbench\[netket\]'"):
        solver()


@needs_netket
@pytest.mark.timeout(300)
def test_the_operator_is_that_of_the_integrals():
    from effbench_baselines.netket_vmc.solver import operator

    for integrals in (frozen_integrals("h2"), random_integrals(4, 2, 1, 0)):
        made = operator(integrals)
        states, n = np.asarray(made.hilbert.all_states(), np.uint8), integrals.orbitals
        alpha, beta = pack(states[:, :n]), pack(states[:, n:])
        logs = np.random.default_rng(0).normal(size=(2, len(states)))
        logs = logs[0] + 1j * logs[1]
        expected = local_energies(integrals, alpha, beta, logs, policy=Policy("sampled-only")).energies
        # NetKet orders the modes as the keys here do: all alpha, then all beta.
        assert np.abs(made.to_dense() @ np.exp(logs) / np.exp(logs) - expected).max() < 1e-9


@needs_netket
@pytest.mark.timeout(300)
def test_h2_is_found_and_the_error_covers_it():
    found = solver(**SMALL | {"steps": 150}).solve(load_problem("h2"), 0)
    exact = solved()["h2"].energies.fci
    assert found.steps == len(found.curve_ha) == len(found.curve_s) == 150
    assert abs(found.energy_ha - exact) < 1e-3 + 4 * found.standard_error_ha
    assert found.determinants <= 4 and found.diagonal_ha >= exact - 1e-10


@needs_netket
@pytest.mark.timeout(300)
def test_chains_say_how_well_they_agree_and_a_seed_repeats():
    params = {"steps": 3, "chains": 4, "records": 64}
    first, again = (solver(**params).solve(load_problem("lih"), 5) for _ in range(2))
    assert first.energy_ha == pytest.approx(again.energy_ha, abs=1e-9)
    assert first.r_hat is not None and first.autocorrelation is not None and first.autocorrelation >= 1
    step = solver(**params).step(load_problem("lih"), 5)
    assert step() == pytest.approx(first.curve_ha[0], abs=1e-9) and step() == pytest.approx(step(), abs=1e-9)


@needs_netket
@pytest.mark.timeout(300)
def test_a_divergence_is_said():
    with pytest.raises(PluginError, match=r"the energy of step .* is not finite; lower the rate"):
        solver(**SMALL | {"rate": 1e300}).solve(load_problem("h2"), 0)
