"""Every engine against the reference, on samples with and without symmetry, of one and of several words."""

import numba
import numpy as np
import pytest
from molecules import random_sample, symmetric

from effbench.kernels.local_energy import all_pairs, pauli, slater
from effbench.kernels.local_energy.determinants import pack, sector
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.lookup import build_lookup
from effbench.kernels.local_energy.reference import local_energies as expected
from effbench.kernels.local_energy.reference import matrix_element

ENGINES = {"slater": slater.local_energies, "pauli": pauli.local_energies, "all-pairs": all_pairs.local_energies}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "integrals",
    [
        random_integrals(4, 2, 2, 0),
        random_integrals(5, 2, 3, 1),
        random_integrals(5, 0, 2, 2),
        random_integrals(4, 4, 4, 3),
        random_integrals(5, 4, 1, 4, share=0.2),
        symmetric(5, 2, 3, 5, irreps=2),
        symmetric(6, 3, 3, 6, irreps=4),
        symmetric(6, 2, 4, 7, irreps=8),
    ],
    ids=lambda i: f"{i.orbitals}-{i.alpha}-{i.beta}-{i.sha256[:4]}",
)
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_an_engine_equals_the_reference(engine, integrals, share):
    alpha, beta, psi = random_sample(integrals, share, seed=1)
    found = ENGINES[engine](integrals, alpha, beta, psi)
    assert np.abs(found - expected(integrals, alpha, beta, psi)).max() < 1e-11


@pytest.mark.parametrize("orbitals", [63, 64, 65, *(pytest.param(n, marks=pytest.mark.proof) for n in (70, 129))])
def test_words_do_not_matter(orbitals):
    """A handful of determinants around one, over all words' borders."""
    integrals = random_integrals(orbitals, 3, 2, seed=0, share=0.05 if orbitals < 100 else 0.005)
    rng = np.random.default_rng(orbitals)
    rows = {((0, 30, orbitals - 1), (1, 61))}
    while len(rows) < 40:
        ours, theirs = (list(string) for string in sorted(rows)[int(rng.integers(len(rows)))])
        string = ours if rng.random() < 0.5 else theirs
        string[int(rng.integers(len(string)))] = int(rng.choice([0, 1, 2, 61, 62, orbitals - 2, orbitals - 1]))
        if len(set(ours)) == 3 and len(set(theirs)) == 2:
            rows.add((tuple(sorted(ours)), tuple(sorted(theirs))))
    occupied = np.zeros((2, len(rows), orbitals), np.uint8)
    for row, strings in enumerate(sorted(rows)):
        for spin, string in enumerate(strings):
            occupied[spin, row, list(string)] = 1
    psi = rng.normal(size=len(rows)) + 1j * rng.normal(size=len(rows))
    pairs = list(zip(occupied[0], occupied[1]))
    matrix = np.array([[matrix_element(integrals, x, y) for y in pairs] for x in pairs])
    assert (matrix != 0).sum() > 3 * len(rows)  # they do see one another
    for name, local_energies in ENGINES.items():  # in one test: 129 orbitals have 2 GB of integrals
        found = local_energies(integrals, pack(occupied[0]), pack(occupied[1]), psi)
        assert np.abs(found - matrix @ psi / psi).max() < 1e-10, name


@pytest.mark.parametrize("engine", ENGINES)
def test_neither_threads_nor_company_change_a_digit(engine):
    integrals = symmetric(8, 4, 4, 3, irreps=4)
    alpha, beta, psi = random_sample(integrals, 0.3, seed=2)
    threads = numba.get_num_threads()
    whole = ENGINES[engine](integrals, alpha, beta, psi)
    numba.set_num_threads(1)
    try:
        assert np.array_equal(ENGINES[engine](integrals, alpha, beta, psi), whole)
    finally:
        numba.set_num_threads(threads)


def test_the_exact_ground_state_has_no_variance():
    integrals = symmetric(6, 3, 3, 1, irreps=2)
    alpha, beta = sector(6, 3, 3)
    unit = np.eye(len(alpha))
    ones = np.ones(len(alpha), complex)
    # The whole matrix, column by column: E_loc with psi = 1 + t e_y is linear in t.
    base = slater.local_energies(integrals, alpha, beta, ones)
    matrix = np.stack(
        [(slater.local_energies(integrals, alpha, beta, ones + row) * (ones + row) - base).real for row in unit],
        axis=1,
    )
    energies, states = np.linalg.eigh((matrix + matrix.T) / 2)
    ground = states[:, 0]
    seen = np.abs(ground) > 1e-6
    found = slater.local_energies(integrals, alpha, beta, np.where(seen, ground, 1e-300).astype(complex))
    assert np.abs(found[seen] - energies[0]).max() < 1e-7


def test_a_determinant_that_stands_twice_is_refused():
    alpha, beta = sector(4, 2, 2)
    rows = [0, 1, 2, 1]
    with pytest.raises(ValueError, match="row 3 of the sample is a determinant that stands there before"):
        build_lookup(alpha[rows], beta[rows], 4)
