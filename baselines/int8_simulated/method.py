"""W8A8 imitated in floating point: shows what 8-bit codes do to quality; it saves neither time nor memory.

This is how most compression papers evaluate quality. EffBench therefore reports its quality and refuses it a latency
and a memory figure.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from effbench.api import Artifact, Execution, Method, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench.quantization.schemes import Bits


class Int8Simulated(Method):
    """Fake-quantize weights per output channel and activations per token, both at ``bits``."""

    name = "int8-simulated"
    accepts = (DiffusionSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        bits: Annotated[Bits, Field(le=8, description="Bits of the activation codes.")] = 8

    def execution(self) -> Execution:
        """Return "simulated": the arithmetic stays in floating point."""
        return "simulated"

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place."""
        from torch import nn

        from effbench.quantization.layers import replace_layers
        from effbench_baselines.int8_dynamic.layer import int8_linear

        def imitate(_: str, layer: nn.Module) -> nn.Module | None:
            return int8_linear(layer, "simulated", self.params.bits) if isinstance(layer, nn.Linear) else None

        replace_layers(system.denoiser, imitate, system.is_kept_in_float)
        return system
