"""W8A8 with a real integer path on the CPU: per-channel int8 weights, activations quantized at run time. The plain control.

Activations are quantized per token, so that a sample never depends on its batch, to as many bits as the processor multiplies
exactly: 8 with VNNI, 7 on AVX2, where full-range codes saturate silently (``effbench/kernels/isa.py``).
Layers that prepare conditions once a step (time and caption embedding, adaLN) and the output projection stay in float:
they are a small share of the work and the most sensitive to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from effbench.api import Artifact, Fact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem


class Int8Dynamic(Method):
    """Replace the linear layers of the denoiser's blocks by int8 ones."""

    name = "int8-dynamic"
    accepts = (DiffusionSystem,)
    kernels = ("linear_w8a8/*",)

    class Params(StrictParams):
        """Parameters of the method."""

        fused: Annotated[
            bool,
            Field(description="Let blocks run in few passes, as `vidit-q` does; false: layers are swapped one by one."),
        ] = False

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` off the CPU or in half precision."""
        import torch

        from effbench.quantization.fused import fuse
        from effbench.quantization.layers import replace_layers
        from effbench_baselines.int8_dynamic.layer import int8_linear

        if system.device_type != "cpu" or system.dtype != torch.float32:
            raise Unsupported(
                "int8-dynamic: the integer path runs on a CPU from float32, "
                f"not on {system.device_type} from {system.dtype}"
            )
        replace_layers(
            system.denoiser,
            lambda _, layer: int8_linear(layer) if isinstance(layer, torch.nn.Linear) else None,
            system.is_kept_in_float,
        )
        if self.params.fused:
            fuse(system.denoiser)
        return system

    def facts(self, system: DiffusionSystem) -> Mapping[str, Fact | float]:
        """Return the bits that activations have on this processor."""
        from effbench.kernels import isa

        return {"activation_bits": Fact(isa.activation_bits(), "bits")}
