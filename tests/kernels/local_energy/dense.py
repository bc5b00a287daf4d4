"""A Hamiltonian with nothing clever in it: creation operators as matrices on the whole Fock space."""

from functools import reduce

import numpy as np

LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])  # |1> -> |0>
Z = np.diag([1.0, -1.0])


def annihilators(modes):
    """Return a_0, a_1, ... on 2^modes states; mode 0 is the first factor, signs count the modes before."""
    return [
        reduce(np.kron, [Z] * mode + [LOWER] + [np.eye(2)] * (modes - mode - 1), np.eye(1)) for mode in range(modes)
    ]


def fock_hamiltonian(integrals, modes):
    """Return H [2^2n, 2^2n]; ``modes`` (spin, orbital) -> place of the mode in the order of creation."""
    n = integrals.orbitals
    a = annihilators(2 * n)
    lower = {(spin, p): a[modes(spin, p)] for spin in (0, 1) for p in range(n)}
    found = integrals.core * np.eye(4**n)
    for p in range(n):
        for q in range(n):
            hop = sum(lower[s, p].T @ lower[s, q] for s in (0, 1))
            found += integrals.one[p, q] * hop
    pair = {(t, q, u, s): lower[u, s] @ lower[t, q] for (t, q) in lower for (u, s) in lower}
    for (t, q, u, s), removed in pair.items():  # sum over p and r before the product: 16 times fewer products
        put_back = sum(integrals.two[p, q, r, s] * pair[t, p, u, r].T for p in range(n) for r in range(n))
        found += 0.5 * put_back @ removed
    return found


def place_of(alpha, beta, modes):
    """Return the Fock-space index of a determinant given as occupations [n] of both spins."""
    n = len(alpha)
    bits = ["0"] * (2 * n)
    for spin, string in ((0, alpha), (1, beta)):
        for p in range(n):
            bits[modes(spin, p)] = str(int(string[p]))
    return int("".join(bits), 2)
