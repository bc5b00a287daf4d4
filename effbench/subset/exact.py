"""The best subset of a tiny pool, by looking at all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

import numpy as np

from effbench.errors import BadInput
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selection, check_request, even
from effbench.subset.tau import taus

LIMIT = 5_000_000
"""A choice: the exact answer is for small pools and for testing searches; more would keep a caller waiting without a word."""
_BLOCK = 100_000
"""Subsets scored at once: of ten samples each they take 8 MB, and one call of the kernel is no cost to them."""


@dataclass(frozen=True)
class Exact:
    """Scores every subset; raises ``BadInput`` where there are more than ``LIMIT``."""

    name: str = "exact"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return the subset with the largest tau (mean over the metrics), the first in lexical order among equals."""
        check_request(matrices, size)
        pool = len(matrices[0].samples)
        if comb(pool, size) > LIMIT:
            raise BadInput(
                f"{comb(pool, size)} subsets of {size} of {pool} samples are too many to look at all (at most {LIMIT})"
            )
        every, best, rows = combinations(range(pool), size), -np.inf, np.arange(size)
        while block := list(islice(every, _BLOCK)):
            sets = np.array(block)
            found = np.mean([taus(m.values.T, m.truth, sets, m.margin) for m in matrices], axis=0)
            if found.max() > best:
                best, rows = float(found.max()), sets[int(found.argmax())]
        return even(rows, tau=best)
