"""The whole pipeline in bfloat16: half the weight memory; fast where the hardware multiplies bfloat16, slow elsewhere."""

from __future__ import annotations

from effbench.api import Artifact, Method
from effbench.diffusion import DiffusionSystem


class BFloat16(Method):
    """Cast every network of the pipeline to bfloat16."""

    name = "bf16"
    accepts = (DiffusionSystem,)

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its modules cast in place."""
        import torch

        for module in system.modules().values():
            module.to(torch.bfloat16)
        return system
