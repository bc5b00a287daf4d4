"""A restricted Boltzmann machine with complex weights: log psi(x) = a x + sum_j log cosh(b_j + W_j x), x = +-1.

Source: Carleo and Troyer, Science 355, 602 (2017); Choo, Mezzacapo and Carleo, Nature Communications 11, 2368 (2020),
for molecules in second quantisation. Not normalised: psi is known up to a factor.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.kernels.local_energy.determinants import unpack
from effbench.kernels.local_energy.integrals import Integrals


class Rbm:
    """``hidden`` units over 2n spin orbitals, all alpha, then all beta.

    ``hf_bias`` is the visible weight towards Hartree-Fock: a double excitation starts with exp(-8 hf_bias) of its amplitude.
    """

    def __init__(
        self, integrals: Integrals, seed: int, hidden: int, hf_bias: float = 0.5, spread: float = 0.02
    ) -> None:
        self.orbitals, visible = integrals.orbitals, 2 * integrals.orbitals
        rng = np.random.default_rng(seed)

        def noise(*shape: int) -> Array:
            return spread * (rng.normal(size=shape) + 1j * rng.normal(size=shape))

        filled = np.concatenate([np.arange(self.orbitals) < many for many in (integrals.alpha, integrals.beta)])
        self.visible = hf_bias * (2.0 * filled - 1) + noise(visible)
        self.hidden, self.weights = noise(hidden), noise(hidden, visible)

    def signs_of(self, alpha: Array, beta: Array) -> Array:
        """Return x float64 [U, 2n] of packed strings [U, W]."""
        filled = [unpack(strings, self.orbitals) for strings in (alpha, beta)]
        return 2.0 * np.concatenate(filled, axis=1) - 1

    def of_signs(self, x: Array) -> Array:
        """Return log psi complex128 [U]."""
        return np.asarray(x @ self.visible + log_cosh(x @ self.weights.T + self.hidden).sum(1))

    def log_psi(self, alpha: Array, beta: Array) -> Array:
        """Return log psi complex128 [U] of packed strings."""
        return self.of_signs(self.signs_of(alpha, beta))

    def derivatives(self, x: Array) -> Array:
        """Return d log psi / d parameter [U, P], in the order of ``change``; log psi is holomorphic in each."""
        inner = np.tanh(x @ self.weights.T + self.hidden)
        return np.concatenate([x.astype(complex), inner, (inner[:, :, None] * x[:, None]).reshape(len(x), -1)], axis=1)

    def change(self, step: Array) -> None:
        """Add a step [P] to visible weights, hidden biases and weights."""
        visible, hidden = len(self.visible), len(self.hidden)
        self.visible = self.visible + step[:visible]
        self.hidden = self.hidden + step[visible : visible + hidden]
        self.weights = self.weights + step[visible + hidden :].reshape(self.weights.shape)


def log_cosh(z: Array) -> Array:
    """Return log cosh of complex numbers, without overflow."""
    folded = np.where(z.real < 0, -z, z)
    return np.asarray(folded + np.log1p(np.exp(-2 * folded)) - np.log(2))
