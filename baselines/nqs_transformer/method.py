"""A transformer trained by variational Monte Carlo, with the sampler, engines and trainer of ``nqs-made``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from effbench.api import Artifact, Method, PluginError
from effbench.tasks.vmc_energy.settings import NeuralState, Orbitals
from effbench.tasks.vmc_energy.system import SolverSystem

if TYPE_CHECKING:
    from effbench.kernels.local_energy.integrals import Integrals
    from effbench.tasks.vmc_energy.ansatz import Autoregressive


class NqsTransformer(Method):
    """Train a causal transformer from scratch on each molecule and return its energy."""

    name = "nqs-transformer"
    accepts = (SolverSystem,)

    class Params(NeuralState):
        """Parameters of the network, beside those of its training."""

        optimiser: Literal["adam"] = Field(
            "adam", description="minSR's Gram matrix is made for layers that see a sample once."
        )
        rate: Annotated[float | None, Field(gt=0, description="Learning rate; null: 0.003.")] = None
        width: Annotated[int, Field(ge=1, description="Width of the stream.")] = 32
        heads: Annotated[int, Field(ge=1, description="Heads of attention; they divide the width.")] = 4
        layers: Annotated[int, Field(ge=1, description="Blocks of attention and perceptron.")] = 2
        phase_width: Annotated[int, Field(ge=1, description="Hidden units of the phase net, per layer.")] = 64
        phase_depth: Annotated[int, Field(ge=0, description="Hidden layers of the phase net.")] = 2
        hf_bias: Annotated[float, Field(description="Logit added to Hartree-Fock's tokens at the start.")] = 3.0

    def apply(self, system: SolverSystem, artifact: Artifact) -> SolverSystem:
        """Return a solver that trains this network; raise ``PluginError`` where its heads do not divide its width."""
        from effbench.tasks.vmc_energy.vmc import VariationalMonteCarlo

        if self.params.width % self.params.heads:
            raise PluginError(
                f"nqs-transformer: width {self.params.width} cannot be split over {self.params.heads} heads; "
                f"choose a multiple of {self.params.heads}"
            )
        training, orbitals, network = self.params.parts()
        training = training.model_copy(update={"rate": training.rate or RATE})
        return SolverSystem(VariationalMonteCarlo(partial(_made, orbitals=orbitals, network=network), training))


RATE = 3e-3


def _made(integrals: Integrals, seed: int, *, orbitals: Orbitals, network: dict[str, Any]) -> Autoregressive:
    from effbench.tasks.vmc_energy.orders import order_of
    from effbench.tasks.vmc_energy.symmetry import parities
    from effbench_baselines.nqs_transformer.transformer import Transformer

    labels = parities(integrals) if orbitals.symmetry == "point-group" else None
    return Transformer(integrals, order_of(orbitals.order, integrals), seed, labels=labels, **network)
