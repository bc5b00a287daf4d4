"""Orders of the orbitals: mutual information against a partial trace in Fock space, and what the Fiedler vector does."""

import numpy as np
import pytest

from effbench.kernels.local_energy.determinants import from_integers, interleaving_signs, pack, sector, unpack
from effbench.tasks.vmc_energy.evaluation import diagonalise
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved
from effbench.tasks.vmc_energy.orders import cisd, fiedler_order, mutual_information, order_of


def entropy_of_first(alpha, beta, psi, orbitals, first):
    """Return the entropy of the ``first`` orbitals by reshaping the whole Fock-space vector."""
    a, b = unpack(alpha, orbitals), unpack(beta, orbitals)
    bits = np.stack([a, b], axis=2).reshape(len(a), -1)
    vector = np.zeros(4**orbitals)
    vector[bits @ (1 << np.arange(2 * orbitals)[::-1])] = psi * interleaving_signs(alpha, beta, orbitals)
    shares = np.linalg.svd(vector.reshape(4**first, -1), compute_uv=False) ** 2
    shares = shares[shares > 1e-14]
    return -(shares * np.log(shares)).sum()


def moved_to_front(alpha, beta, psi, orbitals, wanted):
    """Return the same state with other names of the orbitals, ``wanted`` first, with the sign that costs."""
    order = [*wanted, *(p for p in range(orbitals) if p not in wanted)]
    rank, parts, signs = np.argsort(order), [], np.ones(len(psi))
    for strings in (alpha, beta):
        filled = unpack(strings, orbitals)
        for row, occupied in enumerate(filled):
            places = rank[np.flatnonzero(occupied)]
            signs[row] *= (-1) ** sum(int(x > y) for k, y in enumerate(places) for x in places[:k])
        parts.append(pack(filled[:, order]))
    return *parts, psi * signs


@pytest.mark.parametrize("electrons", [(2, 2), (3, 1), (1, 2)])
def test_it_is_that_of_a_partial_trace(electrons):
    alpha, beta = sector(4, *electrons)
    psi = np.random.default_rng(0).normal(size=len(alpha))
    psi /= np.linalg.norm(psi)
    found = mutual_information(4, alpha, beta, psi)
    for i in range(4):
        for j in range(i):
            single = [entropy_of_first(*moved_to_front(alpha, beta, psi, 4, [p]), 4, 1) for p in (i, j)]
            pair = entropy_of_first(*moved_to_front(alpha, beta, psi, 4, [i, j]), 4, 2)
            assert found[i, j] == found[j, i] == pytest.approx((sum(single) - pair) / 2, abs=1e-10)
    assert (np.diag(found) == 0).all()


def test_a_determinant_has_none_and_two_orbitals_that_share_a_pair_all():
    one = np.array([[3]], np.uint64)
    assert np.abs(mutual_information(4, one, one, np.ones(1))).max() == 0
    strings = from_integers([1, 2], 3)
    share = 0.3
    found = mutual_information(3, strings, strings, np.sqrt([1 - share, -0.0 + share]) * [1, -1])
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert found[0, 1] == pytest.approx(entropy, abs=1e-12) and found[0, 2] == found[1, 2] == 0


def test_singles_and_doubles_are_variational():
    for name in ("h2", "lih", "h2o", "ch2-triplet"):
        alpha, beta, psi = cisd(frozen_integrals(name))
        energy, known = diagonalise(frozen_integrals(name), alpha, beta), solved()[name].energies
        assert known.fci - 1e-8 < energy < known.hf - 1e-3 and np.linalg.norm(psi) == pytest.approx(1)
        assert (energy - known.fci) < 1e-7 if name == "h2" else True


def test_what_belongs_together_stands_together():
    bonds = np.zeros((6, 6))
    for i, j in ((0, 5), (5, 2), (2, 4), (4, 1), (1, 3)):
        bonds[i, j] = bonds[j, i] = 1.0
    assert fiedler_order(bonds).tolist() in ([0, 5, 2, 4, 1, 3], [3, 1, 4, 2, 5, 0])


def test_sampling_starts_at_the_end_that_lies_higher():
    chain = np.zeros((5, 5))
    for i in range(4):
        chain[i, i + 1] = chain[i + 1, i] = 0.5
    assert fiedler_order(chain).tolist() == [4, 3, 2, 1, 0]
    assert fiedler_order(np.zeros((4, 4))).tolist() == [3, 2, 1, 0]  # nothing bound: by energy
    assert fiedler_order(np.zeros((2, 2))).tolist() == [1, 0]


@pytest.mark.parametrize("name", ["reverse", "forward", "mutual-information"])
def test_every_order_is_one_of_all_orbitals(name):
    found = order_of(name, frozen_integrals("n2"))
    assert sorted(found.tolist()) == list(range(10))
    if name == "mutual-information":  # a pi orbital stands beside the pi* that it excites to
        places = np.argsort(found)
        assert abs(places[4] - places[7]) <= 2 and abs(places[5] - places[8]) <= 2
