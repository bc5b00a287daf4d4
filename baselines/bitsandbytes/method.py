"""bitsandbytes' linear layers on an NVIDIA GPU: int8 with a range for each token (LLM.int8()), or weights in 4-bit NF4.

LLM.int8() also multiplies columns of outliers apart, in half precision, and finds them over everything that it is given; here
it does not (a threshold of 0), since a batch must not change an image.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench_baselines.packages import require_cuda, require_packages


class BitsAndBytes(Method):
    """Replace the linear layers of the denoiser's blocks by bitsandbytes'."""

    name = "bitsandbytes"
    accepts = (DiffusionSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        scheme: Annotated[Literal["int8", "nf4"], Field(description="W8A8 by LLM.int8(), or weights in NF4 alone.")] = (
            "int8"
        )

    def __init__(self, params: StrictParams | None = None) -> None:
        super().__init__(params)
        self.kernels = {"int8": ("bitsandbytes::int8*",), "nf4": ("bitsandbytes::*4bit*",)}[self.params.scheme]

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` without the package or a GPU."""
        require_packages(self.name, ("bitsandbytes",), "pip install 'effbench[bitsandbytes]'")
        require_cuda(self.name, system)
        for name, linear in system.linear_layers():
            parent, _, child = name.rpartition(".")
            setattr(system.denoiser.get_submodule(parent), child, self.layer(linear))
        return system

    def layer(self, linear: Any) -> Any:
        """Return bitsandbytes' layer in place of an ``nn.Linear``; moving it to its device is what quantizes it."""
        import bitsandbytes as bnb

        has_bias = linear.bias is not None
        if self.params.scheme == "int8":
            made = bnb.nn.Linear8bitLt(
                linear.in_features, linear.out_features, has_bias, has_fp16_weights=False, threshold=0.0
            )
            made.weight = bnb.nn.Int8Params(linear.weight.data.cpu(), requires_grad=False, has_fp16_weights=False)
        else:
            made = bnb.nn.LinearNF4(
                linear.in_features, linear.out_features, has_bias, compute_dtype=linear.weight.dtype
            )
            made.weight = bnb.nn.Params4bit(linear.weight.data.cpu(), requires_grad=False, quant_type="nf4")
        made.bias = linear.bias
        return made.to(linear.weight.device).eval()
