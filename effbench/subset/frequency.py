"""The iterative frequency search of FlashEval (arXiv 2403.16379), without replacement.

Per round: draw N sets of n samples uniformly from the pool, keep the ``top`` of them by tau on the methods at hand, and let
the samples that stand in most of those be the next, smaller pool. When the pool is as small as a set it is the last
candidate. The candidate with the best tau of all rounds is returned. With several metrics a set's tau is the mean of its
taus. The released code draws with replacement, so that its subsets hold duplicates; this one never does.

Ties go to the lower set number and to the sample that stands first, so that a seed decides everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from effbench.arrays import Array
from effbench.atomic import write_with
from effbench.compiled import njit, prange
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selection, check_request, even
from effbench.subset.sets import draw_into, draw_reference, set_key
from effbench.subset.tau import tau_b, tau_of_mean, truth_signs

SUFFIX = ".npz"
BLOCK = 1 << 14
"""Sets that one turn of a thread scores."""

Progress = Callable[[int, int, float], None]


def schedule(pool: int, size: int, rounds: int = 12) -> tuple[int, ...]:
    """Return the pools of the rounds after the first: geometric from the whole pool to ``size``, the last equal to it."""
    steps = np.geomspace(pool, size, rounds + 1)[1:]
    return tuple(dict.fromkeys(max(size, round(float(step))) for step in steps))


@dataclass(frozen=True)
class FrequencySearch:
    """``sets`` and ``top`` per round (the paper: 3,000,000 and 100,000).

    ``checkpoint`` is a folder with a file per search, saved after every round: an interrupted search goes on from there.
    ``progress`` is told (rounds done, rounds, best tau so far).
    """

    sets: int = 20_000
    top: int = 1_000
    rounds: int = 12
    checkpoint: Path | None = None
    progress: Progress | None = None
    name: str = "frequency"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return the best set that the search met; ``details`` hold its tau and the round it came from."""
        check_request(matrices, size)
        columns = np.ascontiguousarray(
            np.stack([matrix.values.T for matrix in matrices])
        )  # [metrics, samples, methods]
        orders = np.stack([truth_signs(matrix.truth, matrix.margin) for matrix in matrices])
        margins = np.array([matrix.margin for matrix in matrices])
        pools = (columns.shape[1], *schedule(columns.shape[1], size, self.rounds))
        state = self._resume(columns, size, seed)
        for turn in range(state.turn, len(pools)):
            tau, rows, kept = _round(columns, orders, margins, state.pool, size, self, set_key(seed, turn))
            if tau > state.tau:
                state = State(turn, state.pool, tau, rows, turn)
            following = _most_frequent(kept, state.pool, pools[min(turn + 1, len(pools) - 1)])
            state = State(turn + 1, following, state.tau, state.rows, state.found_in)
            self._save(state, columns, size, seed)
            if self.progress is not None:
                self.progress(turn + 1, len(pools), state.tau)
        return even(np.sort(state.rows), tau=state.tau, round=state.found_in)

    def _key(self, columns: Array, size: int, seed: int) -> str:
        text = f"{size} {seed} {self.sets} {self.top} {self.rounds} {columns.shape}"
        return hashlib.sha256(text.encode() + columns.tobytes()).hexdigest()

    def _file(self, columns: Array, size: int, seed: int) -> Path | None:
        return self.checkpoint and self.checkpoint / f"{self._key(columns, size, seed)[:16]}{SUFFIX}"

    def _resume(self, columns: Array, size: int, seed: int) -> State:
        file = self._file(columns, size, seed)
        if file is None or not file.is_file():
            return State(0, np.arange(columns.shape[1]), -np.inf, np.arange(size), 0)
        with np.load(file, allow_pickle=False) as saved:
            return State(int(saved["turn"]), saved["pool"], float(saved["tau"]), saved["rows"], int(saved["found_in"]))

    def _save(self, state: State, columns: Array, size: int, seed: int) -> None:
        file = self._file(columns, size, seed)
        if file is None:
            return

        def write(path: Path) -> None:
            with path.open("wb") as opened:
                np.savez(opened, **vars(state))

        write_with(file, write)


@dataclass(frozen=True)
class State:
    """Where a search stands: the next round, its pool, and the best set so far with its tau and its round."""

    turn: int
    pool: Array
    tau: float
    rows: Array
    found_in: int


def _round(
    columns: Array, orders: Array, margins: Array, pool: Array, size: int, search: FrequencySearch, key: np.uint64
) -> tuple[float, Array, Array]:
    """Return (best tau, its rows, how often each sample of the pool stands in the kept sets)."""
    if len(pool) == size:
        found = np.empty(1)
        _score(columns, orders, margins, pool, size, key, found)
        return float(found[0]), pool, np.ones(size, np.int64)
    found = np.empty(search.sets)
    _score(columns, orders, margins, pool, size, key, found)
    kept = best_indices(found, search.top)
    counts = _count(len(pool), size, key, kept)
    drawn = np.empty(size, np.int64)
    _draw(drawn, len(pool), key, int(kept[0]))
    return float(found[kept[0]]), pool[drawn], counts


def best_indices(found: Array, top: int) -> Array:
    """Return the positions of the ``top`` largest values, best first, the lower position first among equals."""
    top = min(top, len(found))
    least = np.partition(found, len(found) - top)[len(found) - top]
    above, at = np.flatnonzero(found > least), np.flatnonzero(found == least)
    kept = np.concatenate([above, at[: top - len(above)]])
    return np.asarray(kept[np.argsort(-found[kept], kind="stable")])


def _most_frequent(counts: Array, pool: Array, size: int) -> Array:
    """Return the ``size`` samples of the pool that stand in most kept sets, in the pool's order."""
    return np.asarray(pool[np.sort(np.argsort(-counts, kind="stable")[:size])])


@njit(cache=True, parallel=True)
def _score(
    columns: Array, orders: Array, margins: Array, pool: Array, size: int, key: np.uint64, found: Array
) -> None:  # pragma: no cover - compiled
    metrics, _, methods = columns.shape
    apart = np.zeros(metrics)
    for metric in range(metrics):
        for i in range(methods - 1):
            for j in range(i + 1, methods):
                apart[metric] += orders[metric, i, j] ** 2
    blocks = (len(found) + BLOCK - 1) // BLOCK
    for block in prange(blocks):
        shuffled, chosen, mean = np.arange(len(pool)), np.empty(size, np.int64), np.empty(methods)
        for row in range(block * BLOCK, min(len(found), (block + 1) * BLOCK)):
            draw_into(chosen, shuffled, key, row)
            total = 0.0
            for metric in range(metrics):
                for method in range(methods):
                    mean[method] = 0.0
                for place in range(size):
                    column = columns[metric, pool[chosen[place]]]
                    for method in range(methods):
                        mean[method] += column[method]
                for method in range(methods):
                    mean[method] /= size
                total += tau_of_mean(mean, orders[metric], apart[metric], margins[metric])
            found[row] = total / metrics


@njit(cache=True)
def _draw(chosen: Array, pool: int, key: np.uint64, index: int) -> None:  # pragma: no cover - compiled
    draw_into(chosen, np.arange(pool), key, index)


@njit(cache=True)
def _count(pool: int, size: int, key: np.uint64, kept: Array) -> Array:  # pragma: no cover - compiled
    counts, shuffled, chosen = np.zeros(pool, np.int64), np.arange(pool), np.empty(size, np.int64)
    for index in kept:
        draw_into(chosen, shuffled, key, index)
        for position in chosen:
            counts[position] += 1
    return counts


def search_reference(
    matrices: Sequence[ScoreMatrix], size: int, seed: int, sets: int, top: int, rounds: int
) -> tuple[float, list[int]]:
    """Return (tau, sorted rows) of the same search in plain numpy, set by set: slow, and what ``select`` must equal."""
    samples = len(matrices[0].samples)
    pools = (samples, *schedule(samples, size, rounds))
    pool, best = np.arange(samples), (-np.inf, list(range(size)))
    for turn, count in enumerate(pools):
        key = set_key(seed, turn)
        drawn = (
            [pool.tolist()]
            if count == size
            else [pool[draw_reference(len(pool), size, key, index)].tolist() for index in range(sets)]
        )
        scores = np.array([_mean_tau(matrices, rows) for rows in drawn])
        kept = best_indices(scores, top)
        if scores[kept[0]] > best[0]:
            best = float(scores[kept[0]]), sorted(drawn[kept[0]])
        counts = np.bincount(np.concatenate([drawn[index] for index in kept]), minlength=samples)[pool]
        pool = _most_frequent(counts, pool, pools[min(turn + 1, len(pools) - 1)])
    return best


def _mean_tau(matrices: Sequence[ScoreMatrix], rows: Sequence[int]) -> float:
    found = 0.0
    for matrix in matrices:
        total = np.zeros(len(matrix.methods))
        for row in rows:
            total += matrix.values[:, row]
        found += np.nan_to_num(tau_b(total / len(rows), matrix.truth, matrix.margin), nan=0.0)
    return found / len(matrices)
