"""The transformer keeps what an ansatz promises: normalised, causal, the same by prefix; and it trains."""

import numpy as np
import pytest
import torch
from networks import made

from effbench.api import PluginError
from effbench.kernels.local_energy.determinants import sector
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.tasks.vmc_energy.ansatz import hartree_fock_tokens
from effbench.tasks.vmc_energy.frozen import frozen_integrals, solved
from effbench.tasks.vmc_energy.sampling import sample
from effbench.tasks.vmc_energy.settings import TrainingSettings
from effbench.tasks.vmc_energy.symmetry import parities
from effbench.tasks.vmc_energy.system import HartreeFock, SolverSystem
from effbench.tasks.vmc_energy.training import Trainer
from effbench_baselines.nqs_transformer.method import NqsTransformer
from effbench_baselines.nqs_transformer.transformer import Transformer


@pytest.mark.parametrize(("orbitals", "alpha", "beta"), [(2, 1, 1), (5, 2, 2), (5, 4, 1), (4, 4, 4)])
def test_probabilities_sum_to_one_over_the_sector_and_vanish_outside(orbitals, alpha, beta):
    integrals = random_integrals(orbitals, alpha, beta, 0)
    network = made(integrals, order=np.random.default_rng(1).permutation(orbitals), kind=Transformer)
    logs = network.log_psi(*sector(orbitals, alpha, beta))
    assert np.isfinite(logs).all() and abs(np.exp(2 * logs.real).sum() - 1) < 1e-10
    if alpha < orbitals:
        assert (network.log_psi(*sector(orbitals, alpha + 1, beta)).real == -np.inf).all()


def test_logits_do_not_see_what_comes_later_and_see_all_that_came_before():
    network = made(random_integrals(6, 3, 3, 0), kind=Transformer)
    tokens = torch.tensor([[0, 3, 1, 2, 3, 0]])
    before = network.logits(tokens)[0]
    for place in range(6):
        changed = tokens.clone()
        changed[0, place] = (tokens[0, place] + 1) % 4
        moved = (network.logits(changed)[0] - before).abs().amax(1)
        assert (moved[: place + 1] < 1e-13).all() and (moved[place + 1 :] > 1e-6).all()


def test_a_prefix_has_the_conditionals_of_the_whole_and_symmetries_are_kept():
    integrals = frozen_integrals("lih")
    network = made(integrals, kind=Transformer, labels=parities(integrals))
    tokens = sample(network, 10**6, 0).tokens[::3]
    whole = network.log_conditionals(tokens)
    for k in range(6):
        assert torch.allclose(network.log_conditionals_at(tokens[:, :k]), whole[:, k], atol=1e-12)
    assert 20 < len(sample(network, 10**15, 0).counts) < 225


@pytest.mark.slow
def test_it_starts_near_hartree_fock_and_lowers_the_energy():
    integrals, order = frozen_integrals("lih"), np.arange(6)[::-1].copy()
    network = Transformer(integrals, order, 0)
    tokens = torch.from_numpy(hartree_fock_tokens(integrals, order))[None]
    assert float(network(tokens)[0].detach().exp() ** 2) > 0.2
    settings = TrainingSettings(optimiser="adam", rate=3e-3, steps=120, unique=60, temperature_ha=0.0)
    energies = Trainer(network, integrals, settings, 0).run().energy_ha
    assert np.mean(energies[-10:]) < energies[0] - 0.2 and np.mean(energies[-10:]) > solved()["lih"].energies.fci


def test_heads_that_do_not_divide_the_width_are_refused():
    method = NqsTransformer(NqsTransformer.Params(width=30, heads=4))
    with pytest.raises(PluginError, match="width 30 cannot be split over 4 heads; choose a multiple of 4"):
        method.apply(SolverSystem(HartreeFock()), None)
