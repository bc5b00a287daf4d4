"""The hooks of those caches of diffusers that keep their state by cache context."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from diffusers import CacheMixin
from diffusers.hooks import (
    FirstBlockCacheConfig,
    HookRegistry,
    MagCacheConfig,
    TaylorSeerCacheConfig,
    apply_first_block_cache,
    apply_mag_cache,
    apply_taylorseer_cache,
)
from diffusers.models.attention import FeedForward

from effbench.caching.by_sample import by_sample
from effbench.caching.session import CacheSession, Forward, wrap
from effbench.diffusion import DiffusionSystem
from effbench_baselines.caching.diffusers_hooks import STACKS, exactly


class ContextSession(CacheSession):
    """Runs the denoiser in a cache context of its own for each guided call, which is how diffusers keeps caches apart."""

    def in_contexts(self, denoiser: Any) -> None:
        """Wrap a denoiser that has its hooks on already."""
        HookRegistry.check_if_exists_or_initialize(denoiser).invalidate_child_registries_cache()

        def around(forward: Forward) -> Forward:
            return lambda *args, **kwargs: self.within(denoiser, 0, lambda: forward(*args, **kwargs))

        wrap(denoiser, around)

    def within(self, denoiser: Any, sample: int, run: Callable[[], Any]) -> Any:
        """Return what ``run`` gives in the context of a sample and of the guided call that is under way."""
        assert self.call is not None
        with CacheMixin.cache_context(denoiser, f"call {self.call.number} sample {sample}"):
            return run()


class FirstBlockSession(ContextSession):
    """First Block Cache, sample by sample."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def install(self, system: DiffusionSystem) -> None:
        """Put the hooks on the blocks, and split the batch around them."""
        denoiser = system.denoiser
        apply_first_block_cache(denoiser, FirstBlockCacheConfig(threshold=self.threshold))
        HookRegistry.check_if_exists_or_initialize(denoiser).invalidate_child_registries_cache()
        wrap(
            denoiser,
            lambda forward: by_sample(
                forward, lambda: self.call, lambda number, run: self.within(denoiser, number, run)
            ),
        )


class TaylorSession(ContextSession):
    """TaylorSeer on every attention and feed-forward layer."""

    def __init__(self, interval: int, first: int, order: int) -> None:
        super().__init__()
        self.interval, self.first, self.order = interval, first, order

    def install(self, system: DiffusionSystem) -> None:
        """Put the hooks on the layers."""
        layers = [layer.name for layer in system.attention_layers()]
        layers += [name for name, module in system.denoiser.named_modules() if isinstance(module, FeedForward)]
        config = TaylorSeerCacheConfig(
            cache_interval=self.interval,
            disable_cache_before_step=self.first,
            max_order=self.order,
            taylor_factors_dtype=system.dtype,
            cache_identifiers=list(exactly(layers)),
        )
        apply_taylorseer_cache(system.denoiser, config)
        self.in_contexts(system.denoiser)


class MagnitudeSession(ContextSession):
    """MagCache with the ratios of this model."""

    def __init__(self, ratios: Sequence[float], threshold: float, max_skip_steps: int, retention_ratio: float) -> None:
        super().__init__()
        self.ratios = tuple(ratios)
        self.settings: Mapping[str, Any] = {
            "threshold": threshold, "max_skip_steps": max_skip_steps, "retention_ratio": retention_ratio,
        }  # fmt: skip

    def install(self, system: DiffusionSystem) -> None:
        """Put the hooks on the blocks."""
        config = MagCacheConfig(mag_ratios=list(self.ratios), num_inference_steps=len(self.ratios), **self.settings)
        apply_mag_cache(system.denoiser, config)
        self.in_contexts(system.denoiser)


class MagnitudeRatios(ContextSession):
    """Collects the ratios of every call that it observes, one row a guided call, in diffusers' calibration mode."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[float]] = []
        self._state_manager: Any = None

    def means(self) -> list[float]:
        """Return the mean ratio of each evaluation over all calls, [evaluations]."""
        return [float(mean) for mean in np.asarray(self.rows, np.float64).mean(0)]

    def install(self, system: DiffusionSystem) -> None:
        """Put the hooks on the blocks; a run without an end keeps diffusers from printing and forgetting the ratios."""
        apply_mag_cache(system.denoiser, MagCacheConfig(calibrate=True, num_inference_steps=sys.maxsize))
        self.in_contexts(system.denoiser)
        first = next(getattr(system.denoiser, stack) for stack in STACKS if hasattr(system.denoiser, stack))[0]
        hooks = HookRegistry.check_if_exists_or_initialize(first).hooks.values()
        self._state_manager = next(hook.state_manager for hook in hooks if hasattr(hook, "state_manager"))

    def call_ends(self) -> None:
        """Keep the ratios and take the hooks off."""
        if self._state_manager is not None:
            states = self._state_manager._state_cache.values()
            self.rows += [list(state.calibration_ratios) for state in states]
        self._state_manager = None
        super().call_ends()
