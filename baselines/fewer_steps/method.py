"""Fewer steps of the same sampler: the honest control that every acceleration has to beat at equal latency."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem


class FewerSteps(Method):
    """Sample with ``steps`` steps instead of the task's number."""

    name = "fewer-steps"
    accepts = (DiffusionSystem,)
    changes = ("steps",)

    class Params(StrictParams):
        """Parameters of the method."""

        steps: Annotated[int, Field(ge=1, description="Steps of the sampler; must be below the task's.")] = 10

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with fewer steps; raise ``Unsupported`` where it already takes no more than that."""
        if self.params.steps >= system.steps:
            raise Unsupported(f"fewer-steps: {self.params.steps} steps are not fewer than the system's {system.steps}")
        return replace(system, steps=self.params.steps)
