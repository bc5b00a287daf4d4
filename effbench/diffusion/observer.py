"""What a method that follows sampling overrides."""

from __future__ import annotations

from effbench.api import System
from effbench.diffusion.guidance import DenoiserCall, Step


class SamplingObserver:
    """What a method overrides to follow sampling; ``DiffusionSystem.observed_by`` subscribes it.

    The order is ``call_begins``, then for each step ``step_begins`` and one or more ``denoiser_runs``, then ``call_ends``,
    which comes after an error too. Counts start anew with every call. An observer lives as long as the system.
    """

    def call_begins(self, system: System) -> None:
        """React to the start of a sampling call of a ``DiffusionSystem``, before the pipeline does anything."""

    def step_begins(self, step: Step) -> None:
        """React to the start of a step of the solver, before its first run of the denoiser."""

    def denoiser_runs(self, call: DenoiserCall) -> None:
        """React to a run of the denoiser, before it happens."""

    def call_ends(self) -> None:
        """React to the end of a sampling call."""
