"""Another sampler on the same denoiser: a different solver of the same equation, at the same number of evaluations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem

SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "dpm-solver++1": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 1}),
    "dpm-solver++2": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "dpm-solver++3": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 3}),
    "sde-dpm-solver++2": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}),
    "unipc2": ("UniPCMultistepScheduler", {"solver_order": 2, "solver_type": "bh2"}),
    "deis2": ("DEISMultistepScheduler", {"algorithm_type": "deis", "solver_order": 2, "solver_type": "logrho"}),
}
"""Name -> the diffusers class and what it is set to; all evaluate the denoiser once per step. Sources: DPM-Solver++
(arXiv 2211.01095; its first order is DDIM), UniPC (arXiv 2302.04867), DEIS (arXiv 2204.13902)."""


class Sampler(Method):
    """Replace the pipeline's scheduler by ``solver``, with the same noise schedule and prediction type."""

    name = "sampler"
    accepts = (DiffusionSystem,)
    changes = ("scheduler",)

    class Params(StrictParams):
        """Parameters of the method."""

        solver: Annotated[
            Literal["dpm-solver++1", "dpm-solver++2", "dpm-solver++3", "sde-dpm-solver++2", "unipc2", "deis2"],
            Field(description="Solver; the digit is its order. `sde-` draws noise at every step."),
        ]

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with another scheduler; raise ``Unsupported`` where its own has no such counterpart."""
        import diffusers

        kind, settings = SOLVERS[self.params.solver]
        before = system.pipeline.scheduler
        if kind not in {other.__name__ for other in before.compatibles}:
            raise Unsupported(f"sampler: {type(before).__name__} cannot be replaced by {kind}")
        system.pipeline.scheduler = getattr(diffusers, kind).from_config(before.config, **settings)
        return system
