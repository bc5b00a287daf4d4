"""An engine of the caller's choice instead of the one that the cost model chooses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams
from effbench.tasks.local_energy.system import EngineSystem


class LocalEnergyEngine(Method):
    """Compute local energies by one engine, which has to be seen to run."""

    name = "local-energy-engine"
    accepts = (EngineSystem,)
    kernels = ("local_energy/*",)

    class Params(StrictParams):
        """Parameters of the method."""

        engine: Annotated[
            Literal["all-pairs", "slater", "pauli", "cuda"],
            Field(
                description="Comparing every two, listing moves of electrons, grouped Pauli terms, or moves on a GPU."
            ),
        ] = "slater"

    def __init__(self, params: StrictParams | None = None) -> None:
        """Say which of the engines has to be seen to run."""
        super().__init__(params)
        self.kernels = (f"local_energy/{self.params.engine}",)

    def apply(self, system: EngineSystem, artifact: Artifact) -> EngineSystem:
        """Return the engine on the same device; one that the device has not is refused when it is called."""
        return EngineSystem(self.params.engine, system.device)
