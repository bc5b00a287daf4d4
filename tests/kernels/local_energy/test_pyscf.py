"""Every engine against PySCF's sigma vector on real molecules: random amplitudes, whole sectors, parts, the exact state.

PySCF's vectors run over alpha strings, then beta strings, "all alpha, then all beta": our order and our signs.
"""

from math import comb

import numpy as np
import pytest

from effbench.kernels.local_energy import ENGINES, local_energies
from effbench.kernels.local_energy.determinants import sector
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved

pytest.importorskip("pyscf")


def sigma(integrals, psi):
    """Return H psi on the whole sector."""
    from pyscf.fci import direct_spin1

    n, electrons = integrals.orbitals, (integrals.alpha, integrals.beta)
    operator = direct_spin1.absorb_h1e(integrals.one, integrals.two, n, electrons, 0.5)
    shape = [comb(n, many) for many in electrons]

    def apply(vector):
        return direct_spin1.contract_2e(operator, vector.reshape(shape), n, electrons).ravel() + integrals.core * vector

    return apply(psi.real.copy()) + 1j * apply(psi.imag.copy())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["h2", "lih", "h2o", "ch2-triplet", "nh3-c3v"])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_an_engine_equals_pyscf(engine, name, share):
    integrals = frozen_integrals(name)
    alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
    rng = np.random.default_rng(0)
    psi = rng.normal(size=len(alpha)) + 1j * rng.normal(size=len(alpha))
    rows = np.sort(rng.permutation(len(alpha))[: round(share * len(alpha))])
    kept = np.zeros_like(psi)
    kept[rows] = psi[rows]
    found = local_energies(integrals, alpha[rows], beta[rows], np.log(psi[rows]), impl=engine).energies
    assert np.abs(found - sigma(integrals, kept)[rows] / psi[rows]).max() < 1e-9


@pytest.mark.whole
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["lih", "h2o", "beh2"])
def test_the_exact_state_has_no_variance(engine, name):
    """Item 3; the matrix is diagonalised densely, since a Davidson residual spoils small amplitudes."""
    integrals = frozen_integrals(name)
    alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
    matrix = np.stack([sigma(integrals, row.astype(complex)).real for row in np.eye(len(alpha))], axis=1)
    energies, states = np.linalg.eigh(matrix)
    assert energies[0] == pytest.approx(solved()[name].energies.fci, abs=1e-8)
    ground = states[:, 0]
    ground = np.where(np.abs(ground) > 1e-30, ground, 1e-30)  # symmetry makes some zero; log needs a number
    found = local_energies(integrals, alpha, beta, np.log(ground.astype(complex)), impl=engine).energies
    assert np.abs(found - energies[0])[np.abs(ground) > 1e-6].max() < 1e-7
