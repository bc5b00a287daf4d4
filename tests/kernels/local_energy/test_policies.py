"""Policies: what stands for psi beyond the sample, how often the network is asked, and what is refused."""

import numpy as np
import pytest
from molecules import random_sample, symmetric

from effbench.kernels.local_energy import Policy, local_energies
from effbench.kernels.local_energy.connected import connected, most_connected
from effbench.kernels.local_energy.determinants import sector
from effbench.kernels.local_energy.integrals import random_integrals

INTEGRALS = symmetric(6, 3, 2, 2, irreps=2)
ALPHA, BETA = sector(6, 3, 2)
RNG = np.random.default_rng(0)
LOGS = RNG.normal(size=len(ALPHA)) + 1j * RNG.normal(size=len(ALPHA))
TABLE = {(int(a), int(b)): log for a, b, log in zip(ALPHA[:, 0], BETA[:, 0], LOGS, strict=True)}
WHOLE = local_energies(INTEGRALS, ALPHA, BETA, LOGS).energies
ROWS = np.sort(np.random.default_rng(1).permutation(len(ALPHA))[:40])


class Network:
    """Amplitudes of the table above; counts what it is asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, alpha, beta):
        keys = list(zip(alpha[:, 0].tolist(), beta[:, 0].tolist(), strict=True))
        self.asked.append(keys)
        return np.array([TABLE[key] for key in keys])


def of_rows(policy, budget_mb=512.0, network=None):
    network = network or Network()
    return local_energies(
        INTEGRALS, ALPHA[ROWS], BETA[ROWS], LOGS[ROWS], policy=policy, amplitude=network, budget_mb=budget_mb
    ).energies


def test_all_that_is_connected_is_listed_once():
    integrals = random_integrals(6, 3, 2, 0)
    alpha, beta = sector(6, 3, 2)
    joined = connected(integrals, alpha, beta)
    assert len(joined.row) == len(alpha) * most_connected(integrals)
    found = np.zeros((len(alpha),) * 2)
    place = {(int(a), int(b)): row for row, (a, b) in enumerate(zip(alpha[:, 0], beta[:, 0]))}
    columns = [place[int(a), int(b)] for a, b in zip(joined.alpha[:, 0], joined.beta[:, 0])]
    np.add.at(found, (joined.row, columns), joined.element)
    psi = np.random.default_rng(1).normal(size=len(alpha))
    expected = local_energies(integrals, alpha, beta, np.log(psi.astype(complex))).energies
    assert np.abs(found @ psi / psi - expected).max() < 1e-11 and np.abs(found - found.T).max() < 1e-12


@pytest.mark.parametrize("budget_mb", [512.0, 0.05, 1e-6])
def test_exact_is_the_whole_sum_whatever_the_budget_and_asks_once_in_a_tile(budget_mb):
    network = Network()
    assert np.abs(of_rows(Policy("exact"), budget_mb, network) - WHOLE[ROWS]).max() < 1e-11
    sampled = {(int(a), int(b)) for a, b in zip(ALPHA[ROWS, 0], BETA[ROWS, 0])}
    for keys in network.asked:
        assert len(set(keys)) == len(keys) and not sampled & set(keys)
    assert len(network.asked) == {512.0: 1, 1e-6: len(ROWS)}.get(budget_mb, len(network.asked))


def test_sampled_only_leaves_out_what_exact_asks_for():
    only = local_energies(INTEGRALS, ALPHA[ROWS], BETA[ROWS], LOGS[ROWS]).energies
    assert np.abs(only - WHOLE[ROWS]).max() > 0.1


def test_a_fine_screen_is_exact_and_a_coarse_one_is_sampled_only():
    assert np.abs(of_rows(Policy("screened", least_ha=1e-9)) - WHOLE[ROWS]).max() < 1e-7
    only = local_energies(INTEGRALS, ALPHA[ROWS], BETA[ROWS], LOGS[ROWS]).energies
    coarse = of_rows(Policy("screened", least_ha=1e3))
    assert np.abs(coarse - only).max() < 1e-11


def test_semi_stochastic_has_the_mean_of_exact_and_does_not_depend_on_tiles():
    policies = [Policy("semi-stochastic", least_ha=0.15, draws=8, seed=seed) for seed in range(400)]
    draws = np.stack([of_rows(policy) for policy in policies])
    error = draws.mean(0) - WHOLE[ROWS]
    spread = draws.std(0) / np.sqrt(len(draws))
    assert (spread > 1e-4).mean() > 0.9  # something is drawn
    assert np.abs(error.real / spread).max() < 5
    screened = of_rows(Policy("screened", least_ha=0.15))
    assert np.abs(screened - WHOLE[ROWS]).mean() > 5 * np.abs(error).mean()  # the screen alone is off
    assert np.array_equal(of_rows(policies[3], budget_mb=1e-6), draws[3])


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (Policy(), "sampled-only"),
        (Policy("exact"), "exact"),
        (Policy("screened", least_ha=1e-4), "screened (|H| >= 0.0001 Ha)"),
        (Policy("semi-stochastic", least_ha=1e-3, draws=50), "semi-stochastic (|H| >= 0.001 Ha, 50 draws)"),
    ],
)
def test_a_result_names_its_policy(policy, name):
    found = local_energies(INTEGRALS, ALPHA[ROWS], BETA[ROWS], LOGS[ROWS], policy=policy, amplitude=Network())
    assert found.policy == name


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"kind": "screened"}, "least_ha"),
        ({"kind": "exact", "least_ha": 1e-3}, "least_ha"),
        ({"kind": "screened", "least_ha": 1e-3, "draws": 3}, "draws"),
        ({"kind": "semi-stochastic", "least_ha": 1e-3}, "draws"),
    ],
)
def test_a_policy_with_numbers_of_another_is_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        Policy(**numbers)


def test_what_cannot_be_computed_is_refused_in_a_sentence():
    alpha, beta, psi = random_sample(INTEGRALS, 0.2, 3)
    logs = np.log(psi)
    with pytest.raises(ValueError, match="no `amplitude` is given"):
        local_energies(INTEGRALS, alpha, beta, logs, policy=Policy("exact"))
    with pytest.raises(ValueError, match="row 0 of the sample has 2 alpha electrons, the molecule 3"):
        local_energies(INTEGRALS, beta, beta, logs)
    with pytest.raises(ValueError, match=r"row 1 .* stands there before"):
        local_energies(INTEGRALS, alpha[[0, 0]], beta[[0, 0]], logs[:2])
    logs[2] = np.nan
    with pytest.raises(ValueError, match="row 2 of the sample has no finite log amplitude"):
        local_energies(INTEGRALS, alpha, beta, logs)
    logs[2] = -800
    with pytest.raises(ValueError, match="row 2 of the sample has an amplitude of zero"):
        local_energies(INTEGRALS, alpha, beta, logs)
    with pytest.raises(ValueError, match="want as many"):
        local_energies(INTEGRALS, alpha, beta, logs[:3])
