"""The RBM and its chains: psi and its derivatives by definition, chains that visit what they should, known energies."""

import numpy as np
import pytest
from scipy import stats

from effbench.api import PluginError
from effbench.kernels.local_energy import local_energies
from effbench.kernels.local_energy.determinants import sector, unpack
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved
from effbench.tasks.vmc_energy.problems import load_problem
from effbench_baselines.nqs_rbm.method import NqsRbm
from effbench_baselines.nqs_rbm.metropolis import start, walk
from effbench_baselines.nqs_rbm.rbm import Rbm, log_cosh
from effbench_baselines.nqs_rbm.solver import MetropolisRbm, _reconfiguration

INTEGRALS = random_integrals(4, 2, 1, 0)


def rbm(integrals=INTEGRALS, spread=0.3):
    return Rbm(integrals, 0, 5, 0.2, spread)


def test_log_cosh_is_that_of_numpy_and_does_not_overflow():
    rng = np.random.default_rng(0)
    z = rng.normal(size=50) * 3 + 1j * rng.normal(size=50)
    assert np.abs(np.exp(log_cosh(z)) - np.cosh(z)).max() < 1e-9
    assert log_cosh(np.array([800.0, -800.0])) == pytest.approx([800 - np.log(2)] * 2)


def test_psi_is_that_of_the_equation_and_starts_at_hartree_fock():
    found, (alpha, beta) = rbm(), sector(4, 2, 1)
    x = 2.0 * np.concatenate([unpack(alpha, 4), unpack(beta, 4)], axis=1) - 1
    expected = x @ found.visible + np.log(np.cosh(found.hidden + x @ found.weights.T)).sum(1)
    assert np.abs(np.exp(found.log_psi(alpha, beta) - expected) - 1).max() < 1e-12
    fresh = Rbm(INTEGRALS, 0, 5, 0.5, spread=1e-6)
    amplitudes = np.abs(np.exp(fresh.log_psi(alpha, beta)))
    filled = unpack(alpha, 4)[:, :2].sum(1) + unpack(beta, 4)[:, 0]
    assert amplitudes.argmax() == filled.argmax() and amplitudes.max() / np.sort(amplitudes)[-2] > 5


def test_derivatives_are_those_of_differences():
    alpha, beta = sector(4, 2, 1)
    base = rbm()
    x = base.signs_of(alpha, beta)
    derivatives = base.derivatives(x)
    for place in (0, 7, 8, 12, 13, 20, 52):
        values = []
        for sign in (1, -1):
            moved = rbm()
            step = np.zeros(derivatives.shape[1], complex)
            step[place] = sign * 1e-6 * (1 + 0.5j)
            moved.change(step)
            values.append(moved.of_signs(x))
        assert np.abs((values[0] - values[1]) / (2e-6 * (1 + 0.5j)) - derivatives[:, place]).max() < 1e-7


@pytest.mark.whole
@pytest.mark.parametrize("power", [2.0, 1.0])
def test_chains_visit_determinants_as_often_as_they_should(power):
    found, (alpha, beta) = rbm(), sector(4, 2, 1)
    walked = walk(found, start(64, 4, 2, 1, 7), 400, 40, power)
    shares = np.exp(power * found.log_psi(alpha, beta).real)
    place = {(int(a), int(b)): row for row, (a, b) in enumerate(zip(alpha[:, 0], beta[:, 0]))}
    after = [(int(a), int(b)) for a, b in zip(walked.alpha[:, 20:, 0].ravel(), walked.beta[:, 20:, 0].ravel())]
    counts = np.bincount([place[pair] for pair in after], minlength=len(alpha))
    expected = counts.sum() * shares / shares.sum()
    assert stats.chisquare(counts, expected).pvalue > 1e-4 and 0.05 < walked.accepted < 1


def test_chains_repeat_and_keep_the_numbers_of_electrons():
    for electrons in ((2, 1), (4, 0), (0, 3)):
        integrals = random_integrals(4, *electrons, 0)
        first, again = (walk(rbm(integrals), start(4, 4, *electrons, 3), 30, 5) for _ in range(2))
        assert np.array_equal(first.alpha, again.alpha) and np.array_equal(first.beta, again.beta)
        assert (np.bitwise_count(first.alpha) == electrons[0]).all() and (
            np.bitwise_count(first.beta) == electrons[1]
        ).all()
    other = walk(rbm(), start(4, 4, 2, 1, 4), 30, 5)
    assert not np.array_equal(walk(rbm(), start(4, 4, 2, 1, 3), 30, 5).alpha, other.alpha)


def test_reconfiguration_solves_its_equation():
    rng = np.random.default_rng(1)
    inner, local = rng.normal(size=(20, 6)) + 1j * rng.normal(size=(20, 6)), rng.normal(size=20) + 0j
    shares = rng.random(20)
    shares /= shares.sum()
    mean = shares @ inner
    matrix = sum(w * np.outer((o - mean).conj(), o - mean) for w, o in zip(shares, inner))
    force = sum(w * (o - mean).conj() * (e - shares @ local) for w, o, e in zip(shares, inner, local))
    step = _reconfiguration(shares, inner, local, 1e-3)
    assert np.abs(matrix @ step + 1e-3 * np.diag(matrix) * step + 1e-3 * step - force).max() < 1e-10


@pytest.mark.whole
@pytest.mark.timeout(300)
def test_energies_come_with_an_error_that_knows_the_chains():
    settings = {**NqsRbm.Params(steps=120, rate=0.2).model_dump()}
    found = MetropolisRbm(**settings).solve(load_problem("lih"), 0)
    error = found.energy_ha - solved()["lih"].energies.fci
    assert -4 * found.standard_error_ha < error < 5e-3 and 0 < found.standard_error_ha < 1e-3
    assert found.r_hat < 1.05 and found.autocorrelation >= 1 and found.steps == 120
    assert found.diagonal_ha <= found.energy_ha + 5 * found.standard_error_ha and found.determinants > 20
    again = MetropolisRbm(**{**settings, "steps": 3}).solve(load_problem("lih"), 0)
    assert again.curve_ha == found.curve_ha[:3]


def test_the_reweighted_mean_is_unbiased():
    """Chains over |psi|, weights |psi|: the energy is that of |psi|^2, by enumeration, within its error."""
    integrals = frozen_integrals("lih")
    settings = {**NqsRbm.Params(steps=1, chains=64).model_dump(), "rate": 1e-12}
    found = MetropolisRbm(**settings).solve(load_problem("lih"), 5)
    state = Rbm(integrals, 5, 12, settings["hf_bias"])
    alpha, beta = sector(6, 2, 2)
    logs = state.log_psi(alpha, beta)
    weights = np.exp(2 * (logs.real - logs.real.max()))
    exact = (weights * local_energies(integrals, alpha, beta, logs).energies).sum().real / weights.sum()
    assert abs(found.energy_ha - exact) < 5 * found.standard_error_ha < 0.05


def test_a_training_that_diverges_says_so():
    settings = NqsRbm.Params(steps=50, chains=4, records=20, rate=1e6).model_dump()
    with (
        np.errstate(all="ignore"),
        pytest.raises(PluginError, match=r"lih: training stopped: .* of step \d+ is not finite"),
    ):
        MetropolisRbm(**settings).solve(load_problem("lih"), 0)
