"""The network: normalised over its sector, zero outside, and blind to what comes later."""

import numpy as np
import pytest
import torch
from networks import made

from effbench.kernels.local_energy.determinants import sector
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.tasks.vmc_energy.ansatz import hartree_fock_tokens, masked_log_softmax
from effbench.tasks.vmc_energy.frozen import frozen_integrals
from effbench_baselines.nqs_made.made import Made


@pytest.mark.parametrize(
    ("orbitals", "alpha", "beta"), [(2, 1, 1), (5, 2, 2), (5, 4, 1), (6, 0, 3), (4, 4, 4), (6, 3, 2)]
)
@pytest.mark.parametrize("depth", [1, 2])
def test_probabilities_sum_to_one_over_the_sector(orbitals, alpha, beta, depth):
    """Item 5."""
    integrals = random_integrals(orbitals, alpha, beta, 0)
    network = made(integrals, order=np.random.default_rng(1).permutation(orbitals), depth=depth)
    logs = network.log_psi(*sector(orbitals, alpha, beta))
    assert np.isfinite(logs).all() and abs(np.exp(2 * logs.real).sum() - 1) < 1e-10


def test_psi_is_zero_outside_the_sector_and_never_not_a_number():
    integrals = random_integrals(4, 2, 1, 0)
    network = made(integrals)
    for alpha, beta in [(1, 1), (3, 1), (2, 2), (0, 0), (4, 4), (1, 2)]:
        logs = network.log_psi(*sector(4, alpha, beta))
        assert (logs.real == -np.inf).all() and np.isfinite(logs.imag).all()


def test_a_row_that_allows_nothing_is_minus_infinity():
    logits = torch.zeros(2, 4, dtype=torch.float64)
    allowed = torch.tensor([[False] * 4, [True, False, True, False]])
    found = masked_log_softmax(logits, allowed)
    assert (found[0] == -torch.inf).all() and torch.allclose(found[1].exp(), torch.tensor([0.5, 0, 0.5, 0]).double())


@pytest.mark.parametrize("depth", [1, 3])
def test_conditionals_do_not_see_what_comes_later_and_see_all_that_came_before(depth):
    """Item 6, through the Jacobian of the logits."""
    integrals = random_integrals(6, 3, 3, 0)
    network = made(integrals, depth=depth, width=60)
    inputs = torch.randn(1, 12, dtype=torch.float64, requires_grad=True)
    network._inputs = lambda tokens: inputs
    logits = network.logits(torch.zeros(1, 6, dtype=torch.int64))[0]
    for k in range(6):
        seen = sum(torch.autograd.grad(logits[k, t], inputs, retain_graph=True)[0][0].abs() for t in range(4))
        assert (seen[2 * k :] == 0).all() and (seen[: 2 * k] > 0).all()


def test_a_prefix_has_the_conditionals_of_the_whole():
    integrals = frozen_integrals("lih")
    network = made(integrals)
    tokens = network.tokens_of(*sector(6, 2, 2))[::7]
    whole = network.log_conditionals(tokens)
    for k in range(6):
        assert torch.allclose(network.log_conditionals_at(tokens[:, :k]), whole[:, k], atol=1e-12)


def test_tokens_and_strings_are_each_others_inverse():
    network = made(random_integrals(6, 3, 2, 0), order=np.array([3, 0, 5, 1, 4, 2]))
    alpha, beta = sector(6, 3, 2)
    again = network.strings_of(network.tokens_of(alpha, beta))
    assert np.array_equal(again[0], alpha) and np.array_equal(again[1], beta)


def test_training_starts_near_hartree_fock():
    integrals = frozen_integrals("h2o")
    order = np.arange(7)[::-1].copy()
    network = Made(integrals, order, 0)
    tokens = torch.from_numpy(hartree_fock_tokens(integrals, order))[None]
    assert tokens.sum() == 15 and float(network(tokens)[0].exp() ** 2) > 0.4


def test_an_order_that_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match="no permutation of 4 orbitals"):
        Made(random_integrals(4, 2, 2, 0), np.array([0, 1, 1, 3]), 0)
