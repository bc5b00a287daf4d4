"""W8A8 with a real integer path on the CPU: per-channel int8 weights, activations quantised at run time.

Activations are quantised per token, so that a sample never depends on its batch, and to 7-bit codes, because full-range
codes saturate silently on AVX2 (see ``effbench/kernels/int8_linear``).
Layers that prepare conditions once a step (time and caption embedding, adaLN) and the output projection stay in float:
they are a small share of the work and the most sensitive to it.
"""

from __future__ import annotations

from effbench.api import Artifact, Method, Unsupported
from effbench.diffusion import DiffusionSystem


class Int8Dynamic(Method):
    """Replace the linear layers of the denoiser's blocks by int8 ones."""

    name = "int8-dynamic"
    accepts = (DiffusionSystem,)
    kernels = ("quantized::linear_with_input_q_dq_qweight_dq_output_fp32", "int8_linear/fbgemm")

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` off the CPU or in half precision."""
        import torch

        from effbench.kernels.int8_linear import Int8Linear, replace_linears

        if system.device_type != "cpu" or system.dtype != torch.float32:
            raise Unsupported(
                "int8-dynamic: the integer path runs on a CPU from float32, "
                f"not on {system.device_type} from {system.dtype}"
            )
        replace_linears(system.denoiser, Int8Linear, system.is_kept_in_float)
        return system
