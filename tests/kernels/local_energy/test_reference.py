"""The Slater-Condon reference against operators written as matrices, in both orders of the modes."""

from math import comb

import numpy as np
import pytest
from dense import fock_hamiltonian, place_of

from effbench.kernels.local_energy.determinants import (
    from_integers,
    interleaving_signs,
    pack,
    sector,
    strings_of,
    unpack,
)
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.reference import matrix_element


def of_reference(integrals):
    n = integrals.orbitals
    alpha, beta = sector(n, integrals.alpha, integrals.beta)
    rows = list(zip(unpack(alpha, n), unpack(beta, n)))
    return np.array([[matrix_element(integrals, x, y) for y in rows] for x in rows]), alpha, beta, rows


@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (2, 1), (2, 2), (3, 2), (0, 2), (4, 4)])
@pytest.mark.parametrize("interleaved", [False, True])
def test_it_is_the_hamiltonian_of_second_quantisation(alpha, beta, interleaved):
    integrals = random_integrals(4, alpha, beta, seed=alpha * 5 + beta)
    found, ours, theirs, rows = of_reference(integrals)

    def modes(spin, p):
        return 2 * p + spin if interleaved else 4 * spin + p

    places = [place_of(x, y, modes) for x, y in rows]
    whole = fock_hamiltonian(integrals, modes)[np.ix_(places, places)]
    signs = interleaving_signs(ours, theirs, 4) if interleaved else np.ones(len(rows))
    assert np.abs(found - signs[:, None] * whole * signs).max() < 1e-12
    assert np.abs(found - found.T).max() < 1e-12


def test_strings_come_in_the_order_of_their_numbers_and_back():
    strings = strings_of(6, 3)
    assert strings[:, 0].tolist() == sorted(strings[:, 0].tolist()) and len(strings) == comb(6, 3)
    assert np.array_equal(pack(unpack(strings, 6)), strings)


@pytest.mark.parametrize("orbitals", [63, 64, 65, 70, 128, 130])
def test_words_carry_over(orbitals):
    occupied = np.random.default_rng(orbitals).integers(0, 2, (20, orbitals))
    numbers = [sum(int(bit) << p for p, bit in enumerate(row)) for row in occupied]
    packed = pack(occupied)
    assert packed.shape == (20, -(-orbitals // 64)) and np.array_equal(packed, from_integers(numbers, orbitals))
    assert np.array_equal(unpack(packed, orbitals), occupied)


def test_the_hash_sees_every_number_but_not_the_last_digits():
    integrals = random_integrals(4, 2, 2, 0)
    same = random_integrals(4, 2, 2, 0)
    same.two[0, 1, 2, 3] += 1e-14
    assert integrals.sha256 == same.sha256
    same.two[0, 1, 2, 3] += 1e-9
    assert integrals.sha256 != same.sha256
