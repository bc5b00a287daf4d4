"""Gradients and minSR against what they are by definition: finite differences, Jacobians, dense linear algebra."""

import numpy as np
import pytest
import torch
from networks import made

from effbench.kernels.local_energy import local_energies
from effbench.kernels.local_energy.connected import connected
from effbench.kernels.local_energy.determinants import sector
from effbench.kernels.local_energy.lookup import build_lookup, places
from effbench.tasks.vmc_energy.frozen import frozen_integrals
from effbench.tasks.vmc_energy.layers import gram_matrix, recorded
from effbench.tasks.vmc_energy.optimisers import Adam, MinSR

INTEGRALS = frozen_integrals("lih")
ALPHA, BETA = sector(6, 2, 2)


def of_the_whole_sector(network):
    """Return (weights, local energies) by enumeration."""
    logs = network.log_psi(ALPHA, BETA)
    weights = np.exp(2 * logs.real)
    return weights, local_energies(INTEGRALS, ALPHA, BETA, logs).energies


def exact_energy(network):
    weights, local = of_the_whole_sector(network)
    return float((weights * local).sum().real / weights.sum())


def jacobian(network, value):
    rows = []
    for entry in value:
        grads = torch.autograd.grad(entry, list(network.parameters()), retain_graph=True, allow_unused=True)
        pairs = zip(grads, network.parameters())
        rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).ravel() for g, p in pairs]))
    return torch.stack(rows)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_gram_matrix_is_that_of_the_gradients(depth):
    network = made(INTEGRALS, depth=depth, width=20, phase_width=10)
    with recorded(network) as seen:
        values = network(network.tokens_of(ALPHA[::9], BETA[::9]))
    for value in values:
        rows = jacobian(network, value)
        assert torch.allclose(gram_matrix(seen, value), rows @ rows.T, rtol=1e-10, atol=1e-10)


def test_the_gradient_is_that_of_the_energy():
    """Item 8: the covariance over the whole sector against finite differences of the exact energy."""
    network = made(INTEGRALS, width=12, phase_width=8, spread=0.5)
    weights, local = of_the_whole_sector(network)
    weights = weights / weights.sum()
    deviations = local - (weights * local).sum()
    optimiser = Adam(network, clip=np.inf)
    optimiser.evaluate(network.tokens_of(ALPHA, BETA))
    start = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser.update(weights, deviations, 0)
    grads = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    network.load_state_dict(start)
    rng, checked = np.random.default_rng(0), 0
    for parameter, grad in zip(network.parameters(), grads):
        for place in rng.permutation(parameter.numel())[:6]:
            flat, step = parameter.data.view(-1), 1e-5
            was = float(flat[place])
            energies = []
            for moved in (was + step, was - step):
                flat[place] = moved
                energies.append(exact_energy(network))
            flat[place] = was
            expected = (energies[0] - energies[1]) / (2 * step)
            if abs(expected) > 1e-4:
                assert float(grad.view(-1)[place]) == pytest.approx(expected, rel=1e-6, abs=1e-9)
                checked += 1
    assert checked > 10


def test_the_gradient_is_that_of_the_rayleigh_quotient():
    """Item 8: the covariance over the whole sector equals autograd through <psi|H|psi> / <psi|psi>."""
    network = made(INTEGRALS, width=12, phase_width=8, spread=0.5)
    joined = connected(INTEGRALS, ALPHA, BETA)
    column = places(build_lookup(ALPHA, BETA, 6), ALPHA, BETA, joined.alpha, joined.beta)
    matrix = torch.zeros(len(ALPHA), len(ALPHA), dtype=torch.complex128)
    matrix[joined.row, column] = torch.from_numpy(joined.element).to(torch.complex128)
    amplitude, phase = network(network.tokens_of(ALPHA, BETA))
    psi = torch.exp(torch.complex(amplitude, phase))
    quotient = (psi.conj() @ (matrix @ psi)).real / psi.abs().square().sum()
    expected = torch.autograd.grad(quotient, list(network.parameters()))
    weights, local = of_the_whole_sector(network)
    optimiser = Adam(network, clip=np.inf)
    optimiser.evaluate(network.tokens_of(ALPHA, BETA))
    optimiser.update(weights / weights.sum(), local - (weights * local).sum() / weights.sum(), 0)
    assert float(quotient.detach()) == pytest.approx((weights * local).sum().real / weights.sum(), abs=1e-12)
    assert max(float(grad.abs().max()) for grad in expected) > 1e-2
    for parameter, grad in zip(network.parameters(), expected):
        assert torch.allclose(parameter.grad, grad, rtol=1e-9, atol=1e-12)


def test_minsr_solves_what_stochastic_reconfiguration_asks_for():
    network = made(INTEGRALS, width=10, phase_width=6)
    weights, local = of_the_whole_sector(network)
    rows = np.argsort(-weights)[:40]
    weights = weights[rows] / weights[rows].sum()
    deviations = local[rows] - (weights * local[rows]).sum()
    optimiser = MinSR(network, rate=0.01, damping=1e-3, largest_change=np.inf)
    values = optimiser.evaluate(network.tokens_of(ALPHA[rows], BETA[rows]))
    expected = 0
    for value, part in zip(values, (deviations.real, deviations.imag)):
        o = jacobian(network, value).detach().numpy()
        o = np.sqrt(weights)[:, None] * (o - weights @ o)
        matrix = o.T @ o + 1e-3 * np.eye(o.shape[1])
        expected = expected + np.linalg.solve(matrix, o.T @ (np.sqrt(weights) * part))
    before = torch.cat([p.detach().ravel().clone() for p in network.parameters()])
    optimiser.update(weights, deviations, 0)
    after = torch.cat([p.detach().ravel() for p in network.parameters()])
    assert np.abs((before - after).numpy() / 0.01 - expected).max() < 1e-7


def test_a_step_takes_a_share_of_the_one_before_only_where_both_agree_and_change_little():
    minsr = MinSR(made(INTEGRALS, 3), momentum=0.9, largest_change=0.1)
    for parameter, last in zip(minsr.ansatz.parameters(), minsr._steps):
        parameter.grad = torch.ones_like(parameter)
        last.copy_(parameter.grad)
    minsr._change = 0.05
    assert minsr._share_of_the_last_step(0.01) == 0.9
    assert minsr._share_of_the_last_step(0.09) == pytest.approx(0.01 / 0.05)
    assert minsr._share_of_the_last_step(0.1) == 0
    for last in minsr._steps:
        last.neg_()
    assert minsr._share_of_the_last_step(0.01) == 0


def test_a_large_step_is_shortened_to_the_change_that_is_allowed():
    network = made(INTEGRALS)
    weights, local = of_the_whole_sector(network)
    weights = weights / weights.sum()
    optimiser = MinSR(network, rate=1e3, damping=1e-2, largest_change=1e-4)
    before = network.log_psi(ALPHA, BETA)
    optimiser.evaluate(network.tokens_of(ALPHA, BETA))
    optimiser.update(weights, local - (weights * local).sum(), 0)
    change = network.log_psi(ALPHA, BETA) - before
    change -= (weights * change).sum()
    assert np.sqrt((weights * np.abs(change) ** 2).sum()) == pytest.approx(1e-4, rel=0.02)
