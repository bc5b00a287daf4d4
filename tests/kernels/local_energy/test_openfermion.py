"""Item 1: every row of OpenFermion's matrices, Jordan-Wigner in interleaved order, against all engines and the listing.

openfermion.npz comes from ``python -m bench_vmc.golden``, OpenFermion 1.8.1 without a cutoff, same integrals.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from effbench.kernels.local_energy import ENGINES, local_energies
from effbench.kernels.local_energy.connected import connected
from effbench.kernels.local_energy.determinants import interleaving_signs, sector
from effbench.kernels.local_energy.lookup import build_lookup, places
from effbench.tasks.vmc_energy.frozen import frozen_integrals

FILE = Path(__file__).with_name("openfermion.npz")
MOLECULES = ("h2", "lih", "h2o")


def known(name):
    """Return (integrals, sector, OpenFermion's matrix in our order of the modes)."""
    integrals, file = frozen_integrals(name), np.load(FILE)
    assert str(file[f"{name}.sha256"]) == integrals.sha256, "openfermion.npz belongs to other integrals; make it anew"
    alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
    upper = csr_array(tuple(file[f"{name}.{part}"] for part in ("values", "columns", "rows"))).toarray()
    signs = interleaving_signs(alpha, beta, integrals.orbitals)
    matrix = upper + np.triu(upper, 1).T
    return integrals, (alpha, beta), signs[:, None] * matrix * signs


@pytest.mark.parametrize("name", MOLECULES)
@pytest.mark.parametrize("engine", ENGINES)
def test_local_energies_are_those_of_the_matrix(name, engine):
    integrals, (alpha, beta), matrix = known(name)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        logs = rng.normal(size=len(alpha)) + 1j * rng.normal(size=len(alpha))
        psi = np.exp(logs)
        found = local_energies(integrals, alpha, beta, logs, impl=engine).energies
        assert np.abs(found * psi - matrix @ psi).max() < 1e-10


@pytest.mark.parametrize("name", MOLECULES)
def test_every_element_is_that_of_the_matrix(name):
    integrals, (alpha, beta), matrix = known(name)
    joined = connected(integrals, alpha, beta)
    column = places(build_lookup(alpha, beta, integrals.orbitals), alpha, beta, joined.alpha, joined.beta)
    found = np.zeros_like(matrix)
    found[joined.row, column] = joined.element
    assert (column >= 0).all() and np.abs(found - matrix).max() < 1e-12
