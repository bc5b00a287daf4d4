"""A causal transformer over orbitals gives the conditionals, a perceptron the phase.

Source: Wu, Guo, Fan, Zhou and Shang, NNQS-Transformer, SC'23 (arXiv 2306.16705), for the shape of the ansatz: a decoder over
tokens of one orbital each for the amplitude, a separate net without order for the phase. The blocks are those of "pre-norm"
transformers: x + attention(norm(x)), then x + mlp(norm(x)).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from effbench.arrays import Array
from effbench.kernels.local_energy.integrals import Integrals
from effbench.tasks.vmc_energy.ansatz import ALPHA_OF, BETA_OF, TOKENS, Autoregressive, hartree_fock_tokens

WIDEN = 4
"""Units of a block's perceptron per unit of its stream."""


class Transformer(Autoregressive):
    """``layers`` blocks of ``heads`` heads over a stream of ``width``; ``hf_bias`` as in MADE, added at each orbital."""

    signs: torch.Tensor

    def __init__(
        self, integrals: Integrals, order: Array, seed: int, *, width: int = 32, heads: int = 4, layers: int = 2,
        phase_width: int = 64, phase_depth: int = 2, hf_bias: float = 3.0, labels: Array | None = None,
    ) -> None:  # fmt: skip
        super().__init__(integrals, order, labels)
        if width % heads:
            raise ValueError(f"width {width} cannot be split over {heads} heads; choose a multiple of {heads}")
        n, kind = self.orbitals, torch.float64
        torch.manual_seed(seed)
        self.token = nn.Embedding(TOKENS + 1, width, dtype=kind)  # the last one begins
        self.place = nn.Parameter(torch.randn(n, width, dtype=kind) / width**0.5)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, dtype=kind)
        self.out = nn.Linear(width, TOKENS, dtype=kind)
        bias = torch.zeros(n, TOKENS, dtype=kind)
        bias[torch.arange(n), torch.from_numpy(hartree_fock_tokens(integrals, order))] = hf_bias
        self.start = nn.Parameter(bias)
        sizes = [2 * n, *[phase_width] * phase_depth, 1]
        linear = [nn.Linear(inputs, outputs, dtype=kind) for inputs, outputs in pairwise(sizes)]
        self.phase = nn.Sequential(*(part for layer in linear for part in (layer, nn.Tanh())))[:-1]
        self.register_buffer(
            "signs", torch.tensor([ALPHA_OF, BETA_OF], dtype=kind).T * 2 - 1, persistent=False
        )  # fmt: skip

    def _stream(self, before: torch.Tensor) -> torch.Tensor:
        """Return logits [U, k, 4] of the places that stand behind a beginning and tokens [U, k - 1]."""
        begin = torch.full((len(before), 1), TOKENS, dtype=before.dtype)
        count = before.shape[1] + 1
        x = self.token(torch.cat([begin, before], 1)) + self.place[:count]
        for block in self.blocks:
            x = block(x)
        found: torch.Tensor = self.out(self.norm(x)) + self.start[:count]
        return found

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return [U, n, 4]."""
        return self._stream(tokens[:, :-1])

    def logits_at(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return [U, 4]; only the prefix runs through the blocks."""
        return self._stream(prefix)[:, -1]

    def phases(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return phi [U] in radians."""
        found: torch.Tensor = self.phase(self.signs[tokens].reshape(len(tokens), -1))[:, 0]
        return found


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        kind = torch.float64
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width, dtype=kind), nn.LayerNorm(width, dtype=kind)
        self.project = nn.Linear(width, 3 * width, dtype=kind)
        self.join = nn.Linear(width, width, dtype=kind)
        self.mlp = nn.Sequential(
            nn.Linear(width, WIDEN * width, dtype=kind), nn.GELU(), nn.Linear(WIDEN * width, width, dtype=kind)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [U, k, width]; a place attends to itself and those before."""
        parts = self.project(self.first(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        x = x + self.join(seen.transpose(1, 2).flatten(2))
        found: torch.Tensor = x + self.mlp(self.second(x))
        return found
