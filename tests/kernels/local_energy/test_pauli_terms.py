"""Pauli terms: as many as counting says, the operator itself, and small enough for millions."""

import subprocess
import sys
from math import comb

import numpy as np
import pytest
from dense import fock_hamiltonian
from molecules import symmetric

from effbench.kernels.local_energy.determinants import unpack
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.pauli_terms import most_terms, pauli_terms

PAULI = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}


def as_matrix(terms, orbitals):
    """Return the operator of grouped terms on all 2^2n states: qubits are all alpha, then all beta."""
    total = 0
    flips = [unpack(half, orbitals) for half in (terms.flip_alpha, terms.flip_beta)]
    signs = [unpack(half, orbitals) for half in (terms.sign_alpha, terms.sign_beta)]
    for group in range(terms.flips):
        for t in range(terms.start[group], terms.start[group + 1]):
            flip = np.concatenate([half[group] for half in flips])
            sign = np.concatenate([half[t] for half in signs])
            letters = ["IZXY"[2 * f + s] for f, s in zip(flip, sign)]
            matrix = np.eye(1)
            for letter in letters:
                matrix = np.kron(matrix, PAULI[letter])
            # Y = i X Z, and <x|Z|x> is read on the bra: i^-(number of Y) makes the real coefficient one of the term.
            total = total + terms.coefficient[t] * (-1j) ** letters.count("Y") * (-1) ** letters.count("Y") * matrix
    return total


@pytest.mark.parametrize("orbitals", [2, 3, 4, 5, 7])
def test_without_symmetry_there_are_as_many_as_the_formula_says(orbitals):
    found = pauli_terms(random_integrals(orbitals, 1, 1, orbitals))
    # Nothing, two orbitals of one spin, four of one spin, or two of either: one flip mask each.
    flips = 1 + 2 * comb(orbitals, 2) + 2 * comb(orbitals, 4) + comb(orbitals, 2) ** 2
    assert found.terms == most_terms(orbitals) and found.flips == flips
    assert found.start[0] == 0 and found.start[-1] == found.terms and (np.diff(found.start) > 0).all()


def test_the_formula_gives_the_published_sizes():
    assert most_terms(19) == 189_526 and most_terms(38) == 3_076_443


@pytest.mark.parametrize("integrals", [random_integrals(3, 1, 1, 0), symmetric(4, 2, 2, 1, irreps=2)])
def test_they_are_the_hamiltonian_on_every_sector(integrals):
    n = integrals.orbitals
    expected = fock_hamiltonian(integrals, lambda spin, p: n * spin + p)
    assert np.abs(as_matrix(pauli_terms(integrals), n) - expected).max() < 1e-12


def test_small_coefficients_are_dropped_only_where_asked():
    integrals = random_integrals(4, 2, 2, 3)
    whole, fewer = pauli_terms(integrals, 0.0), pauli_terms(integrals, 0.05)
    kept = np.abs(whole.coefficient) > 0.05
    kept[0] = True  # the constant stays
    assert fewer.terms == kept.sum() < whole.terms and np.array_equal(fewer.coefficient, whole.coefficient[kept])


LARGE = """
import numpy as np
from effbench.kernels.local_energy import local_energies
from effbench.kernels.local_energy.connected import connected
from effbench.kernels.local_energy.determinants import pack
from effbench.kernels.local_energy.integrals import random_integrals
from effbench.kernels.local_energy.pauli_terms import pauli_terms

integrals = random_integrals(38, 12, 11, seed=0)
first = [pack((np.arange(38) < many)[None]) for many in (12, 11)]
joined = connected(integrals, *first)
rows = np.random.default_rng(0).permutation(len(joined.row))[:1000]
alpha, beta = joined.alpha[rows], joined.beta[rows]
logs = np.random.default_rng(1).normal(size=1000) + 0j
found = [local_energies(integrals, alpha, beta, logs, impl=e).energies for e in ("pauli", "slater", "all-pairs")]
worst = max(np.abs(one - found[0]).max() for one in found)
# Not getrusage: its peak is that of the process that started this one, where that was larger.
peak_kb = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(pauli_terms(integrals).terms, worst, peak_kb / 2**20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_seventy_six_qubits_and_three_million_terms_take_less_than_two_gib():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, timeout=200, check=True)
    terms, worst, peak_gib = (float(word) for word in done.stdout.split())
    assert terms == most_terms(38) and worst < 1e-8 and peak_gib < 2
