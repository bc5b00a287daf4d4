"""Sampling without classifier-free guidance: half the work of every step, at a visible cost in quality."""

from __future__ import annotations

from dataclasses import replace

from effbench.api import Artifact, Method, Unsupported
from effbench.diffusion import DiffusionSystem


class GuidanceOff(Method):
    """Run the conditional branch only (guidance scale 1)."""

    name = "guidance-off"
    accepts = (DiffusionSystem,)
    changes = ("guidance_order", "guidance_scale")

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system at guidance 1; raise ``Unsupported`` where it has no guidance to switch off."""
        if system.guidance <= 1:
            raise Unsupported("guidance-off: the system runs without guidance already")
        return replace(system, guidance=1.0)
