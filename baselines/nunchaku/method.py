"""Nunchaku, the engine of SVDQuant (Li et al. 2025): 4-bit weights and activations with a low-rank branch, on an NVIDIA GPU.

It runs weights that its own tools quantized, and only of networks that it has an engine for; of the pipelines here that is
SDXL's U-Net. Its wheels are published with its releases; the package of that name on PyPI is another project.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench_baselines.packages import require_cuda, require_packages

ENGINES = {"UNet2DConditionModel": "NunchakuSDXLUNet2DConditionModel"}
"""Class of a denoiser -> Nunchaku's class that runs it."""
INSTALL = (
    "install a wheel of its releases (github.com/nunchaku-ai/nunchaku); PyPI's package of that name is another project"
)


class Nunchaku(Method):
    """Put Nunchaku's engine with quantized weights in the denoiser's place."""

    name = "nunchaku"
    accepts = (DiffusionSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        weights: Annotated[
            str | None,
            Field(description="Weights that Nunchaku's tools quantized: a file, or owner/name/file of the hub."),
        ] = None

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with Nunchaku's denoiser; raise ``Unsupported`` without it, a GPU, its engine or weights."""
        require_packages(self.name, ("nunchaku",), INSTALL)
        if not _is_the_engine():
            raise Unsupported(f"{self.name}: the installed package 'nunchaku' is not the engine; {INSTALL}")
        require_cuda(self.name, system)
        found = type(system.denoiser).__name__
        if found not in ENGINES:
            raise Unsupported(f"{self.name}: has no engine for {found}; it has for: {', '.join(ENGINES)}")
        if self.params.weights is None:
            raise Unsupported(f"{self.name}: runs weights that its own tools quantized; name them as weights=")
        import nunchaku

        engine = getattr(nunchaku, ENGINES[found])
        system.pipeline.unet = engine.from_pretrained(self.params.weights).to(system.denoiser.device)
        return system


def _is_the_engine() -> bool:
    """Return whether the installed package is Nunchaku the engine, told by its folder of models without importing it."""
    spec = find_spec("nunchaku")
    folders = spec.submodule_search_locations if spec is not None else None
    return any((Path(folder) / "models").is_dir() for folder in folders or ())
