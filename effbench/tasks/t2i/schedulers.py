"""Another scheduler than a pipeline's own: a paper's, where the model came with a different one."""

from __future__ import annotations

import inspect
from typing import Any, Literal, get_args

from effbench.api import PluginError
from effbench.errors import nearest

SchedulerName = Literal[
    "DDIMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
]
"""Classes of diffusers that take each other's configuration, add no noise between steps and start from noise of variance 1.

DiT's pipeline gives its scheduler no generator and never scales the first latent, so that others sample wrongly there."""


def scheduler_of(before: Any, name: SchedulerName) -> Any:
    """Return a scheduler of another class with a pipeline's noise schedule and prediction type.

    Raises ``PluginError`` where the pipeline's own is of a kind that the class does not stand in for: another family, or one
    that integrates a flow where the class cannot.
    """
    import diffusers

    names = {kind.__name__ for kind in before.compatibles} & {*get_args(SchedulerName)}
    if before.config.get("use_flow_sigmas"):
        names = {kind for kind in names if "use_flow_sigmas" in inspect.signature(getattr(diffusers, kind)).parameters}
    names |= {type(before).__name__}
    if name not in names:
        raise PluginError(f"scheduler {name!r}: cannot take the place of {type(before).__name__}{nearest(name, names)}")
    return getattr(diffusers, name).from_config(before.config)
