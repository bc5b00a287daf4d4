"""Sampling without repetition: how often each determinant would come in so many draws, at a cost that does not grow so.

The tree of prefixes is walked level by level. A prefix and its count go to at most four children, whose counts are
multinomial, drawn as three binomials given one another; children that get nothing end. The counts at the end are those of
independent draws from p, whatever their number, and sum to it. Source: Barrett, Malyshev and Lvovsky, Nature Machine
Intelligence 4, 351 (2022); nothing is dropped or truncated here. Random numbers are keyed by (seed, level, prefix), so
a prefix has the same children on any worker.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.tasks.vmc_energy.ansatz import TOKENS, Autoregressive
from effbench.tasks.vmc_energy.binomial import binomial, mix
from effbench.tasks.vmc_energy.settings import MOST_DRAWS
from effbench.tasks.vmc_energy.workers import ALONE, Workers

PREFIXES = 256
"""Prefixes per worker, at least, before the tree is split: the more, the more even the parts."""


class Drawn(NamedTuple):
    """``tokens`` int64 [U, n] in sampling order, without repetition, and how often each was drawn, int64 [U]."""

    tokens: torch.Tensor
    counts: Array


class Prefixes(NamedTuple):
    """Prefixes int64 [U, k], their counts int64 [U] and hashes uint64 [U]."""

    tokens: Array
    counts: Array
    keys: Array


def root(draws: int, seed: int) -> Prefixes:
    """Return the empty prefix with all draws; raise ``ValueError`` for more than 1e15, which doubles cannot tell apart."""
    if not 1 <= draws <= MOST_DRAWS:
        raise ValueError(f"{draws:g} draws; from 1 to {MOST_DRAWS:g} can be counted")
    return Prefixes(np.zeros((1, 0), np.int64), np.array([draws], np.int64), np.array([_key(seed)], np.uint64))


def grow(ansatz: Autoregressive, prefixes: Prefixes) -> Prefixes:
    """Return the prefixes one token longer, in the order of their parents and tokens."""
    with torch.no_grad():
        shares = ansatz.log_conditionals_at(torch.from_numpy(prefixes.tokens)).exp().numpy()
    counts, keys = _split(prefixes.counts, shares, prefixes.keys)
    parent, token = np.nonzero(counts)
    tokens = np.concatenate([prefixes.tokens[parent], token[:, None]], axis=1)
    return Prefixes(tokens, counts[parent, token], keys[parent, token])


def sample(ansatz: Autoregressive, draws: int, seed: int, workers: Workers = ALONE) -> Drawn:
    """Return what ``draws`` independent draws from |psi|^2 would give, on every worker; each walks its subtrees."""
    prefixes = root(draws, seed)
    if workers.size == 1:
        return finish(ansatz, prefixes)
    while len(prefixes.counts) < PREFIXES * workers.size and prefixes.tokens.shape[1] < ansatz.orbitals:
        prefixes = grow(ansatz, prefixes)
    # The more often a prefix was drawn, the more determinants lie below it: everybody gets some of each kind.
    dealt = np.argsort(-prefixes.counts, kind="stable")[workers.rank :: workers.size]
    finished = finish(ansatz, Prefixes(*(part[dealt] for part in prefixes)))
    tokens, counts = workers.gather(finished.tokens.numpy().astype(np.uint8)), workers.gather(finished.counts)
    # The order of a tree walked by one: that of the tokens as words. No letter is zero, since zeros end a word.
    order = np.argsort((tokens + 1).view(f"S{tokens.shape[1]}")[:, 0], kind="stable")
    return Drawn(torch.from_numpy(tokens[order].astype(np.int64)), counts[order])


def finish(ansatz: Autoregressive, prefixes: Prefixes) -> Drawn:
    """Return the determinants below the given prefixes."""
    for _ in range(ansatz.orbitals - prefixes.tokens.shape[1]):
        prefixes = grow(ansatz, prefixes)
    return Drawn(torch.from_numpy(prefixes.tokens), prefixes.counts)


def sample_within(ansatz: Autoregressive, draws: float, seed: int, most_unique: int) -> tuple[Drawn, float]:
    """Return a sample of at most ``most_unique`` determinants and its draws: ``draws``, halved until so few come.

    A walk ends as soon as there are more prefixes, for each has a determinant below it; a broad state would fill memory.
    """
    while True:
        prefixes = root(int(draws), seed)
        while prefixes.tokens.shape[1] < ansatz.orbitals and len(prefixes.counts) <= most_unique:
            prefixes = grow(ansatz, prefixes)
        if len(prefixes.counts) <= most_unique:
            return Drawn(torch.from_numpy(prefixes.tokens), prefixes.counts), draws
        draws /= 2


@njit(cache=True)
def _key(seed: int) -> np.uint64:  # pragma: no cover - compiled
    return mix(np.uint64(seed) ^ np.uint64(0x5851F42D4C957F2D))


@njit(cache=True)
def _split(counts: Array, shares: Array, keys: Array) -> tuple[Array, Array]:  # pragma: no cover - compiled
    """Return the counts int64 [U, 4] and hashes uint64 [U, 4] of all children."""
    found = np.zeros((len(counts), TOKENS), np.int64)
    below = np.empty((len(counts), TOKENS), np.uint64)
    for row in range(len(counts)):
        left = counts[row]
        for token in range(TOKENS):
            below[row, token] = mix(keys[row] + np.uint64(0xD1342543DE82EF95) * np.uint64(token + 1))
            # Of what this token and those after it share; a share of all takes all, so nothing is ever left over.
            tail = shares[row, token:].sum()
            share = shares[row, token] / tail if tail > 0.0 else 0.0
            found[row, token] = binomial(left, min(1.0, share), below[row, token])
            left -= found[row, token]
    return found, below
