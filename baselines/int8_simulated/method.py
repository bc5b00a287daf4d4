"""W8A8 imitated in floating point: shows what 8-bit codes do to quality; it saves neither time nor memory.

This is how most compression papers evaluate quality. EffBench therefore reports its quality and refuses it a latency
and a memory figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from effbench.api import Artifact, Execution, Method, StrictParams
from effbench.diffusion import DiffusionSystem

if TYPE_CHECKING:
    from torch import nn


class Int8Simulated(Method):
    """Fake-quantize weights per output channel and activations per token, both at ``bits``."""

    name = "int8-simulated"
    accepts = (DiffusionSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        bits: Annotated[int, Field(ge=2, le=8, description="Bits of the activation codes.")] = 8

    def execution(self) -> Execution:
        """Return "simulated": the arithmetic stays in floating point."""
        return "simulated"

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place."""
        from effbench_baselines.int8_dynamic.layer import replace_linears
        from effbench_baselines.int8_simulated.layer import SimulatedInt8Linear

        def imitate(layer: nn.Linear) -> nn.Module:
            return SimulatedInt8Linear(layer, self.params.bits)

        replace_linears(system.denoiser, imitate, system.is_kept_in_float)
        return system
