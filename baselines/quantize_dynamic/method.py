"""The plain peer: ``torch.ao.quantization.quantize_dynamic``, int8 weights and one range of activations per call.

Its module asks both engines for 7-bit activation codes (``reduce_range``), which cannot saturate where there is no VNNI. The
range is taken per sample here (``row_by_row``), since a batch must not change an image.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench_baselines.packages import require_float32_on_cpu

OPERATOR = "quantized::linear_dynamic"


class QuantizeDynamic(Method):
    """Replace the linear layers of the denoiser's blocks as ``quantize_dynamic`` does."""

    name = "quantize-dynamic"
    accepts = (DiffusionSystem,)
    kernels = (OPERATOR,)

    class Params(StrictParams):
        """Parameters of the method."""

        engine: Annotated[Literal["fbgemm", "onednn"], Field(description="Library whose kernels run.")] = "fbgemm"
        per_channel: Annotated[
            bool, Field(description="A scale for each output channel of a weight, or one for the whole weight.")
        ] = True

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` where torch lacks the engine."""
        import torch

        require_float32_on_cpu(self.name, system)
        backends: Any = torch.backends.quantized
        if self.params.engine not in backends.supported_engines:
            found = ", ".join(engine for engine in backends.supported_engines if engine != "none")
            raise Unsupported(f"{self.name}: this torch has no engine {self.params.engine!r}; it has: {found}")
        previous = backends.engine
        backends.engine = self.params.engine
        try:
            self._replace(system)
        finally:
            backends.engine = previous
        return system

    def _replace(self, system: DiffusionSystem) -> None:
        from torch.ao import quantization

        from effbench.kernels.cost import Cost, register
        from effbench_baselines import linear_cost
        from effbench_baselines.row_by_row import RowByRow

        register(OPERATOR, Cost(linear_cost.flops, linear_cost.int8_bytes, "int8"))
        config = (
            quantization.per_channel_dynamic_qconfig
            if self.params.per_channel
            else quantization.default_dynamic_qconfig
        )
        layers = system.linear_layers()
        with warnings.catch_warnings():  # it announces its own removal, and that of the tensors that it makes
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", UserWarning)
            quantization.quantize_dynamic(system.denoiser, {name: config for name, _ in layers}, inplace=True)
        for name, linear in layers:
            quantized = system.denoiser.get_submodule(name)
            scales = linear.out_features if self.params.per_channel else 1
            packed = linear_cost.int8_weight_bytes(linear.in_features, linear.out_features, scales)
            bias = 0 if linear.bias is None else linear.bias.nbytes
            parent, _, child = name.rpartition(".")
            setattr(system.denoiser.get_submodule(parent), child, RowByRow(quantized, linear, packed + bias))
