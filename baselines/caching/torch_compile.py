"""``torch.compile`` on the denoiser: the same operators, fused by inductor.

The preparation compiles once, on one calibration sample, and so leaves its code in inductor's cache on disk: the seconds of
the preparation are what compiling costs here, unless that cache had it already. Every process of the cell traces again and
takes the code from there, which is in its first call and its warm-up and in no timed one. Each batch size is compiled for
itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from effbench.api import Artifact, Context, Method, PluginError, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench.errors import one_line


class TorchCompile(Method):
    """Compile the denoiser."""

    name = "torch-compile"
    accepts = (DiffusionSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        mode: Annotated[
            Literal["default", "reduce-overhead", "max-autotune"],
            Field(
                description="Of ``torch.compile``: `reduce-overhead` records CUDA graphs, `max-autotune` tries kernels, too."
            ),
        ] = "default"

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Compile on one calibration sample; raise ``Unsupported`` where no compiler works, in its words."""
        samples = list(ctx.calibration())[:1]
        if not samples:
            raise PluginError("the task gives no calibration sample, on which the compiled denoiser could be tried")
        compiled = self.apply(system, Artifact())
        try:
            ctx.run(compiled, samples, 0)
        except Exception as error:
            raise Unsupported(f"{self.name}: does not compile here ({one_line(error)})") from error
        finally:
            system.denoiser._compiled_call_impl = None  # how nn.Module.compile is taken back
        return Artifact()

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with its denoiser set to compile at its first call."""
        if system.observers:
            raise Unsupported(
                f"{self.name}: an earlier link of the chain changes the denoiser at every call, and each would compile anew"
            )
        in_one_process()
        system.denoiser.compile(dynamic=False, mode=self.params.mode)
        return system


def in_one_process() -> None:
    """Let inductor compile in this process: its pool of workers would outlive the job's own work."""
    from torch._inductor import config

    config.compile_threads = 1
