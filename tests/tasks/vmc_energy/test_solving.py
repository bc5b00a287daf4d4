"""Molecules that are solved anew: every process must find the same orbitals, degenerate ones as well."""

import numpy as np
import pytest

from effbench.tasks.vmc_energy.molecules import Molecule
from effbench.tasks.vmc_energy.solving import energies_of, hartree_fock, integrals_of, settle
from effbench.tasks.vmc_energy.symmetry import parities

pytest.importorskip("pyscf", reason="molecules are solved by PySCF: pip install 'effbench[vmc]'")

NITROGEN = Molecule(name="far", atoms=(("N", 0, 0, 0), ("N", 0, 0, 1.5)))


@pytest.fixture(scope="module")
def field():
    return hartree_fock(NITROGEN)


def test_degenerate_orbitals_keep_the_symmetries_apart(field):
    energies = field.mo_energy
    assert abs(energies[5] - energies[6]) < 1e-6 or abs(energies[4] - energies[5]) < 1e-6  # pi along x and along y
    assert parities(integrals_of(NITROGEN, field)).shape == (10, 3)


def test_another_order_and_other_signs_are_settled(field):
    expected = integrals_of(NITROGEN, field)
    other, orbitals, kinds = field.copy(), field.mo_coeff, field.get_orbsym()
    pairs = [k for k in range(9) if abs(field.mo_energy[k] - field.mo_energy[k + 1]) < 1e-6]
    assert len(pairs) == 2  # pi, and pi that is empty
    order = np.arange(10)
    for place in pairs:
        order[[place, place + 1]] = order[[place + 1, place]]
    from pyscf import lib

    other.mo_coeff = lib.tag_array((orbitals * np.where(np.arange(10) % 2, -1, 1))[:, order], orbsym=kinds[order])
    settle(other)
    found = integrals_of(NITROGEN, other)
    assert np.abs(found.one - expected.one).max() < 1e-11 and np.abs(found.two - expected.two).max() < 1e-11


def test_a_molecule_without_symmetry_is_solved():
    bent = Molecule(name="bent", atoms=(("O", 0, 0, 0), ("H", 0, 0, 1), ("F", 0.3, 1.2, -0.5)))
    field = hartree_fock(bent)
    assert field.mol.groupname in {"C1", "Cs"}
    known = energies_of(bent, field, integrals_of(bent, field))
    assert known.fci is not None and known.ccsd is not None and known.fci < known.ccsd < known.hf
