"""Score matrices with a known answer, and the real one where it is there."""

import os
from pathlib import Path

import numpy as np
import pytest

from effbench.subset.matrix import score_matrix

DATA = Path(os.environ.get("EFFBENCH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
SCORES = DATA / "flasheval" / "diffusiondb_scores.npz"

needs_scores = pytest.mark.skipif(not SCORES.is_file(), reason="FlashEval's scores are not there (EFFBENCH_TEST_DATA)")


def matrix(values, families=None, **more):
    values = np.asarray(values, float)
    methods = [f"m{row}" for row in range(values.shape[0])]
    samples = [f"s{column}" for column in range(values.shape[1])]
    return score_matrix("score", values, methods, samples, families=families, **more)


def noisy(methods=12, samples=200, noise=1.0, seed=0, families=3):
    """Ability plus noise: every sample tells the same."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(methods, 1)) + noise * rng.normal(size=(methods, samples))
    return matrix(values, families=[f"f{row % families}" for row in range(methods)])


def few_that_tell(methods=16, samples=200, telling=8, seed=0):
    """``telling`` samples hold the ranking, the rest is noise whose mean over the samples is the same for all methods."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(samples, telling, replace=False))
    others = np.setdiff1d(np.arange(samples), rows)
    values = rng.normal(size=(methods, samples))
    values[:, others] -= values[:, others].mean(1, keepdims=True)
    values[:, rows] = rng.normal(size=(methods, 1)) + 0.05 * rng.normal(size=(methods, telling))
    return matrix(values), rows
