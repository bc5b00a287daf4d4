"""The sign-flip permutation test: under no difference, each paired difference could as well have had the other sign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import cluster_totals
from effbench.stats.inputs import check_resamples, finite

_CHUNK = 1 << 20
"""Drawn signs held at once."""


def sign_flip_p(
    differences: Sequence[float] | Array,
    *,
    clusters: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> float | None:
    """Return the two-sided p-value of a mean of ``differences`` [n] by flipping their signs; None where there are none.

    Exact over all 2^n sign patterns where these are at most ``resamples``; otherwise Monte Carlo with the observed
    pattern counted in, p = (1 + hits) / (1 + resamples) (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39), so
    that it is never 0. The smallest p that n differences can give is 2^(1 - n). ``clusters`` [n] name the rows that depend
    on each other (one sample under several seeds, one group): their signs are flipped together, and n counts clusters.
    Raises ``ValueError`` for differences that are not finite.
    """
    check_resamples(resamples)
    d = cluster_totals(finite(differences, "the differences"), clusters).totals
    if len(d) == 0:
        return None
    observed = abs(d.sum()) - 1e-12 * np.abs(d).sum()  # sums that are equal but for rounding count as ties
    if len(d) < 63 and 2 ** len(d) <= resamples:
        return float(np.mean(np.abs(_all_sums(d)) >= observed))
    generator, rows, hits = np.random.default_rng(seed), max(1, _CHUNK // len(d)), 0
    for start in range(0, resamples, rows):
        shape = (min(rows, resamples - start), len(d))
        bits = np.frombuffer(generator.bytes(-(-shape[0] * shape[1] // 8)), np.uint8)
        plus = np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape)
        flipped = plus @ (2 * d) - d.sum()
        hits += int((np.abs(flipped) >= observed).sum())
    return (1 + hits) / (1 + resamples)


def _all_sums(d: Array) -> Array:
    sums = np.zeros(1)
    for step in d:
        sums = np.concatenate([sums + step, sums - step])
    return sums  # [2^n]
