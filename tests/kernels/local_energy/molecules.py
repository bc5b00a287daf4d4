"""Integrals with spatial symmetry, and samples of a sector."""

import numpy as np

from effbench.kernels.local_energy.determinants import sector
from effbench.kernels.local_energy.integrals import Integrals, random_integrals


def symmetric(orbitals, alpha, beta, seed, irreps):
    """Return random integrals that vanish unless the orbitals' irreps (of Z2, Z2 x Z2 or D2h) multiply to the first."""
    found = random_integrals(orbitals, alpha, beta, seed)
    labels = np.random.default_rng(seed).integers(0, irreps, orbitals)
    product = labels[:, None] ^ labels[None]
    one = found.one * (product == 0)
    two = found.two * (product[:, :, None, None] == product[None, None])
    return Integrals(found.core, one, two, alpha, beta)


def random_sample(integrals, share, seed):
    """Return a share of the sector (one determinant at least) with complex amplitudes."""
    alpha, beta = sector(integrals.orbitals, integrals.alpha, integrals.beta)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(alpha))[: max(1, round(share * len(alpha)))])
    return alpha[rows], beta[rows], rng.normal(size=len(rows)) + 1j * rng.normal(size=len(rows))
