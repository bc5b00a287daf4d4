"""What an ansatz is: a wave function that says the probability of one orbital after the other, and a phase.

psi(x) = sqrt(p(x)) exp(i phi(x)), p(x) = product over the orbitals in sampling order of p(token | tokens before). A token
says how an orbital is filled: 0 empty, 1 alpha, 2 beta, 3 both. p is normalised by construction and zero outside the sector
of the molecule's electrons and of the spatial symmetries that it is given: a token after which they cannot be reached any
more has probability zero. Source of the latter: Malyshev et al., arXiv 2310.04166.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from torch import nn

from effbench.arrays import Array
from effbench.kernels.local_energy.determinants import pack, unpack
from effbench.kernels.local_energy.integrals import Integrals

TOKENS = 4
"""What an orbital may hold: nothing, an alpha electron, a beta electron, both."""
ALPHA_OF = (0, 1, 0, 1)
"""Alpha electrons of each token."""
BETA_OF = (0, 0, 1, 1)
"""Beta electrons of each token."""


class Autoregressive(nn.Module):
    """Base of ansaetze in float64. ``order`` int64 [n] lists the orbitals as they are sampled.

    ``labels`` bool [n, S]: which orbitals are odd under each symmetry to keep (``symmetry.parities``); none by default.
    A subclass gives logits, which may look at earlier tokens only, and phases; masks and normalisation are done here.
    """

    def __init__(self, integrals: Integrals, order: Array, labels: Array | None = None) -> None:
        super().__init__()
        if sorted(order.tolist()) != list(range(integrals.orbitals)):
            raise ValueError(f"order {order.tolist()} is no permutation of {integrals.orbitals} orbitals")
        self.orbitals, self.alpha, self.beta = integrals.orbitals, integrals.alpha, integrals.beta
        self.order = order
        self._of = (torch.tensor(ALPHA_OF), torch.tensor(BETA_OF))
        parities = np.zeros((self.orbitals, 0), np.int64) if labels is None else labels[order].astype(np.int64)
        self.symmetries = parities
        self._labels = torch.from_numpy(parities)
        self._powers = 2 ** torch.arange(parities.shape[1])
        self._reachable = torch.from_numpy(
            reachable(parities, self.alpha, self.beta, charge_of_reference(integrals, labels))
        )

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
        alpha, beta = self._of[0][tokens], self._of[1][tokens]
        odd = ((alpha + beta) % 2)[..., None] * self._labels
        before = [torch.cumsum(part, 1) - part for part in (alpha, beta, odd)]
        return self._may_follow(torch.arange(self.orbitals), before[0], before[1], before[2])

    def _allowed_at(self, prefix: torch.Tensor) -> torch.Tensor:
        alpha, beta = self._of[0][prefix], self._of[1][prefix]
        odd = ((alpha + beta) % 2)[..., None] * self._labels[: prefix.shape[1]]
        return self._may_follow(torch.tensor(prefix.shape[1]), alpha.sum(1), beta.sum(1), odd.sum(1))

    def _may_follow(
        self, place: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor, charges: torch.Tensor
    ) -> torch.Tensor:
        """Return bool [..., 4] from the electrons [...] and charges [..., S] before each place."""
        ours, theirs = alpha[..., None] + self._of[0], beta[..., None] + self._of[1]
        single = (self._of[0] + self._of[1]) % 2
        after = (charges[..., None, :] + single[:, None] * self._labels[place][..., None, :]) % 2
        rest = (after * self._powers).sum(-1)
        fits = (ours <= self.alpha) & (theirs <= self.beta)
        return fits & self._reachable[
            place[..., None] + 1, ours.clamp(max=self.alpha), theirs.clamp(max=self.beta), rest
        ]  # fmt: skip

    def log_conditionals(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return log p [U, n, 4], -inf where a token is not allowed; a place that nothing may stand at is -inf throughout."""
        return masked_log_softmax(self.logits(tokens), self.allowed(tokens))

    def log_conditionals_at(self, prefix: torch.Tensor) -> torch.Tensor:
        """Return log p [U, 4] of the token that follows prefixes int64 [U, k]."""
        return masked_log_softmax(self.logits_at(prefix), self._allowed_at(prefix))

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


def charge_of_reference(integrals: Integrals, labels: Array | None) -> int:
    """Return the charges of the Hartree-Fock determinant under the symmetries of ``labels`` [n, S], as bits of a number."""
    if labels is None:
        return 0
    single = labels[integrals.beta : integrals.alpha] if integrals.alpha > integrals.beta else labels[:0]
    return int((single.sum(0) % 2 * 2 ** np.arange(labels.shape[1])).sum())


def reachable(labels: Array, alpha: int, beta: int, charge: int) -> Array:
    """Return bool [n + 1, alpha + 1, beta + 1, 2^S]: whether the orbitals from k on can lead from there to the sector.

    ``labels`` int [n, S] stand in sampling order; charges count as bits of a number.
    """
    n, symmetries = labels.shape
    bits = labels @ 2 ** np.arange(symmetries) if symmetries else np.zeros(n, np.int64)
    table = np.zeros((n + 1, alpha + 1, beta + 1, 2**symmetries), bool)
    table[n, alpha, beta, charge] = True
    every = np.arange(2**symmetries)
    for k in reversed(range(n)):
        for up, down in zip(ALPHA_OF, BETA_OF):
            change = bits[k] if (up + down) % 2 else 0
            ahead = table[k + 1, up:, down:][..., every ^ change]
            table[k, : alpha + 1 - up, : beta + 1 - down] |= ahead
    return table
