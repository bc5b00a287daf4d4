"""An engine of the caller's choice instead of the one that the cost model chooses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams
from effbench.tasks.local_energy.system import EngineSystem


class LocalEnergyEngine(Method):
    """Compute local energies by one engine."""

    name = "local-energy-engine"
    accepts = (EngineSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        engine: Annotated[
            Literal["all-pairs", "slater", "pauli"],
            Field(description="Comparing every two, listing moves of electrons, or grouped Pauli strings."),
        ] = "slater"

    def apply(self, system: EngineSystem, artifact: Artifact) -> EngineSystem:
        """Return the engine."""
        return EngineSystem(self.params.engine)
