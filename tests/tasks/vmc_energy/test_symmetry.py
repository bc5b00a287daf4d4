"""Spatial symmetries: found in the integrals alone, kept by H, and kept by an ansatz that is told of them."""

from itertools import product

import numpy as np
import pytest
import torch
from networks import made

from effbench.kernels.local_energy.connected import connected
from effbench.kernels.local_energy.determinants import sector, unpack
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.tasks.vmc_energy.ansatz import charge_of_reference, reachable
from effbench.tasks.vmc_energy.evaluation import diagonalise
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved
from effbench.tasks.vmc_energy.sampling import sample
from effbench.tasks.vmc_energy.symmetry import parities

SYMMETRIC = ("h2", "lih", "h2o", "h2o-c2v", "ch2-triplet", "nh3-c3v", "o2-triplet")


def charges(alpha, beta, labels):
    n = len(labels)
    odd = (unpack(alpha, n).astype(np.int64) + unpack(beta, n)) % 2
    return (odd @ labels.astype(np.int64) % 2) @ 2 ** np.arange(labels.shape[1])


@pytest.mark.parametrize(
    ("name", "many"), [("h2", 1), ("lih", 2), ("h2o", 1), ("h2o-c2v", 2), ("nh3", 0), ("nh3-c3v", 1), ("c2h4o", 2)]
)
def test_a_molecule_has_the_symmetries_of_its_geometry(name, many):
    """Two planes for C2v, one for a flat or C3v molecule, none for a crooked one; LiH's two pi orbitals are told apart."""
    assert parities(frozen_integrals(name)).shape == (frozen_integrals(name).orbitals, many)


def test_what_has_none_has_none_and_what_moves_nothing_is_bounded():
    assert parities(random_integrals(6, 3, 3, 0)).shape == (6, 0)
    assert parities(random_integrals(20, 1, 1, 0, share=0.0)).shape[1] <= 8


@pytest.mark.parametrize("name", SYMMETRIC)
def test_h_joins_only_determinants_of_the_same_charges(name):
    integrals = frozen_integrals(name)
    labels = parities(integrals)
    alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
    joined = connected(integrals, alpha, beta, least=1e-7)
    own = charges(alpha, beta, labels)
    assert len(np.unique(own)) == 2 ** labels.shape[1]
    assert np.array_equal(own[joined.row], charges(joined.alpha, joined.beta, labels))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_ground_state_has_the_charges_of_hartree_fock(name):
    integrals = frozen_integrals(name)
    labels = parities(integrals)
    alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
    kept = charges(alpha, beta, labels) == charge_of_reference(integrals, labels)
    assert kept.sum() < len(alpha)
    assert diagonalise(integrals, alpha[kept], beta[kept]) == pytest.approx(solved()[name].energies.fci, abs=1e-7)


@pytest.mark.parametrize("electrons", [(2, 2), (3, 1), (0, 2), (4, 4)])
def test_what_can_be_reached_is_what_some_completion_reaches(electrons):
    """Every entry of the table, by listing all that the orbitals from k on could hold."""
    labels = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    for charge, k in product(range(4), range(5)):
        table = reachable(labels, *electrons, charge)
        found = np.zeros_like(table[k])
        for tokens in product(range(4), repeat=4 - k):
            alpha, beta = np.array(tokens, int) & 1, np.array(tokens, int) >> 1
            rest = ((alpha + beta) % 2 @ labels[k:]) % 2 @ [1, 2]
            left = electrons[0] - alpha.sum(), electrons[1] - beta.sum()
            if min(left) >= 0:
                found[(*left, charge ^ int(rest))] = True
        assert np.array_equal(table[k], found)


@pytest.mark.parametrize("name", ["lih", "h2o-c2v", "ch2-triplet"])
def test_an_ansatz_is_normalised_over_what_has_the_charges_and_zero_elsewhere(name):
    integrals = frozen_integrals(name)
    labels = parities(integrals)
    network = made(integrals, labels=labels, order=np.random.default_rng(0).permutation(integrals.orbitals))
    alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
    kept = charges(alpha, beta, labels) == charge_of_reference(integrals, labels)
    logs = network.log_psi(alpha, beta).real
    assert np.array_equal(np.isfinite(logs), kept)
    assert abs(np.exp(2 * logs).sum() - 1) < 1e-10
    drawn = sample(network, 10**6, 1)
    assert drawn.counts.sum() == 10**6
    assert (charges(*network.strings_of(drawn.tokens), labels) == charge_of_reference(integrals, labels)).all()
    tokens = network.tokens_of(alpha, beta)[::5]
    for k in range(integrals.orbitals):
        whole = network.log_conditionals(tokens)[:, k]
        assert torch.equal(network.log_conditionals_at(tokens[:, :k]).isinf(), whole.isinf())
