"""Hooks for the time of one sampling call: put on when it begins, all gone when it ends, by error too."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from effbench.api import System
from effbench.diffusion import DenoiserCall, DiffusionSystem, SamplingObserver

Forward = Callable[..., Any]


class CacheSession(SamplingObserver):
    """A caching method's hooks; a subclass puts them on in ``install`` and keeps its caches in what it makes there."""

    def __init__(self) -> None:
        self.computed_shares: tuple[float, ...] = ()
        """Share of layers' evaluations that really computed, for each calibration sample."""
        self.call: DenoiserCall | None = None
        """The run of the denoiser that is under way."""
        self._stack = ExitStack()

    @abstractmethod
    def install(self, system: DiffusionSystem) -> None:
        """Change ``forward`` of modules of the denoiser; all of it is undone when the call ends."""

    def call_begins(self, system: System) -> None:
        """Put the hooks on."""
        assert isinstance(system, DiffusionSystem)
        self._stack = ExitStack()
        self._stack.enter_context(untouched_after(system.denoiser))
        self.install(system)

    def denoiser_runs(self, call: DenoiserCall) -> None:
        """Remember where sampling is."""
        self.call = call

    def call_ends(self) -> None:
        """Take the hooks off, and their caches with them."""
        self._stack.close()
        self.call = None

    @property
    def timestep(self) -> float:
        """Return the noise level of the run that is under way, as the scheduler counts it."""
        assert self.call is not None
        return self.call.step.timestep


def wrap(module: Any, around: Callable[[Forward], Forward]) -> None:
    """Replace a module's ``forward`` by what ``around`` makes of it."""
    module.forward = around(module.forward)


@contextmanager
def untouched_after(denoiser: Any) -> Iterator[None]:
    """Give every module its own ``forward`` back afterwards, and take diffusers' hooks and their registries off."""
    before = []
    for module in denoiser.modules():
        registry = vars(module).get("_diffusers_hook")
        before.append((module, vars(module).get("forward"), registry, set(registry.hooks) if registry else set()))
    try:
        yield
    finally:
        for module, forward, registry, hooks in before:
            if registry is not None:  # someone else's, such as off-loading
                for name in registry.hooks.keys() - hooks:
                    registry.remove_hook(name, recurse=False)
            elif "_diffusers_hook" in vars(module):
                del module._diffusers_hook
            if forward is not None:
                module.forward = forward
            else:
                vars(module).pop("forward", None)
