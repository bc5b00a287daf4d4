"""What a search costs: sets scored per second beside numpy and scipy, turn by turn in one run, and the published setting."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from scipy.stats import kendalltau

from effbench.subset.frequency import FrequencySearch
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.tau import taus

TURNS, PLAIN_SETS, OUR_SETS = 7, 1_000, 100_000
"""A choice: so many sets take either way about a second or less, and the turns of both alternate, so that a busy second of
the machine falls on both."""
PUBLISHED = FrequencySearch(sets=3_000_000, top=100_000, rounds=12)


def speed_of(search: ScoreMatrix, size: int) -> str:
    """Return the section in words, after checking that both ways give the same taus.

    Raises ``AssertionError`` where they do not: no speed is told of wrong numbers.
    """
    matrix, rng = replace(search, margin=0.0), np.random.default_rng(0)  # scipy knows no margin
    sets = rng.integers(0, len(matrix.samples), (OUR_SETS, size))
    columns = np.ascontiguousarray(matrix.values.T)
    ours = taus(columns, matrix.truth, sets, 0.0)  # compiles
    theirs = np.array([kendalltau(matrix.values[:, row].mean(1), matrix.truth).statistic for row in sets[:PLAIN_SETS]])
    assert np.abs(ours[:PLAIN_SETS] - theirs).max() < 1e-9, "the two ways disagree"
    ratios = []
    for _ in range(TURNS):
        started = time.perf_counter()
        for row in sets[:PLAIN_SETS]:
            kendalltau(matrix.values[:, row].mean(1), matrix.truth)
        plain = (time.perf_counter() - started) / PLAIN_SETS
        started = time.perf_counter()
        taus(columns, matrix.truth, sets, 0.0)
        ratios.append(plain / ((time.perf_counter() - started) / OUR_SETS))
    started = time.perf_counter()
    PUBLISHED.select([search], size, 0)
    whole = time.perf_counter() - started
    low, middle, high = np.quantile(ratios, [0, 0.5, 1])
    return (
        f"Scoring sets of {size} prompts on {len(matrix.methods)} settings is {middle:.0f}x as fast as numpy and scipy's "
        f"`kendalltau` ({low:.0f} to {high:.0f}x over {TURNS} interleaved turns, the same taus). The published setting "
        f"(3,000,000 sets in each of {PUBLISHED.rounds} rounds, {len(matrix.samples):,} prompts) took {whole:.0f} s."
    )
