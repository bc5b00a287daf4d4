"""A method that is a recipe: what ViDiT-Q and its peers have in common. Free of torch at import."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from effbench.api import Artifact, Context, Execution, Fact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench.quantization.recipe import Recipe, execution_of
from effbench.quantization.schemes import UNQUANTIZED, kernel_of


class RecipeMethod(Method):
    """Quantize a denoiser as a recipe says: real where kernels compute all of it, else simulated."""

    accepts = (DiffusionSystem,)
    tied_to: tuple[str, ...] = ("model", "revision")

    def __init__(self, params: StrictParams | None = None) -> None:
        """Say which kernels have to be seen to run."""
        super().__init__(params)
        recipe = self.recipe()
        if self.execution() == "real":
            found = {kernel_of(bits, recipe.activation, recipe.weight.group) for bits in self.weight_bits()}
            self.kernels = tuple(f"linear_{kernel}/*" for kernel in sorted(filter(None, found)))
        if recipe.ranges > 1:
            self.tied_to = (*self.tied_to, "scheduler", "steps")

    @abstractmethod
    def recipe(self) -> Recipe:
        """Return what the parameters ask for; raise ``ValueError`` or ``PluginError`` where it makes no sense."""

    def weight_bits(self) -> tuple[int, ...]:
        """Return the bit-widths that linear layers' weights may have."""
        return (self.recipe().weight.bits,)

    def execution(self) -> Execution:
        """Return "real" where kernels compute all of the recipe, unless the parameters ask for simulation."""
        return (
            "simulated" if getattr(self.params, "simulate", False) else execution_of(self.recipe(), self.weight_bits())
        )

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Calibrate, transform and round; the plan lists every layer, and those that are left in float."""
        from effbench.quantization import preparing

        return preparing.prepare(system, ctx, self.recipe())

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser changed in place; raise ``Unsupported`` where kernels take no such floats."""
        import torch

        from effbench.quantization.applying import apply

        if self.execution() == "real" and system.device_type == "cpu" and system.dtype != torch.float32:
            raise Unsupported(
                f"{self.name}: the integer kernels of a CPU take float32, not {system.dtype}; set simulate: true"
            )
        return apply(system, artifact, self.execution(), getattr(self.params, "fused", True))

    def facts(self, system: DiffusionSystem) -> Mapping[str, Fact | float]:
        """Return mean bits and bytes of the weights, how many layers stay in float, and the bits of activations."""
        from effbench.quantization.facts import weight_facts

        return {**weight_facts(system.denoiser), "activation_bits": Fact(self._activation_bits(system), "bit")}

    def _activation_bits(self, system: DiffusionSystem) -> int:
        """Return the bits of activation codes: what was asked for, or what a processor's kernels multiply exactly."""
        from effbench.kernels.isa import activation_bits

        activation = self.recipe().activation
        if not activation.is_on:
            return UNQUANTIZED
        is_on_processor = self.execution() == "real" and system.device_type == "cpu"
        return min(activation.bits, activation_bits()) if is_on_processor else activation.bits
