"""Item 9: what does not change a local energy: the order of the orbitals, a global phase, who is called alpha."""

import numpy as np
import pytest
from molecules import random_sample, symmetric

from effbench.kernels.local_energy import ENGINES, local_energies
from effbench.kernels.local_energy.determinants import pack, unpack
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.frozen import frozen_integrals

GIVEN = [frozen_integrals("h2o"), symmetric(6, 2, 4, 7, irreps=4)]


def reordered(occupied, order):
    """Return (occupations in the new order, sign that sorting the creation operators into it costs)."""
    rank = np.argsort(order)
    signs = []
    for row in occupied:
        places = rank[np.flatnonzero(row)]
        inversions = sum(int(a > b) for k, b in enumerate(places) for a in places[:k])
        signs.append(-1 if inversions % 2 else 1)
    return occupied[:, order], np.array(signs)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("integrals", GIVEN, ids=["h2o", "symmetric"])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_orbitals_does_not_matter(engine, integrals, seed):
    alpha, beta, psi = random_sample(integrals, 0.5, seed)
    before = local_energies(integrals, alpha, beta, np.log(psi), impl=engine).energies
    n = integrals.orbitals
    order = np.random.default_rng(seed).permutation(n)
    one, two = integrals.one[np.ix_(order, order)], integrals.two[np.ix_(order, order, order, order)]
    other = Integrals(integrals.core, one, two, integrals.alpha, integrals.beta)
    ours, signs = reordered(unpack(alpha, n), order)
    theirs, more = reordered(unpack(beta, n), order)
    after = local_energies(other, pack(ours), pack(theirs), np.log(signs * more * psi), impl=engine).energies
    assert np.abs(after - before).max() < 1e-10
    # The sign is needed: without it this is another state.
    if (signs * more).min() < (signs * more).max():
        wrong = local_energies(other, pack(ours), pack(theirs), np.log(psi), impl=engine).energies
        assert np.abs(wrong - before).max() > 1e-3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("integrals", GIVEN, ids=["h2o", "symmetric"])
def test_neither_a_global_phase_nor_a_factor_nor_the_names_of_the_spins_matter(engine, integrals):
    alpha, beta, psi = random_sample(integrals, 0.5, 1)
    logs = np.log(psi)
    before = local_energies(integrals, alpha, beta, logs, impl=engine).energies
    for constant in (0.7j, -300.0, 300.0 - 2.1j):
        after = local_energies(integrals, alpha, beta, logs + constant, impl=engine).energies
        assert np.abs(after - before).max() < 1e-10
    swapped = Integrals(integrals.core, integrals.one, integrals.two, integrals.beta, integrals.alpha)
    # Moving all beta before all alpha costs the same sign for every determinant.
    assert np.abs(local_energies(swapped, beta, alpha, logs, impl=engine).energies - before).max() < 1e-10


@pytest.mark.parametrize("engine", ENGINES)
def test_the_repulsion_of_the_nuclei_is_counted_once(engine):
    integrals = frozen_integrals("lih")
    alpha, beta, psi = random_sample(integrals, 0.5, 2)
    shifted = Integrals(integrals.core + 1.25, integrals.one, integrals.two, integrals.alpha, integrals.beta)
    before, after = (local_energies(i, alpha, beta, np.log(psi), impl=engine).energies for i in (integrals, shifted))
    assert np.abs(after - before - 1.25).max() < 1e-11
