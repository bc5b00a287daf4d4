"""A transformer trained by variational Monte Carlo, with the sampler, engines and trainer of ``nqs-made``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Method, PluginError
from effbench.tasks.vmc_energy.settings import NeuralState
from effbench.tasks.vmc_energy.system import SolverSystem


class NqsTransformer(Method):
    """Train a causal transformer from scratch on each molecule and return its energy."""

    name = "nqs-transformer"
    accepts = (SolverSystem,)

    class Params(NeuralState):
        """Parameters of the network, beside those of its training."""

        optimiser: Literal["adam"] = Field(
            "adam", description="minSR's Gram matrix is made for layers that see a sample once."
        )
        rate: Annotated[float, Field(gt=0, description="Learning rate.")] = 3e-3
        width: Annotated[int, Field(ge=1, description="Width of the stream.")] = 32
        heads: Annotated[int, Field(ge=1, description="Heads of attention; they divide the width.")] = 4
        layers: Annotated[int, Field(ge=1, description="Blocks of attention and perceptron.")] = 2
        phase_width: Annotated[int, Field(ge=1, description="Hidden units of the phase net, per layer.")] = 64
        phase_depth: Annotated[int, Field(ge=0, description="Hidden layers of the phase net.")] = 2
        hf_bias: Annotated[float, Field(description="Logit added to Hartree-Fock's tokens at the start.")] = 3.0

    def apply(self, system: SolverSystem, artifact: Artifact) -> SolverSystem:
        """Return a solver that trains this network; raise ``PluginError`` where its heads do not divide its width."""
        from effbench.tasks.vmc_energy.vmc import trained
        from effbench_baselines.nqs_transformer.transformer import Transformer

        if self.params.width % self.params.heads:
            raise PluginError(
                f"nqs-transformer: width {self.params.width} cannot be split over {self.params.heads} heads; "
                f"choose a multiple of {self.params.heads}"
            )
        return SolverSystem(trained(Transformer, self.params))
