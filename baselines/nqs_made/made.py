"""MADE over orbitals: a masked perceptron gives the conditionals of all orbitals at once, a free one gives the phase.

Source: Germain et al., Masked Autoencoder for Distribution Estimation, ICML 2015; arXiv 2208.05637 for its use here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn

from effbench.arrays import Array
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.ansatz import ALPHA_OF, BETA_OF, TOKENS, Autoregressive, hartree_fock_tokens
from effbench.tasks.vmc_energy.layers import MaskedLinear


class Made(Autoregressive):
    """``width`` hidden units in ``depth`` layers; the phase net has ``phase_width`` units in ``phase_depth`` layers.

    Hidden unit j of a layer may see the orbitals up to degree j mod (n - 1); outputs of orbital k see units of a degree
    below k. ``hf_bias`` is added to the logit of the Hartree-Fock token of each orbital, so that training starts near it.
    """

    signs: torch.Tensor

    def __init__(
        self, integrals: Integrals, order: Array, seed: int, *, width: int = 64, depth: int = 1, phase_width: int = 64,
        phase_depth: int = 2, hf_bias: float = 3.0, labels: Array | None = None,
    ) -> None:  # fmt: skip
        super().__init__(integrals, order, labels)
        n = self.orbitals
        torch.manual_seed(seed)
        of_input = torch.arange(n).repeat_interleave(2)
        of_hidden = torch.arange(width) % max(1, n - 1)
        of_output = torch.arange(n).repeat_interleave(TOKENS)
        self._degrees = of_hidden
        degrees, masks = of_input, []
        for _ in range(depth):
            masks.append(of_hidden[:, None] >= degrees[None])
            degrees = of_hidden
        masks.append(of_output[:, None] > degrees[None])
        amplitude = [MaskedLinear(mask.shape[1], mask.shape[0], mask) for mask in masks]
        self.amplitude = nn.ModuleList(amplitude)
        sizes = [2 * n, *[phase_width] * phase_depth, 1]
        self.phase = nn.ModuleList(MaskedLinear(inputs, outputs) for inputs, outputs in pairwise(sizes))
        self.register_buffer(
            "signs", torch.tensor([ALPHA_OF, BETA_OF], dtype=torch.float64).T * 2 - 1, persistent=False
        )
        bias = torch.zeros(n, TOKENS, dtype=torch.float64)
        bias[torch.arange(n), torch.from_numpy(hartree_fock_tokens(integrals, order))] = hf_bias
        with torch.no_grad():
            amplitude[-1].bias += bias.ravel()

    def _inputs(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return [U, 2n]: +1 where a spin orbital is filled, else -1."""
        return self.signs[tokens].reshape(len(tokens), -1)

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return [U, n, 4]."""
        return _through(self.amplitude, self._inputs(tokens)).reshape(len(tokens), self.orbitals, TOKENS)

    def logits_at(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return [U, 4], through the units that the next orbital can see and no others."""
        k = prefix.shape[1]
        x = self.signs[prefix].reshape(len(prefix), -1)
        columns, units = torch.arange(2 * k), torch.nonzero(self._degrees < k)[:, 0]
        outputs = torch.arange(TOKENS * k, TOKENS * (k + 1))
        for layer in self.amplitude:
            assert isinstance(layer, MaskedLinear)
            is_last = layer is self.amplitude[-1]
            rows = outputs if is_last else units
            weight = (layer.weight[rows] * layer.mask[rows])[:, columns]
            x = nn.functional.linear(x, weight, layer.bias[rows])
            x = x if is_last else torch.tanh(x)
            columns = rows
        return x

    def phases(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return phi [U] in radians."""
        return _through(self.phase, self._inputs(tokens))[:, 0]


def _through(layers: Any, x: torch.Tensor) -> torch.Tensor:
    for layer in layers[:-1]:
        x = torch.tanh(layer(x))
    result: torch.Tensor = layers[-1](x)
    return result
