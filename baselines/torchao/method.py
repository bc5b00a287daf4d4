"""torchao's quantized linear layers: int8 with ranges at run time, and weights alone in int8 or int4.

Its tensors compute on a CPU with the operators of torch itself: int8 by ``_int_mm``, weights of 8 bits by turning them back
into floats, those of 4 bits by ``_weight_int4pack_mm_for_cpu``. What torchao is for, ``torch.compile`` around it, is left out
here as for every other method.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench_baselines.packages import require_float32_on_cpu, require_packages

Scheme = Literal["int8-dynamic", "int8-weight-only", "int4-weight-only"]
KERNELS: dict[Scheme, tuple[str, ...]] = {
    "int8-dynamic": ("aten::_int_mm",),
    "int8-weight-only": (),  # a product of floats, as without it
    "int4-weight-only": ("aten::_weight_int4pack_mm_for_cpu",),
}


class TorchAo(Method):
    """Quantize the linear layers of the denoiser's blocks by ``torchao.quantization.quantize_``."""

    name = "torchao"
    accepts = (DiffusionSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        scheme: Annotated[
            Scheme, Field(description="W8A8 with a range for each token, or weights alone (W8A32, W4A32).")
        ] = "int8-dynamic"
        group_size: Annotated[
            Literal[32, 64, 128], Field(description="Inputs of a channel that share a scale, of int4-weight-only.")
        ] = 32

    def __init__(self, params: StrictParams | None = None) -> None:
        super().__init__(params)
        self.kernels = KERNELS[self.params.scheme]

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` without torchao, or for its sizes."""
        require_packages(self.name, ("torchao",), "pip install 'effbench[torchao]'")
        require_float32_on_cpu(self.name, system)
        layers = dict(system.linear_layers())
        if self.params.scheme == "int4-weight-only":
            self._require_groups(layers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torchao registers with this torch
            from torchao.quantization import quantize_

            quantize_(system.denoiser, self._config(), filter_fn=lambda _, name: name in layers)
        return system

    def _require_groups(self, layers: dict[str, Any]) -> None:
        """Raise ``Unsupported`` where torchao would leave a layer as it is, and say so in its log alone."""
        size = self.params.group_size
        for name, linear in layers.items():
            if linear.in_features % size:
                raise Unsupported(
                    f"{self.name}: layer {name} has {linear.in_features} inputs, which groups of {size} do not divide"
                )

    def _config(self) -> Any:
        from torchao import quantization

        if self.params.scheme == "int8-dynamic":
            return quantization.Int8DynamicActivationInt8WeightConfig(set_inductor_config=False)
        if self.params.scheme == "int8-weight-only":
            return quantization.Int8WeightOnlyConfig(set_inductor_config=False)
        from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig

        return PrototypeInt4WeightOnlyConfig(group_size=self.params.group_size, set_inductor_config=False)
