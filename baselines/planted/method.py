"""Known differences for ``suites/self.yaml``: more work, more waiting, more memory, and nothing at all.

They are the controls of the measurement: a benchmark that cannot find a slow-down of 5 % that somebody put there, or finds
one where nobody did, has no business ranking methods.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from effbench.api import Artifact, Method, StrictParams
from effbench.tasks.workload.system import Workload


class Twin(Method):
    """Change nothing: the reference entered once more under another name; the two must tie."""

    name = "planted-twin"
    accepts = (Workload,)

    def apply(self, system: Workload, artifact: Artifact) -> Workload:
        """Return the same system."""
        return system


class PlantedLatency(Method):
    """Make each call do ``share`` more units, of work or of waiting."""

    name = "planted-latency"
    accepts = (Workload,)

    class Params(StrictParams):
        """Parameters of the method."""

        share: Annotated[float, Field(gt=-1, description="Relative cost that is added to a call.")] = 0.05

    def apply(self, system: Workload, artifact: Artifact) -> Workload:
        """Return the system with more units; ``cost`` is that of whole units."""
        units = round(system.units * (1 + self.params.share))
        return replace(system, units=units, cost=system.cost * units / system.units)


class PlantedMemory(Method):
    """Hold an array of ``mb`` megabytes (1e6 bytes) for as long as the system lives."""

    name = "planted-memory"
    accepts = (Workload,)

    class Params(StrictParams):
        """Parameters of the method."""

        mb: Annotated[float, Field(gt=0, description="Megabytes that are held.")] = 64.0

    def apply(self, system: Workload, artifact: Artifact) -> Workload:
        """Return the system with an array that was written, so that its pages are really there."""
        return replace(system, ballast={"array": np.ones(int(self.params.mb * 1e6), np.uint8)})
