"""The system of ``local-energy``: which engine computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from effbench.api import System

EngineName = Literal["auto", "all-pairs", "slater", "pauli"]


@dataclass(frozen=True)
class EngineSystem(System):
    """An engine of ``effbench.kernels.local_energy``, or ``auto``: the one that its cost model chooses."""

    engine: EngineName = "auto"
