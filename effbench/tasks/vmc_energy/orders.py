"""In which order orbitals are sampled: by energy, or so that those that depend on one another stand together.

Mutual information comes from a state that costs nothing beside a training: the ground state among Hartree-Fock, its singles
and its doubles (CISD). The order is that of the Fiedler vector, which places what is strongly bound closely. Sources:
Rissler, Noack and White, Chemical Physics 323, 519 (2006); Barcza et al., Physical Review A 83, 012508 (2011).
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.connected import connected
from effbench.kernels.local_energy.determinants import pack, unpack
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.evaluation import ground_state

CHAIN = 1e-6
"""Bond of neighbours by energy, which settles what mutual information leaves open (orbitals that nothing excites)."""


def order_of(name: str, integrals: Integrals) -> Array:
    """Return the orbitals int64 [n] in sampling order.

    ``reverse`` starts with the highest energy, ``forward`` with the lowest, ``mutual-information`` follows the Fiedler
    vector from the end that lies higher.
    """
    orbitals = np.arange(integrals.orbitals)
    if name == "mutual-information":
        return fiedler_order(mutual_information(integrals.orbitals, *cisd(integrals)))
    return orbitals[::-1].copy() if name == "reverse" else orbitals


def cisd(integrals: Integrals) -> tuple[Array, Array, Array]:
    """Return (alpha, beta, psi): the ground state [C] among Hartree-Fock and all that H joins to it."""
    n = integrals.orbitals
    ours, theirs = (pack((np.arange(n) < many).astype(np.uint8)[None]) for many in (integrals.alpha, integrals.beta))
    joined = connected(integrals, ours, theirs)
    return joined.alpha, joined.beta, ground_state(integrals, joined.alpha, joined.beta)[1]


def mutual_information(orbitals: int, alpha: Array, beta: Array, psi: Array) -> Array:
    """Return I [n, n] = (s_i + s_j - s_ij) / 2 in nats from a state over determinants [C, W] (all alpha, then all beta)."""
    a, b = unpack(alpha, orbitals).astype(np.int64), unpack(beta, orbitals).astype(np.int64)
    weights = np.abs(psi) ** 2 / (np.abs(psi) ** 2).sum()
    tokens = a + 2 * b
    single = np.array([_entropy(np.bincount(tokens[:, p], weights, 4)) for p in range(orbitals)])
    found = np.zeros((orbitals, orbitals))
    for i in range(orbitals):
        for j in range(i):
            pair = _pair_entropy(a, b, tokens, np.sqrt(weights) * np.sign(psi), i, j)
            found[i, j] = found[j, i] = (single[i] + single[j] - pair) / 2
    return found


def _pair_entropy(a: Array, b: Array, tokens: Array, psi: Array, i: int, j: int) -> float:
    """Return the entropy of two orbitals together: of their density matrix [16, 16], the others traced out."""
    rest_a, rest_b = a.copy(), b.copy()
    rest_a[:, [i, j]] = rest_b[:, [i, j]] = 0
    # Moving the pair's operators to the front takes each past the others' before it.
    before_a, before_b = np.cumsum(rest_a, 1) - rest_a, np.cumsum(rest_b, 1) - rest_b + rest_a.sum(1, keepdims=True)
    passed = sum(a[:, p] * before_a[:, p] + b[:, p] * before_b[:, p] for p in (i, j))
    environment = np.unique(np.concatenate([rest_a, rest_b], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    matrix = np.zeros((environment.max() + 1, 16))
    matrix[environment, tokens[:, i] + 4 * tokens[:, j]] = psi * (1 - 2 * (passed % 2))
    return _entropy(np.linalg.eigvalsh(matrix.T @ matrix))


def _entropy(shares: Array) -> float:
    kept = shares[shares > 1e-14]
    return float(-(kept * np.log(kept)).sum())


def fiedler_order(bonds: Array) -> Array:
    """Return int64 [n]: sorted by the eigenvector of the second lowest eigenvalue of the Laplacian of ``bonds`` [n, n]."""
    n = len(bonds)
    if n < 3:
        return np.arange(n)[::-1].copy()
    chain = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) == 1
    weights = np.where(np.eye(n, dtype=bool), 0.0, bonds) + CHAIN * chain
    vector = np.linalg.eigh(np.diag(weights.sum(1)) - weights)[1][:, 1]
    # The sign of an eigenvector is arbitrary: sampling starts at the end where orbitals lie higher.
    ranks = np.arange(n) - (n - 1) / 2
    vector = vector if (vector * ranks).sum() < 0 else -vector
    return np.argsort(np.round(vector, 9), kind="stable").astype(np.int64)
