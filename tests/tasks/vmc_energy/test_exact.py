"""Full CI: against diagonalisation by other code, for any order and rotation of orbitals; what is not sure is not said."""

import numpy as np
import pytest
from test_aufbau import rotated, shuffled

from effbench.kernels.local_energy.determinants import sector
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.tasks.vmc_energy import exact
from effbench.tasks.vmc_energy.aufbau import reordered
from effbench.tasks.vmc_energy.evaluation import diagonalise
from effbench.tasks.vmc_energy.exact import full_ci, known_full_ci, obstacle
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved

pytest.importorskip("pyscf", reason="full CI is PySCF's: pip install 'effbench[vmc]'")


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_lowest_eigenvalue_of_the_whole_sector(seed, monkeypatch):
    """Integrals without meaning: no orbital order is natural there. The second half takes the iterations, not LAPACK."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    alpha, beta = (int(x) for x in rng.integers(0, n + 1, 2))
    given = random_integrals(n, max(alpha, 1), beta, seed, share=0.5)
    if seed >= 6:
        monkeypatch.setattr(exact, "DENSE", 4)
    expected = diagonalise(given, *sector(n, given.alpha, given.beta))
    assert full_ci(given, 1e-12) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    "name", ["lih", "h2o", "beh2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("nh3", "c2"))]
)
def test_another_order_or_other_orbitals_do_not_change_it(name):
    """Case fci-orbital-order: PySCF's own driver stops 2,028 mHa too high for LiH with orbitals 1 and 3 exchanged."""
    n = frozen_integrals(name).orbitals
    swapped = reordered(frozen_integrals(name), np.array([2, 1, 0, *range(3, n)]))
    others = [rotated(frozen_integrals(name), 1)] if name in ("lih", "h2o") else []
    for given in (swapped, shuffled(name, 2), *others):
        assert full_ci(given, 1e-10) == pytest.approx(solved()[name].energies.fci, abs=1e-8)


def test_a_state_that_is_not_the_lowest_is_not_reported(monkeypatch):
    """Whatever the iterations say: a higher eigenstate lies above bounds that do not depend on them."""
    given = frozen_integrals("beh2")
    monkeypatch.setattr(exact, "lowest", lambda *_: (solved()["beh2"].energies.hf + 0.3 - given.core, np.ones(1)))
    monkeypatch.setattr(exact, "settled", lambda *_: exact.lowest()[0])
    assert full_ci(given, 1e-10) is None


def test_a_second_search_that_ends_lower_is_followed():
    matrix = np.diag([0.0, 1.0, 2.0, 3.0])
    matrix[0, 3] = matrix[3, 0] = 0.1
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    start = np.array([0.0, 1.0, 0.0, 0.0])  # an eigenvector, and not the lowest
    found = exact.settled(lambda vector: matrix @ vector, np.diag(matrix), [start], 1e-12)
    assert found == pytest.approx(lowest, abs=1e-9)


def test_what_is_too_large_says_so():
    assert not obstacle(frozen_integrals("h2"))
    assert (
        "determinants need about" in obstacle(frozen_integrals("c2h4o"))
        and known_full_ci(frozen_integrals("c2h4o")) is None
    )


def test_without_pyscf_small_sectors_are_still_solved(monkeypatch):
    monkeypatch.setattr(exact, "find_spec", lambda name: None)
    assert known_full_ci(frozen_integrals("lih")) == pytest.approx(solved()["lih"].energies.fci, abs=1e-8)
    assert known_full_ci(frozen_integrals("c2")) is None
