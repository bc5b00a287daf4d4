"""ONNX Runtime's dynamic quantization of the denoiser's linear layers, each a session of its own.

The layers, not the exported denoiser: attention, norms and everything else stay torch's, so that the figure is about the
quantized products, as it is for every other peer, and methods that change attention still chain with it. The price is a
hand-over between two runtimes in every layer, without a copy on the way in, and with idle threads that sleep. The range of
activations is taken per sample (``row_by_row``), since a batch must not change an image.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench_baselines.onnxruntime_dynamic.kernel import KERNEL
from effbench_baselines.packages import require_float32_on_cpu, require_packages


class OnnxRuntimeDynamic(Method):
    """Replace the linear layers of the denoiser's blocks by ONNX Runtime's."""

    name = "onnxruntime-dynamic"
    accepts = (DiffusionSystem,)
    kernels = (KERNEL,)

    class Params(StrictParams):
        """Parameters of the method."""

        per_channel: Annotated[
            bool, Field(description="A scale for each output channel of a weight, or one for the whole weight.")
        ] = True
        reduce_range: Annotated[
            bool,
            Field(description="7-bit weights: on processors without VNNI, 8-bit ones saturate silently in its sums."),
        ] = False

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` without the packages."""
        require_packages(self.name, ("onnxruntime", "onnx"), "pip install 'effbench[onnxruntime]'")
        require_float32_on_cpu(self.name, system)
        from effbench.kernels.cost import Cost, register
        from effbench_baselines import linear_cost
        from effbench_baselines.onnxruntime_dynamic.session import LayerSession
        from effbench_baselines.row_by_row import RowByRow

        register(KERNEL, Cost(linear_cost.flops, linear_cost.int8_bytes, "int8"))
        for name, linear in system.linear_layers():
            session = LayerSession(
                linear.weight, linear.bias, per_channel=self.params.per_channel, reduce_range=self.params.reduce_range
            )
            parent, _, child = name.rpartition(".")
            layer = RowByRow(session, linear, session.packed_bytes)
            setattr(system.denoiser.get_submodule(parent), child, layer)
        return system
