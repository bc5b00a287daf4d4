"""NVIDIA's Model Optimizer, on its own kind of device: per-channel weights, activations in ranges of a calibration.

In torch it computes with rounded floats; what is fast is an engine that TensorRT builds of its export. Hence simulated.
"""

from __future__ import annotations

import copy
import warnings
from typing import Annotated, Any, Literal

from pydantic import Field

from effbench.api import Artifact, Context, Execution, Method, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench_baselines.packages import require_cuda, require_packages

CONFIGS = {"int8": "INT8_DEFAULT_CFG", "fp8": "FP8_DEFAULT_CFG"}
"""Scheme -> Model Optimizer's configuration."""


class ModelOpt(Method):
    """Quantize the linear layers of the denoiser's blocks by ``modelopt.torch.quantization``."""

    name = "modelopt"
    accepts = (DiffusionSystem,)
    tied_to = ("model", "revision", "steps")

    class Params(StrictParams):
        """Parameters of the method."""

        scheme: Annotated[Literal["int8", "fp8"], Field(description="Type of weights and activations.")] = "int8"

    def execution(self) -> Execution:
        """Return "simulated"."""
        return "simulated"

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Return the range of every quantizer, from a run of the calibration samples."""
        self._require(system)
        layers = system.linear_layers()
        samples = ctx.calibration()
        self._insert(system, lambda _: ctx.run(system, samples, ctx.seed))
        return Artifact(
            {
                f"{name}.{quantizer}": getattr(layer, quantizer).amax.detach().float().cpu().numpy()
                for name, layer in layers
                for quantizer in ("input_quantizer", "weight_quantizer")
            }
        )

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` without the package or a GPU."""
        import torch

        self._require(system)
        names = [name for name, _ in system.linear_layers()]
        self._insert(system, None)
        for name in names:
            layer = system.denoiser.get_submodule(name)
            for quantizer in ("input_quantizer", "weight_quantizer"):
                getattr(layer, quantizer).amax = torch.as_tensor(artifact.tensors[f"{name}.{quantizer}"]).to(
                    layer.weight
                )
        return system

    def _require(self, system: DiffusionSystem) -> None:
        require_packages(self.name, ("modelopt",), "pip install 'effbench[modelopt]'")
        require_cuda(self.name, system)

    def _insert(self, system: DiffusionSystem, forward: Any) -> None:
        """Put quantizers before the layers that may be quantized; calibrate them where ``forward`` runs the network."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that it was not tested with
            import modelopt.torch.quantization as mtq

            config = copy.deepcopy(getattr(mtq, CONFIGS[self.params.scheme]))
            config["algorithm"] = "max" if forward is not None else None
            config["quant_cfg"] = [
                {"quantizer_name": "*", "enable": False},
                *(
                    {"quantizer_name": f"{name}.{part['quantizer_name'].removeprefix('*')}", "cfg": part["cfg"]}
                    for name, _ in system.linear_layers()
                    for part in config["quant_cfg"]
                    if "cfg" in part
                ),
            ]
            mtq.quantize(system.denoiser, config, forward)
