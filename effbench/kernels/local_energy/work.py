"""What each engine has to do for a sample, and which is expected to be done first."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np

from effbench.kernels.local_energy.determinants import words_for
from effbench.kernels.local_energy.integrals import Integrals

CpuEngine = Literal["all-pairs", "slater", "pauli"]
PAIR_NS, PROBE_NS, FLIP_NS, TERM_NS = 0.95, 1.7, 0.9, 1.2
"""Nanoseconds per unit of work, fitted to ``make bench-vmc`` on two cores; only ratios matter."""
PAIR_ROW_NS, SLATER_ROW_NS, PAULI_ROW_NS = 1900.0, 2100.0, 500.0
"""Nanoseconds per determinant, whatever it is joined to, fitted to ``make bench-vmc`` on two cores; only ratios matter."""
COEFFICIENT_BYTES = 8
"""A float64 beside the two masks of a term."""
MOST_TERMS_MB = 256
"""A table of Pauli terms above this is not built for the sake of a choice."""


@dataclass(frozen=True)
class Work:
    """Units of work of each engine for ``samples`` determinants, and the size of the table of Pauli terms.

    ``summed`` counts the terms of the flips whose target is in the sample, were it spread evenly over the sector.
    """

    samples: int
    pairs: int
    probes: int
    flips: int
    summed: int
    terms_mb: float

    def expected_ms(self) -> dict[CpuEngine, float]:
        """Return engine -> milliseconds, without building tables."""
        return {
            "all-pairs": (self.samples * PAIR_ROW_NS + self.pairs * PAIR_NS) / 1e6,
            "slater": (self.samples * SLATER_ROW_NS + self.probes * PROBE_NS) / 1e6,
            "pauli": (self.samples * PAULI_ROW_NS + self.flips * FLIP_NS + self.summed * TERM_NS) / 1e6,
        }

    def best(self) -> CpuEngine:
        """Return the engine that is expected to be done first; Pauli terms only where their table is small."""
        expected = self.expected_ms()
        if self.terms_mb > MOST_TERMS_MB:
            del expected["pauli"]
        return min(expected, key=expected.__getitem__)


def work_of(integrals: Integrals, samples: int) -> Work:
    """Return the work for a sample.

    Probes are counted as the mean over where the electrons may be: holes and particles spread evenly over the orbitals.
    """
    n, a, b = integrals.orbitals, integrals.alpha, integrals.beta
    sizes = np.bincount(integrals.classes[np.triu_indices(n, 1)]).astype(float)
    pairs_of_pairs = float((sizes**2).sum())
    everything = float(comb(n, 2)) ** 2
    share = pairs_of_pairs / everything if everything else 0.0
    mixed = a * (n - a) * b * (n - b) * share
    same = (comb(a, 2) * comb(n - a, 2) + comb(b, 2) * comb(n - b, 2)) * min(1.0, 2 * share)
    probes = 1 + a * (n - a) + b * (n - b) + mixed + same
    hops = int((integrals.classes[np.triu_indices(n, 1)] == integrals.classes[0, 0]).sum())
    flips = 1 + 2 * hops + pairs_of_pairs + 2 * comb(n, 4) * min(1.0, 3 * share)
    terms = 1 + n * (2 * n + 1) + 4 * hops * (2 * n - 1) + 4 * pairs_of_pairs + 12 * comb(n, 4) * min(1.0, 3 * share)
    terms_mb = terms * (2 * words_for(n) * 8 + COEFFICIENT_BYTES) / 2**20
    hits = min(1.0, samples / (comb(n, a) * comb(n, b)))
    summed = round(samples * hits * terms)
    return Work(samples, samples * samples, round(samples * probes), round(samples * flips), summed, terms_mb)
