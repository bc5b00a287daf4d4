"""The polynomial of TeaCache, fitted on calibration samples: from the change of the input to that of the output."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from effbench.api import Context, PluginError
from effbench.caching.session import CacheSession, Forward, wrap
from effbench.diffusion import DiffusionSystem
from effbench_baselines.caching.teacache_session import BLOCKS, modulated_input, relative_l1


class Changes(CacheSession):
    """Collects (relative change of the modulated input, of the denoiser's output) of one sample's successive evaluations."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[float, float]] = []

    def install(self, system: DiffusionSystem) -> None:
        """Watch the first block and the denoiser."""
        first = getattr(system.denoiser, BLOCKS[0])[0]
        self._inputs: dict[int, torch.Tensor] = {}
        self._seen: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        wrap(first, lambda forward: self._seeing_input(first, forward))
        wrap(system.denoiser, self._seeing_output)

    def call_ends(self) -> None:
        """Forget the tensors."""
        self._inputs, self._seen = {}, {}
        super().call_ends()

    def _seeing_input(self, block: Any, forward: Forward) -> Forward:
        parameters = inspect.signature(type(block).forward)

        def run(*args: Any, **kwargs: Any) -> Any:
            assert self.call is not None
            given = parameters.bind(block, *args, **kwargs).arguments
            self._inputs[self.call.number] = modulated_input(block, given)
            return forward(*args, **kwargs)

        return run

    def _seeing_output(self, forward: Forward) -> Forward:
        def run(*args: Any, **kwargs: Any) -> Any:
            result = forward(*args, **kwargs)
            assert self.call is not None
            number, out = self.call.number, result[0]
            now = self._inputs[number], out
            if number in self._seen:
                before = self._seen[number]
                self.points.append((relative_l1(now[0], before[0]), relative_l1(now[1], before[1])))
            self._seen[number] = now
            return result

        return run


def fitted(system: DiffusionSystem, ctx: Context, samples: int, degree: int) -> Mapping[str, Any]:
    """Return ``coefficients`` (highest power first), the least-squares error of the fit and the range of its inputs."""
    changes = Changes()
    given = list(ctx.calibration())[:samples]
    for number, sample in enumerate(given):
        ctx.progress(number, len(given), "fitting the polynomial")
        ctx.run(system.observed_by(changes), [sample], 0)
    if len(changes.points) <= degree:
        raise PluginError(
            f"teacache: {len(given)} calibration samples of {system.steps} steps give {len(changes.points)} changes, too few "
            f"for a polynomial of degree {degree}; give more samples"
        )
    x, y = np.asarray(changes.points, np.float64).T
    coefficients = np.polyfit(x, y, degree)
    error = float(np.sqrt(np.mean((np.polyval(coefficients, x) - y) ** 2)))
    return {
        "coefficients": coefficients.tolist(),
        "rms_error": error,
        "fitted_from": float(x.min()),
        "fitted_to": float(x.max()),
    }
