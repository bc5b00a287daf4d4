"""TeaCache at work: what decides at the first block, and what skips from there to the last norm."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from effbench.caching.by_sample import by_sample
from effbench.caching.session import CacheSession, Forward, wrap
from effbench.diffusion import DiffusionSystem

BLOCKS = ("transformer_blocks", "temporal_transformer_blocks")
"""Lists of blocks that run between the first block's input and ``norm_out``."""
NORMS = ("ada_norm_single", "ada_norm_zero")
"""Kinds of blocks (PixArt's and Latte's, DiT's) whose modulated input is known here."""


@dataclass
class TeaCacheState:
    """What is known of one sample, of one guided call: tensors are in the layout of the first block's input."""

    modulated: torch.Tensor | None = None
    expected_change: float = 0.0
    block_input: torch.Tensor | None = None
    residual: torch.Tensor | None = None
    skips: bool = False


class TeaCacheSession(CacheSession):
    """``coefficients`` of the polynomial come highest power first."""

    def __init__(self, threshold: float, coefficients: Sequence[float]) -> None:
        super().__init__()
        self.threshold, self.coefficients = threshold, tuple(coefficients)

    def install(self, system: DiffusionSystem) -> None:
        """Wrap the blocks, the norm after them, and the denoiser."""
        denoiser = system.denoiser
        self._states: dict[tuple[int, int], TeaCacheState] = defaultdict(TeaCacheState)
        self._now = TeaCacheState()
        first, *others = [block for stack in BLOCKS for block in getattr(denoiser, stack, ())]
        wrap(first, lambda forward: self._deciding(first, forward))
        for block in others:
            wrap(block, self._skipping)
        wrap(denoiser.norm_out, self._adding)
        wrap(denoiser, lambda forward: by_sample(forward, lambda: self.call, self._as_sample))

    def call_ends(self) -> None:
        """Forget everything."""
        self._states, self._now = {}, TeaCacheState()
        super().call_ends()

    def _as_sample(self, number: int, run: Callable[[], Any]) -> Any:
        assert self.call is not None
        self._now = self._states[self.call.number, number]
        return run()

    def _deciding(self, block: Any, forward: Forward) -> Forward:
        parameters = inspect.signature(type(block).forward)

        def run(*args: Any, **kwargs: Any) -> Any:
            given = parameters.bind(block, *args, **kwargs).arguments
            self._now.block_input = given["hidden_states"]
            self._decide(modulated_input(block, given))
            return self._now.block_input if self._now.skips else forward(*args, **kwargs)

        return run

    def _decide(self, modulated: torch.Tensor) -> None:
        assert self.call is not None
        state, step = self._now, self.call.step
        if state.modulated is not None:
            change = relative_l1(modulated, state.modulated)
            state.expected_change += max(0.0, float(np.polyval(self.coefficients, change)))
        state.modulated = modulated
        within = state.residual is not None and state.expected_change < self.threshold
        state.skips = within and 0 < step.index < step.count - 1
        if not state.skips:
            state.expected_change = 0.0

    def _skipping(self, forward: Forward) -> Forward:
        def run(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
            return hidden_states if self._now.skips else forward(hidden_states, *args, **kwargs)

        return run

    def _adding(self, forward: Forward) -> Forward:
        def run(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
            state = self._now
            assert state.block_input is not None
            if not state.skips:
                state.residual = hidden_states - state.block_input
                return forward(hidden_states, *args, **kwargs)
            assert state.residual is not None
            # What came through the skipped blocks may hold Latte's temporal embedding, which the residual has already.
            return forward(state.block_input + state.residual, *args, **kwargs)

        return run


def modulated_input(block: Any, given: dict[str, Any]) -> torch.Tensor:
    """Return what a block's self-attention gets, of its arguments by name: the norm, scaled and shifted by the timestep."""
    hidden_states, timestep = given["hidden_states"], given["timestep"]
    if block.norm_type == "ada_norm_zero":
        found: torch.Tensor = block.norm1(
            hidden_states, timestep, given["class_labels"], hidden_dtype=hidden_states.dtype
        )[0]
        return found
    shift, scale = (block.scale_shift_table[None] + timestep.reshape(len(hidden_states), 6, -1))[:, :2].unbind(1)
    modulated: torch.Tensor = block.norm1(hidden_states) * (1 + scale[:, None]) + shift[:, None]
    return modulated


def relative_l1(now: torch.Tensor, before: torch.Tensor) -> float:
    """Return mean |now - before| over mean |before|."""
    return float((now - before).abs().mean() / before.abs().mean())
