"""Markov chains over the determinants of a sector: electrons hop one or two at a time, accepted as |psi|^power asks for.

One hop chooses a spin, one of its electrons and one of its empty orbitals, all evenly, so going there and back is equally
likely; two hops in a row are as well. Chains are independent and have random numbers of their own, keyed by (seed, chain).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange
from effbench.kernels.local_energy.determinants import pack
from effbench.tasks.vmc_energy.binomial import GOLDEN, mix
from effbench_baselines.nqs_rbm.rbm import Rbm


class Chains(NamedTuple):
    """Occupations uint8 [M, 2n] where each chain stands, and its random state uint64 [M]."""

    states: Array
    random: Array


class Walked(NamedTuple):
    """Packed strings of every record uint64 [M, T, W], and the share of proposals that were accepted."""

    alpha: Array
    beta: Array
    accepted: float


def start(chains: int, orbitals: int, alpha: int, beta: int, seed: int) -> Chains:
    """Return chains that all stand at Hartree-Fock."""
    filled = np.concatenate([np.arange(orbitals) < many for many in (alpha, beta)]).astype(np.uint8)
    random = np.random.SeedSequence(seed).generate_state(chains, np.uint64)
    return Chains(np.tile(filled, (chains, 1)), random)


def walk(rbm: Rbm, chains: Chains, records: int, thin: int, power: float = 2.0) -> Walked:
    """Move the chains in place by ``records`` times ``thin`` proposals and return where they stood after every ``thin``."""
    n = rbm.orbitals
    seen = np.empty((len(chains.states), records, 2 * n), np.uint8)
    accepted = _walk(chains.states, chains.random, rbm.visible, rbm.hidden, rbm.weights, thin, power, seen)
    flat = seen.reshape(-1, 2 * n)
    alpha, beta = (pack(half).reshape(*seen.shape[:2], -1) for half in (flat[:, :n], flat[:, n:]))
    return Walked(alpha, beta, float(accepted) / (seen.shape[0] * records * thin))


@njit(cache=True)
def _next(random: Array, chain: int) -> float:  # pragma: no cover - compiled
    random[chain] += GOLDEN
    return np.float64(mix(random[chain]) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def _hop(state: Array, half: int, random: Array, chain: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """Return (from, to) of one electron's hop; (-1, -1) where its spin has no electron or no empty orbital."""
    begin = 0 if _next(random, chain) < 0.5 else half
    electrons = 0
    for p in range(begin, begin + half):
        electrons += int(state[p])
    if electrons == 0 or electrons == half:
        return -1, -1
    which, where = int(_next(random, chain) * electrons), int(_next(random, chain) * (half - electrons))
    hole, particle = -1, -1
    for p in range(begin, begin + half):
        if state[p]:
            if which == 0:
                hole = p
            which -= 1
        else:
            if where == 0:
                particle = p
            where -= 1
    return hole, particle


@njit(cache=True)
def _cosh_gain(before: Array, after: Array) -> float:  # pragma: no cover - compiled
    """Return the change of Re sum log cosh."""
    gain = 0.0
    for j in range(len(before)):
        old, new = before[j], after[j]
        old, new = (-old if old.real < 0 else old), (-new if new.real < 0 else new)
        gain += (new - old).real
        gain += np.log(abs(1 + np.exp(-2 * new))) - np.log(abs(1 + np.exp(-2 * old)))
    return gain


@njit(cache=True, parallel=True)
def _walk(
    states: Array, random: Array, visible: Array, hidden: Array, weights: Array, thin: int, power: float, seen: Array
) -> int:  # pragma: no cover - compiled
    half, accepted = states.shape[1] // 2, 0
    for chain in prange(len(states)):
        state = states[chain]
        inner = hidden.copy()
        for p in range(len(state)):
            for j in range(len(hidden)):
                inner[j] += weights[j, p] * (2.0 * state[p] - 1.0)
        moved = inner.copy()
        hops = np.empty((2, 2), np.int64)
        for record in range(seen.shape[1]):
            for _ in range(thin):
                many = 1 if _next(random, chain) < 0.5 else 2
                gain = 0.0
                moved[:] = inner
                for hop in range(many):
                    hole, particle = _hop(state, half, random, chain)
                    hops[hop, 0], hops[hop, 1] = hole, particle
                    if hole >= 0:
                        state[hole], state[particle] = 0, 1
                        gain += 2 * (visible[particle] - visible[hole]).real
                        for j in range(len(hidden)):
                            moved[j] += 2 * (weights[j, particle] - weights[j, hole])
                gain += _cosh_gain(inner, moved)
                if np.log(_next(random, chain) + 1e-300) < power * gain:
                    inner[:] = moved
                    accepted += 1
                else:
                    for hop in range(many - 1, -1, -1):
                        if hops[hop, 0] >= 0:
                            state[hops[hop, 0]], state[hops[hop, 1]] = 1, 0
            seen[chain, record] = state
    return accepted
