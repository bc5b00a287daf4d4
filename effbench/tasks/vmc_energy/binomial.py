"""Binomial draws of any size from a counter, so that a draw depends on what it is for and not on who makes it.

Random numbers are hashes of a 64-bit key and a counter (SplitMix64: Steele, Lea and Flood, OOPSLA 2014). Draws with a
mean below 10 invert the distribution; larger ones use transformed rejection (BTRS: Hoermann, J. Stat. Comput. Simul. 46,
101 (1993)), whose acceptance is written with log1p so that it stays exact to double precision up to 1e15 trials.
"""

from __future__ import annotations

from math import log, log1p, sqrt

import numpy as np

from effbench.compiled import njit

GOLDEN, FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""Those of SplitMix64: Steele, Lea and Flood, OOPSLA 2014, with the variant 13 of its mixer by Stafford."""
SMALL_MEAN = 10.0
"""Below it numbers are found by inversion, above by rejection: Hoermann (1993) asks for a mean of 10 at least."""


@njit(cache=True, inline="always")
def mix(word: np.uint64) -> np.uint64:  # pragma: no cover - compiled
    """Return a word in which every bit depends on every bit of the one given."""
    word = (word ^ (word >> np.uint64(30))) * FIRST
    word = (word ^ (word >> np.uint64(27))) * SECOND
    return word ^ (word >> np.uint64(31))


@njit(cache=True, inline="always")
def uniform(key: np.uint64, counter: int) -> float:  # pragma: no cover - compiled
    """Return the number of a counter, in (0, 1)."""
    word = mix(key + GOLDEN * np.uint64(counter + 1))
    return (np.float64(word >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(cache=True)
def _stirling(count: float) -> float:  # pragma: no cover - compiled
    """Return log(count!) minus Stirling's formula."""
    if count < 10:
        total = 0.0
        for factor in range(2, int(count) + 1):
            total += log(float(factor))
        return total - ((count + 0.5) * log(count + 1.0) - (count + 1.0) + 0.9189385332046727)
    inverse = 1.0 / (count + 1.0)
    square = inverse * inverse
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 * square) * square) * inverse


@njit(cache=True)
def binomial(trials: int, share: float, key: np.uint64) -> int:  # pragma: no cover - compiled
    """Return how many of ``trials`` succeed, each with probability ``share``."""
    if share <= 0.0 or trials == 0:
        return 0
    if share >= 1.0:
        return trials
    if share > 0.5:
        return trials - binomial(trials, 1.0 - share, key)
    if trials * share < SMALL_MEAN:
        return _by_inversion(trials, share, key)
    return _by_rejection(trials, share, key)


@njit(cache=True)
def _by_inversion(trials: int, share: float, key: np.uint64) -> int:  # pragma: no cover - compiled
    odds = share / (1.0 - share)
    chance = np.exp(trials * log1p(-share))
    left, found = uniform(key, 0), 0
    while left > chance and found < trials:
        left -= chance
        found += 1
        chance *= odds * (trials - found + 1) / found
        if chance < 1e-300:
            break
    return found


@njit(cache=True)
def _by_rejection(trials: int, share: float, key: np.uint64) -> int:  # pragma: no cover - compiled
    spread = sqrt(trials * share * (1.0 - share))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * share
    centre = trials * share + 0.5
    v_r, alpha = 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread
    mode = np.floor((trials + 1) * share)
    counter = 0
    while True:
        u, v = uniform(key, counter) - 0.5, uniform(key, counter + 1)
        counter += 2
        us = 0.5 - abs(u)
        k = np.floor((2.0 * a / us + b) * u + centre)
        if us >= 0.07 and v <= v_r:
            return int(k)
        if k < 0 or k > trials:
            continue
        v = log(v * alpha / (a / (us * us) + b))
        # log of P(k) / P(mode), its large terms as log1p of how far a ratio is from 1, so that they cancel exactly.
        apart = k - mode
        bound = (mode + 0.5) * log1p(-apart / (k + 1.0)) + (trials - mode + 0.5) * log1p(apart / (trials - k + 1.0))
        bound += apart * log(share / (1.0 - share) * (trials - k + 1.0) / (k + 1.0))
        bound += _stirling(mode) + _stirling(trials - mode) - _stirling(k) - _stirling(trials - k)
        if v <= bound:
            return int(k)
