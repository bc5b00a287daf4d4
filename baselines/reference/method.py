"""The system as the task loads it: what every other method is compared with."""

from __future__ import annotations

from effbench.api import Artifact, Method, System


class Reference(Method):
    """Return the system unchanged."""

    name = "reference"
    accepts = (System,)

    def apply(self, system: System, artifact: Artifact) -> System:
        """Return the same system."""
        return system
