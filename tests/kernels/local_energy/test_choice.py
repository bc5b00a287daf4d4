"""Which engine runs: the expected work decides, a caller may overrule, the answer is the same."""

from dataclasses import replace
from math import comb
from typing import get_args

import numpy as np
import pytest
from molecules import random_sample, symmetric

from effbench.kernels.local_energy import ENGINES, local_energies
from effbench.kernels.local_energy.engines import Engine, engines_of
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.policies import Policy
from effbench.kernels.local_energy.work import Work, work_of
from effbench.kernels.recording import listening


def test_any_engine_gives_the_same_energies_and_is_named():
    integrals = symmetric(6, 3, 3, 0, irreps=4)
    alpha, beta, psi = random_sample(integrals, 0.4, 1)
    found = [local_energies(integrals, alpha, beta, np.log(psi), impl=engine) for engine in ENGINES]
    assert [result.engine for result in found] == list(ENGINES)
    assert max(np.abs(result.energies - found[0].energies).max() for result in found) < 1e-10
    assert local_energies(integrals, alpha, beta, np.log(psi)).engine in ENGINES


def test_small_samples_are_compared_in_pairs_and_large_ones_looked_up():
    integrals = random_integrals(15, 7, 7, 0)
    assert work_of(integrals, 200).best() == "all-pairs"
    assert work_of(integrals, 1_000_000).best() == "slater"


def test_a_large_table_of_terms_is_not_built_for_a_choice():
    assert Work(10**6, 10**12, 10**12, 10, 10, terms_mb=10_000).best() != "pauli"
    assert Work(10**6, 10**12, 10**12, 10, 10, terms_mb=1).best() == "pauli"


@pytest.mark.parametrize("irreps", [1, 4])
def test_the_expected_work_is_near_what_is_counted(irreps):
    from effbench.kernels.local_energy.connected import connected
    from effbench.kernels.local_energy.pauli_terms import pauli_terms

    integrals = random_integrals(8, 4, 3, 1) if irreps == 1 else symmetric(8, 4, 3, 1, irreps=irreps)
    alpha, beta, _ = random_sample(integrals, 0.2, 1)
    work, table = work_of(integrals, len(alpha)), pauli_terms(integrals)
    counted = len(connected(integrals, alpha, beta).row)
    assert 0.8 < work.probes / counted < 2
    assert 0.8 < work.flips / (table.flips * len(alpha)) < 2
    share = len(alpha) / (comb(8, 4) * comb(8, 3))
    assert 0.8 < work.summed / (table.terms * share * len(alpha)) < 2


def test_terms_that_would_be_summed_count():
    """Symmetry leaves few flips, but a sample of all the sector sums every term: listing singles is then cheaper."""
    integrals = symmetric(8, 4, 4, 0, irreps=2)
    work = work_of(integrals, comb(8, 4) ** 2)
    assert work.best() == "slater" and replace(work, summed=0).best() == "pauli"


@pytest.mark.parametrize("policy", [Policy(), Policy("exact"), Policy("semi-stochastic", least_ha=0.05, draws=3)])
def test_rows_have_the_energies_that_they_have_among_all(policy):
    integrals = symmetric(6, 3, 3, 0, irreps=2)
    alpha, beta, psi = random_sample(integrals, 0.4, 1)
    for engine in engines_of(policy, "cpu"):
        given = {"policy": policy, "amplitude": lambda a, b: np.zeros(len(a), complex), "impl": engine}
        whole = local_energies(integrals, alpha, beta, np.log(psi), **given).energies
        for begin, end in ((0, 7), (7, 101), (101, len(alpha)), (5, 5)):
            part = local_energies(
                integrals, alpha, beta, np.log(psi), rows=(begin, end), budget_mb=0.05, **given
            ).energies
            assert len(part) == end - begin and np.abs(part - whole[begin:end]).max(initial=0) < 1e-12


POLICIES = [
    Policy(),
    Policy("exact"),
    Policy("screened", least_ha=0.05),
    Policy("semi-stochastic", least_ha=0.05, draws=3),
]
EVERY_ENGINE = ("auto", "quickest", *(name for part in get_args(Engine) for name in (get_args(part) or (part,))))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.kind)
@pytest.mark.parametrize("device", [None, "cpu", "cuda", "cuda:1", "mps"])
@pytest.mark.parametrize("impl", EVERY_ENGINE)
def test_what_is_asked_for_runs_or_is_refused_with_the_engines_that_would(impl, device, policy):
    """No pair runs another engine than the one named; here there is no GPU, so that ``cuda`` says so itself."""
    integrals = random_integrals(4, 2, 2, 0)
    alpha, beta, psi = random_sample(integrals, 0.5, 1)
    ran = []

    def call():
        return local_energies(
            integrals, alpha, beta, np.log(psi), policy=policy, amplitude=lambda a, b: np.zeros(len(a), complex),
            impl=impl, device=device,
        )  # fmt: skip

    on_cpu = set(engines_of(policy, "cpu"))
    on_gpu = set(engines_of(policy, "cuda"))
    valid = {None: on_cpu | on_gpu, "cpu": on_cpu, "mps": set()}.get(device, on_gpu)
    with listening(lambda name, *_: ran.append(name)):
        if (impl == "cuda" and impl in valid) or (impl == "auto" and valid == {"cuda"}):
            with pytest.raises(ValueError, match="engine 'cuda' needs a GPU"):
                call()
        elif impl in valid or (impl == "auto" and valid):
            engine = call().engine
            assert engine in on_cpu and impl in (engine, "auto")
            assert set(ran) == {f"local_energy/{engine}"}
            return
        else:
            with pytest.raises(ValueError, match=r"^engine|^no engine|^local energies have no engine") as said:
                call()
            for name in valid or on_cpu if device != "mps" else ("cpu", "cuda"):
                assert name in str(said.value)
    assert not ran


@pytest.mark.parametrize("rows", [(-1, 2), (3, 2), (0, 99)])
def test_rows_that_are_not_there_are_refused(rows):
    integrals = random_integrals(4, 2, 2, 0)
    alpha, beta, psi = random_sample(integrals, 0.5, 1)
    with pytest.raises(ValueError, match=f"rows {rows[0]} to {rows[1]} are not rows of a sample of {len(alpha)}"):
        local_energies(integrals, alpha, beta, np.log(psi), rows=rows)
