"""cache-dit for the time of one call: enabled, switched from sample to sample, and taken off without a trace."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

from effbench.caching.by_sample import by_sample
from effbench.caching.session import CacheSession, wrap
from effbench.diffusion import DiffusionSystem


class Refused(Exception):
    """The package cannot work on this denoiser; its own error is the cause."""


class CacheDitSession(CacheSession):
    """``settings`` are the method's parameters."""

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings
        self._undo: Callable[[], None] | None = None
        self._contexts: dict[tuple[int, int], list[Any]] = {}

    def install(self, system: DiffusionSystem) -> None:
        """Enable the cache; raise ``Refused`` where the package does."""
        denoiser = system.denoiser
        attributes, modules = set(vars(denoiser)), dict(denoiser._modules)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cache_dit

            for handler in logging.getLogger("CACHE_DIT").handlers:  # says ten lines a call
                handler.setLevel(logging.ERROR)
            try:
                cache_dit.enable_cache(denoiser, **self._configs(system))
            except Exception as error:
                raise Refused(str(error)) from error

        def undo() -> None:
            cache_dit.disable_cache(denoiser)
            denoiser._modules.clear()  # the package adds one to DiT's, and changes their order
            denoiser._modules.update(modules)
            for name in vars(denoiser).keys() - attributes - {"forward"}:
                del vars(denoiser)[name]

        self._undo, self._contexts = undo, {}
        wrap(
            denoiser,
            lambda forward: by_sample(
                forward, lambda: self.call, lambda number, run: self._within(system, number, run)
            ),
        )

    def call_ends(self) -> None:
        """Take everything off."""
        if self._undo is not None:
            self._undo()
        self._undo, self._contexts = None, {}
        super().call_ends()

    def _configs(self, system: DiffusionSystem) -> dict[str, Any]:
        """Return what one context is made of; guided calls have contexts of their own, not the package's counting."""
        import cache_dit

        given = self.settings
        cache = cache_dit.DBCacheConfig(
            Fn_compute_blocks=given.first_blocks,
            Bn_compute_blocks=given.last_blocks,
            residual_diff_threshold=given.threshold,
            max_warmup_steps=given.warmup_steps,
            enable_separate_cfg=False,
        )
        if given.taylor_order is None:
            return {"cache_config": cache}
        return {
            "cache_config": cache,
            "calibrator_config": cache_dit.TaylorSeerCalibratorConfig(taylorseer_order=given.taylor_order),
        }

    def _within(self, system: DiffusionSystem, number: int, run: Callable[[], Any]) -> Any:
        """Return what ``run`` gives with the contexts of a sample and of the guided call that is under way."""
        assert self.call is not None
        manager, key = system.denoiser._context_manager, (self.call.number, number)
        if key not in self._contexts:
            names = system.denoiser._context_names
            self._contexts[key] = [manager.new_context(name=name, **self._configs(system)) for name in names]
        for context in self._contexts[key]:
            # Blocks ask for their context by name, and the package has no call that puts an earlier one back under its name.
            manager._cached_context_manager[context.name] = context
        return run()
