"""optimum-quanto's weights of 8 or 4 bits, which are turned back into floats for every product: memory, not speed."""

from __future__ import annotations

import warnings
from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench_baselines.packages import require_packages

KERNELS = {8: "quanto::qbytes_mm", 4: "quanto::unpack"}
"""Bits of a weight -> quanto's operator that such a layer runs: the product, or what unpacks two codes of a byte."""


class Quanto(Method):
    """Quantize the weights of the linear layers of the denoiser's blocks by ``optimum.quanto``."""

    name = "quanto"
    accepts = (DiffusionSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        bits: Annotated[
            Literal[8, 4], Field(description="Of a weight: 8 per channel, 4 in groups of 128 inputs or fewer.")
        ] = 8

    def __init__(self, params: StrictParams | None = None) -> None:
        super().__init__(params)
        self.kernels = (KERNELS[self.params.bits],)

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` without the package."""
        require_packages(self.name, ("optimum",), "pip install 'effbench[quanto]'")
        from effbench.kernels.cost import register
        from effbench_baselines.quanto.cost import COSTS

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it registers with this torch
            try:
                from optimum import quanto
            except ImportError:
                raise Unsupported(
                    f"{self.name}: optimum is there without quanto; pip install 'effbench[quanto]'"
                ) from None
        for operator, cost in COSTS.items():
            register(operator, cost)
        weights = {8: quanto.qint8, 4: quanto.qint4}[self.params.bits]
        quanto.quantize(system.denoiser, weights=weights, include=[name for name, _ in system.linear_layers()])
        quanto.freeze(system.denoiser)
        return system
