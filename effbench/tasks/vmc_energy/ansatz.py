"""What an ansatz is: a wave function that says the probability of one orbital after the other, and a phase.

psi(x) = sqrt(p(x)) exp(i phi(x)), p(x) = product over the orbitals in sampling order of p(token | tokens before). A token
says how an orbital is filled: 0 empty, 1 alpha, 2 beta, 3 both. p is normalised by construction and zero outside the sector
of the molecule's electrons: tokens that make a count too high, or too low to be reached, have probability zero.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import nn

from effbench.kernels.local_energy.determinants import pack, unpack
from effbench.kernels.local_energy.integrals import Integrals

Array = np.ndarray[Any, Any]
TOKENS = 4
ALPHA_OF = (0, 1, 0, 1)
BETA_OF = (0, 0, 1, 1)


class Autoregressive(nn.Module):
    """Base of ansaetze in float64. ``order`` int64 [n] lists the orbitals as they are sampled.

    A subclass gives logits, which may look at earlier tokens only, and phases; masks and normalisation are done here.
    """

    def __init__(self, integrals: Integrals, order: Array) -> None:
        super().__init__()
        if sorted(order.tolist()) != list(range(integrals.orbitals)):
            raise ValueError(f"order {order.tolist()} is no permutation of {integrals.orbitals} orbitals")
        self.orbitals, self.alpha, self.beta = integrals.orbitals, integrals.alpha, integrals.beta
        self.order = order
        self._of = (torch.tensor(ALPHA_OF), torch.tensor(BETA_OF))

    @abstractmethod
    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return [U, n, 4] of tokens int64 [U, n] in sampling order; those at k depend on tokens before k alone."""

    @abstractmethod
    def phases(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return phi [U] in radians."""

    def logits_at(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return the logits [U, 4] that follow prefixes int64 [U, k]."""
        padding = torch.zeros(len(prefix), self.orbitals - prefix.shape[1], dtype=prefix.dtype)
        return self.logits(torch.cat([prefix, padding], 1))[:, prefix.shape[1]]

    def allowed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return bool [U, n, 4]: what may stand at each place after the tokens before it."""
        steps = torch.arange(tokens.shape[1])
        return torch.stack(
            [self._allowed(electrons, of, of[tokens], steps) for electrons, of in self._spins()]
        ).all(0)  # fmt: skip

    def _spins(self) -> list[tuple[int, torch.Tensor]]:
        return [(self.alpha, self._of[0]), (self.beta, self._of[1])]

    def _allowed(self, electrons: int, of: torch.Tensor, filled: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        used = (torch.cumsum(filled, 1) - filled)[..., None] + of
        left = (self.orbitals - 1 - steps)[:, None]
        return (used <= electrons) & (used + left >= electrons)

    def log_conditionals(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return log p [U, n, 4], -inf where a token is not allowed; a place that nothing may stand at is -inf throughout."""
        return masked_log_softmax(self.logits(tokens), self.allowed(tokens))

    def log_conditionals_at(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p [U, 4] of the token that follows prefixes int64 [U, k]."""
        masks = []
        for electrons, of in self._spins():
            used = of[prefix].sum(1)[:, None] + of
            masks.append((used <= electrons) & (used + self.orbitals - 1 - prefix.shape[1] >= electrons))
        return masked_log_softmax(self.logits_at(prefix), masks[0] & masks[1])

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (log |psi| [U], phi [U]); log |psi| is -inf outside the sector."""
        chosen = torch.gather(self.log_conditionals(tokens), 2, tokens[..., None])[..., 0]
        return chosen.sum(1) / 2, self.phases(tokens)

    def tokens_of(self, alpha: Array, beta: Array) -> torch.Tensor:
        """Return tokens int64 [U, n] in sampling order of packed strings [U, W]."""
        filled = unpack(alpha, self.orbitals) + 2 * unpack(beta, self.orbitals)
        return torch.from_numpy(filled[:, self.order].astype(np.int64))

    def strings_of(self, tokens: torch.Tensor) -> tuple[Array, Array]:
        """Return the packed strings (alpha, beta) [U, W] of tokens [U, n] in sampling order."""
        filled = np.empty(tuple(tokens.shape), np.int64)
        filled[:, self.order] = tokens.numpy()
        return pack(filled & 1), pack(filled >> 1)

    @torch.no_grad()
    def log_psi(self, alpha: Array, beta: Array, batch: int = 16384) -> Array:
        """Return log psi complex128 [U] of packed strings, without gradients."""
        found = np.empty(len(alpha), np.complex128)
        for begin in range(0, len(alpha), batch):
            rows = slice(begin, begin + batch)
            amplitude, phase = self(self.tokens_of(alpha[rows], beta[rows]))
            found[rows] = amplitude.numpy() + 1j * phase.numpy()
        return found


def masked_log_softmax(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return log softmax over the allowed entries of the last axis; rows that allow nothing are -inf, never NaN."""
    nothing = ~allowed.any(-1, keepdim=True)
    found = torch.log_softmax(logits.masked_fill(~(allowed | nothing), -torch.inf), -1)
    return found.masked_fill(~allowed, -torch.inf)


def hartree_fock_tokens(integrals: Integrals, order: Array) -> Array:
    """Return the tokens int64 [n] of the Hartree-Fock determinant in sampling order: the lowest orbitals are filled."""
    orbital = np.arange(integrals.orbitals)
    return ((orbital < integrals.alpha) + 2 * (orbital < integrals.beta)).astype(np.int64)[order]
