"""Any configuration of pruna, as one more row of the table: its methods get our pairing, intervals and isolation."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from effbench.api import Artifact, Method, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench.errors import one_line
from effbench_baselines.packages import require_packages


class Pruna(Method):
    """Hand the pipeline to ``pruna.smash`` with a configuration of the suite, and go on with what it returns."""

    name = "pruna"
    accepts = (DiffusionSystem,)
    changes = ("scheduler", "steps")  # a configuration may do either

    class Params(StrictParams):
        """Parameters of the method."""

        config: Annotated[
            dict[str, Any],
            Field(
                default_factory=dict,
                description="Of ``SmashConfig``: algorithms and their settings, such as {torchao: {}}; must name one.",
            ),
        ]

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with the pipeline that pruna made; raise ``Unsupported`` where pruna cannot, in its words."""
        require_packages(self.name, ("pruna",), "make test-peers installs it into a venv of its own")
        if not self.params.config:
            raise Unsupported(
                f"{self.name}: its configuration names no algorithm; give one, such as config={{torchao: {{}}}}"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                from pruna import SmashConfig, smash

                config = SmashConfig(dict(self.params.config), device=system.device_type)
                made = smash(system.pipeline, config).model  # the pipeline itself: what wraps it tells no class
            except Exception as error:
                asked = ", ".join(self.params.config)
                raise Unsupported(f"{self.name}: refuses {asked} here ({one_line(error)})") from error
        return replace(system, pipeline=made)
