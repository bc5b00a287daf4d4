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
    for p, q, r, s in np.ndindex(n, n, n, n):
        if integrals.two[p, q, r, s] == 0:
            continue
        for t in (0, 1):
            for u in (0, 1):
                found += 0.5 * integrals.two[p, q, r, s] * lower[t, p].T @ lower[u, r].T @ lower[u, s] @ lower[t, q]
    return found


def place_of(alpha, beta, modes):
    """Return the Fock-space index of a determinant given as occupations [n] of both spins."""
    n = len(alpha)
    bits = ["0"] * (2 * n)
    for spin, string in ((0, alpha), (1, beta)):
        for p in range(n):
            bits[modes(spin, p)] = str(int(string[p]))
    return int("".join(bits), 2)
