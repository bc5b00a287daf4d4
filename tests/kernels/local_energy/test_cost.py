"""What an engine costs is counted in the sample: the elements other than zero, whichever engine finds them."""

from functools import partial

import numpy as np
import pytest
from molecules import random_sample, symmetric

from effbench.kernels.local_energy import ENGINES, Policy, local_energies
from effbench.kernels.local_energy.determinants import unpack
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.reference import matrix_element
from effbench.measure.compute import measure_compute


def elements(integrals, alpha, beta, rows):
    strings = list(zip(unpack(alpha, integrals.orbitals), unpack(beta, integrals.orbitals)))
    matrix = [[matrix_element(integrals, x, y) for y in strings] for x in strings[slice(*rows)]]
    return int((np.abs(matrix) > 1e-14).sum())


@pytest.mark.parametrize("integrals", [random_integrals(5, 2, 3, 0, share=0.5), symmetric(6, 3, 3, 0, irreps=4)])
@pytest.mark.parametrize("rows", [None, (3, 20)])
def test_every_engine_counts_the_elements_that_the_sample_has(integrals, rows):
    alpha, beta, psi = random_sample(integrals, 0.5, 1)
    expected = elements(integrals, alpha, beta, rows or (0, len(alpha)))
    assert len(alpha) < expected < len(alpha) ** 2  # neither the diagonal alone nor everything
    energies = len(range(*(rows or (0, len(alpha)))))
    read = integrals.one.nbytes + integrals.two.nbytes + alpha.nbytes + beta.nbytes + 16 * len(alpha)
    for engine in ENGINES:
        found = measure_compute(partial(local_energies, integrals, alpha, beta, np.log(psi), impl=engine, rows=rows))
        assert found.flops_by_dtype == {"float64": 4 * expected} and found.ops == 1, engine
        assert (found.bytes_moved == read + 16 * energies) == (engine != "pauli"), engine


def test_beyond_the_sample_what_the_policy_takes_is_counted():
    integrals = random_integrals(5, 2, 3, 0)
    alpha, beta, psi = random_sample(integrals, 0.5, 1)

    def flops(policy, budget_mb=512.0):
        return measure_compute(
            lambda: local_energies(
                integrals, alpha, beta, np.log(psi), policy=policy, amplitude=lambda a, b: np.zeros(len(a), complex),
                budget_mb=budget_mb,
            )
        ).flops_by_dtype  # fmt: skip

    joined = 1 + 2 * 3 + 3 * 2 + 1 * 3 + 3 * 1 + 2 * 3 * 3 * 2  # 1 + singles + doubles of either and of both spins
    assert flops(Policy("exact")) == flops(Policy("exact"), 1e-6) == {"float64": 4 * joined * len(alpha)}
    inside = elements(integrals, alpha, beta, (0, len(alpha)))
    assert flops(Policy("screened", least_ha=1e3)) == {"float64": 4 * inside}
