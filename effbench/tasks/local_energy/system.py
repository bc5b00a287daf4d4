"""The system of ``local-energy``: which engine computes, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from effbench.api import System

EngineName = Literal["auto", "all-pairs", "slater", "pauli", "cuda"]
"""Engines of policy sampled-only, said again here since the kernel's folder imports numba; a test compares the two."""


@dataclass(frozen=True)
class EngineSystem(System):
    """An engine of ``effbench.kernels.local_energy``, or ``auto``: the one of the ``device`` that its cost model chooses."""

    engine: EngineName = "auto"
    device: str = "cpu"

    def settings(self) -> Mapping[str, Any]:
        """Return the engine and the device."""
        return {"engine": self.engine, "device": self.device}
