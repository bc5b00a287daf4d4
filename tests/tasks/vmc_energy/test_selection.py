"""Selected CI gives PySCF's energies of a fresh process in every process, or no number."""

import pytest
from scipy.sparse import coo_array

from effbench.api import Unsupported
from effbench.tasks.vmc_energy.aufbau import by_energy
from effbench.tasks.vmc_energy.evaluation import between, lowest_state
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved
from effbench_baselines.pyscf_solvers import selection


@pytest.mark.parametrize(
    ("name", "energy_ha", "determinants"),  # of PySCF 2.14's fci.SCI with both cutoffs at 1e-3, alone in a process
    [("h2o-c2v", -75.023287857695, 361), ("beh2", -14.472946031669, 784), ("ch2-triplet", -37.504429679383, 513)],
)
def test_the_rule_is_that_of_pyscf(name, energy_ha, determinants):
    found = selection.selected_ci(by_energy(frozen_integrals(name)), 1e-3)
    assert found == (pytest.approx(energy_ha, abs=1e-8), determinants)


def test_the_reference_alone_is_selected_where_nothing_is_above_the_cutoff():
    integrals = by_energy(frozen_integrals("lih"))
    energy, determinants = selection.selected_ci(integrals, 0.9)
    assert determinants == 1 and energy == pytest.approx(solved()["lih"].energies.hf, abs=1e-8)


def test_a_matrix_that_is_not_symmetric_gives_no_number(monkeypatch):
    def skewed(*given):
        matrix = between(*given)
        return matrix + coo_array(([0.01], ([0], [1])), shape=matrix.shape).tocsr() if matrix.shape[0] > 1 else matrix

    monkeypatch.setattr(selection, "between", skewed)
    with pytest.raises(Unsupported, match="from symmetric: no number is given"):
        selection.selected_ci(by_energy(frozen_integrals("lih")), 1e-3)


def test_a_state_that_is_not_the_lowest_gives_no_number(monkeypatch):
    """What was seen of PySCF: converged, and too high."""

    def second(matrix):
        energy, state = lowest_state(matrix)
        return energy + 0.016, state

    monkeypatch.setattr(selection, "lowest_state", second)
    with pytest.raises(Unsupported, match="no number is given"):
        selection.selected_ci(by_energy(frozen_integrals("h2")), 1e-3)


def test_a_space_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(selection, "MOST_DETERMINANTS", 100)
    with pytest.raises(Unsupported, match="selection_ha"):
        selection.selected_ci(by_energy(frozen_integrals("lih")), 1e-3)
