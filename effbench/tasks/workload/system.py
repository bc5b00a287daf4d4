"""The system of ``workload``: a call does a known number of equal pieces of work, or waits a known time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from effbench.api import System
from effbench.arrays import Array


@dataclass(frozen=True)
class Workload(System):
    """One call does ``units`` equal pieces: a product with ``matrix`` [n, n] float32, or a sleep of ``wait_ms`` if positive.

    Methods change ``units`` alone, so that whatever a piece costs besides (a late wake-up) scales with it; ``cost`` is what
    a call then truly costs, relative to the system as loaded. ``ballast`` is held for as long as the system lives, so that a
    known amount of memory can be planted.
    """

    units: int
    wait_ms: float
    matrix: Array
    cost: float = 1.0
    ballast: Mapping[str, Array] = field(default_factory=dict)

    def call(self, start: Array) -> Array:
        """Return ``start`` [n, n] after all units; the matrix is orthogonal, so that nothing grows or fades."""
        state = start
        for _ in range(self.units):
            if self.wait_ms > 0:
                time.sleep(self.wait_ms / 1e3)
            else:
                state = self.matrix @ state
        return state
