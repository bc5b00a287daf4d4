"""Item 10: sizes of the dossier's table 2.1: determinants of a sector, connected ones, Pauli terms and flip masks."""

from math import comb

import pytest

from effbench.kernels.local_energy.connected import most_connected
from effbench.kernels.local_energy.determinants import sector, strings_of
from effbench.kernels.local_energy.pauli_terms import pauli_terms
from effbench.tasks.vmc_energy.frozen import frozen_integrals

TABLE = {  # Pauli terms, flip masks, connected, sector
    "h2": (15, 2, 4, 4),
    "lih": (631, 84, 93, 225),
    "lih-unit-bond": (631, 84, 93, 225),
    "beh2": (2110, 322, 205, 1225),
    "h2o": (None, None, 141, 441),
    "h2o-c2v": (1086, 162, 141, 441),
    "ch2-triplet": (None, None, 171, 735),
    "nh3": (None, None, 316, 3136),
    "nh3-c3v": (3057, 493, 316, 3136),
    "n2": (2951, 534, 610, 14_400),
    "c2": (2951, 534, 805, 44_100),
    "lif-unit-bond": (5851, 1008, 805, 44_100),
    "o2-triplet": (2951, 534, 283, 1200),
    "li2o": (20_562, 3810, 4425, 41_409_225),
    "c2h4o": (49_622, 9608, 9997, 2_538_950_544),
}
"""Strings are left out where the geometry is nearly symmetric: many lie about the cutoff, and another SCF moves them."""
CUTOFF = 1e-8
"""OpenFermion's, which the table was made with."""


@pytest.mark.parametrize("name", TABLE)
def test_a_molecule_has_the_sizes_of_the_table(name):
    terms, flips, connections, determinants = TABLE[name]
    integrals = frozen_integrals(name)
    n, electrons = integrals.orbitals, (integrals.alpha, integrals.beta)
    assert most_connected(integrals) == connections
    assert comb(n, electrons[0]) * comb(n, electrons[1]) == determinants
    assert len(strings_of(n, electrons[0])) * len(strings_of(n, electrons[1])) == determinants
    if determinants < 1e5:
        assert [len(part) for part in sector(n, *electrons)] == [determinants] * 2
    if terms is not None:
        found = pauli_terms(integrals, CUTOFF)
        assert (found.terms, found.flips) == (terms, flips)
