"""Random sets without replacement that are named by a number: set i of round r under a seed is always the same.

A set is thus drawn again where it is needed instead of being kept: three million sets of 500 would take 6 GB. Drawing is a
partial Fisher-Yates shuffle of the pool with SplitMix64 as generator (Steele, Lea, Flood 2014, OOPSLA, figure 15), keyed by
(seed, round, i), so that no thread and no block size changes it.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio, SplitMix64's step; the multipliers and the shifts below are its output function."""
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_MASK = (1 << 64) - 1
"""Keeps Python's integers to 64 bits, where numpy's and numba's wrap around by themselves."""


@njit(cache=True, inline="always")
def mix(state: np.uint64) -> np.uint64:  # pragma: no cover - compiled
    """Return SplitMix64's output for a state."""
    state = (state ^ (state >> _30)) * _FIRST
    state = (state ^ (state >> _27)) * _SECOND
    return np.uint64(state ^ (state >> _31))


@njit(cache=True, inline="always")
def draw_into(chosen: Array, shuffled: Array, key: np.uint64, index: int) -> None:  # pragma: no cover - compiled
    """Fill ``chosen`` [n] with set ``index`` of positions in ``shuffled``, a permutation that is left as it was."""
    size, pool = len(chosen), len(shuffled)
    state = mix(key + np.uint64(index) * _GOLDEN)
    swaps = np.empty(size, np.int64)
    for place in range(size):
        state += _GOLDEN
        swaps[place] = place + np.int64(((mix(state) >> _32) * np.uint64(pool - place)) >> _32)
        other = swaps[place]
        shuffled[place], shuffled[other] = shuffled[other], shuffled[place]
        chosen[place] = shuffled[place]
    for place in range(size - 1, -1, -1):
        other = swaps[place]
        shuffled[place], shuffled[other] = shuffled[other], shuffled[place]


def set_key(seed: int, turn: int) -> np.uint64:
    """Return the key of a round under a seed."""
    return np.uint64(_mix(_mix(seed) ^ turn))


def draw_reference(pool: int, size: int, key: np.uint64, index: int) -> list[int]:
    """Return set ``index`` of ``size`` positions in a pool, in plain integers: what ``draw_into`` must equal."""
    golden, shuffled = int(_GOLDEN), list(range(pool))
    state = _mix((int(key) + index * golden) & _MASK)
    for place in range(size):
        state = (state + golden) & _MASK
        other = place + ((_mix(state) >> 32) * (pool - place) >> 32)
        shuffled[place], shuffled[other] = shuffled[other], shuffled[place]
    return shuffled[:size]


def _mix(state: int) -> int:
    state = ((state ^ (state >> 30)) * int(_FIRST)) & _MASK
    state = ((state ^ (state >> 27)) * int(_SECOND)) & _MASK
    return state ^ (state >> 31)
