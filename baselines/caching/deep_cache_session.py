"""DeepCache at work: blocks of a U-Net that run in full, in part or not at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from effbench.caching.session import CacheSession, Forward, wrap
from effbench.diffusion import DenoiserCall, DiffusionSystem

OF_ATTENTION = ("encoder_hidden_states", "cross_attention_kwargs", "attention_mask", "encoder_attention_mask")
"""Arguments that a block passes on to its attention."""


class UnetLayer(NamedTuple):
    """A layer of a U-Net's way down or up: which block, and which of its layers."""

    block: int
    layer: int


def places_of(unet: Any, branch: int) -> tuple[UnetLayer, UnetLayer]:
    """Return where a skip connection leaves the way down and where it enters the way up.

    ``layer`` on the way down counts the outputs of a block that must be computed; block -1 is ``conv_in``.
    """
    down = UnetLayer(-1, 0)
    made = 1  # by conv_in
    for number, block in enumerate(unet.down_blocks):
        outputs = len(block.resnets) + (0 if block.downsamplers is None else len(block.downsamplers))
        if made <= branch < made + outputs:
            down = UnetLayer(number, branch - made + 1)
        made += outputs
    taken = 0
    for number in reversed(range(len(unet.up_blocks))):
        layers = len(unet.up_blocks[number].resnets)
        if taken <= branch < taken + layers:
            return down, UnetLayer(number, layers - 1 - (branch - taken))
        taken += layers
    raise ValueError(f"this U-Net has {taken} skip connections, and none of number {branch}")


class DeepCacheSession(CacheSession):
    """A full run once in ``interval`` runs; in the others what lies below skip ``branch`` is the last full run's."""

    def __init__(self, interval: int, branch: int) -> None:
        super().__init__()
        self.interval, self.branch = interval, branch

    def install(self, system: DiffusionSystem) -> None:
        """Wrap the blocks that do not always run in full."""
        unet = system.denoiser
        self._cached: dict[int, torch.Tensor] = {}
        self._evaluations, self._last = -1, (-1, -1)
        down, up = places_of(unet, self.branch)
        for number, block in enumerate(unet.down_blocks):
            if number >= down.block:
                wrap(block, self._downwards(block, down.layer if number == down.block else 0))
        if unet.mid_block is not None:
            wrap(unet.mid_block, self._skipping)
        for number, block in enumerate(unet.up_blocks):
            if number < up.block:
                wrap(block, self._skipping)
        wrap(unet.up_blocks[up.block], self._upwards(unet.up_blocks[up.block], up.layer))

    def denoiser_runs(self, call: DenoiserCall) -> None:
        """Count evaluations, which may be two runs of the denoiser each."""
        super().denoiser_runs(call)
        here = (call.step.index, call.step.evaluation)
        self._evaluations += here != self._last
        self._last = here

    def call_ends(self) -> None:
        """Forget the features."""
        self._cached = {}
        super().call_ends()

    @property
    def _is_full(self) -> bool:
        return self._evaluations % self.interval == 0

    def _skipping(self, forward: Forward) -> Forward:
        def run(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
            return forward(hidden_states, *args, **kwargs) if self._is_full else hidden_states

        return run

    def _downwards(self, block: Any, wanted: int) -> Any:
        """Return a wrapper that computes the first ``wanted`` outputs of a block; for the others its input stands, unused."""

        def around(forward: Forward) -> Forward:
            def run(hidden_states: Any, temb: Any = None, **kwargs: Any) -> Any:
                if self._is_full:
                    return forward(hidden_states, temb, **kwargs)
                outputs: list[Any] = []
                for number in range(min(wanted, len(block.resnets))):
                    hidden_states = _layer(block, number, hidden_states, temb, kwargs)
                    outputs.append(hidden_states)
                samplers = block.downsamplers or ()
                for sampler in samplers:
                    if wanted > len(block.resnets):
                        hidden_states = sampler(hidden_states)
                outputs += [hidden_states] * (len(block.resnets) + len(samplers) - len(outputs))
                return hidden_states, tuple(outputs)

            return run

        return around

    def _upwards(self, block: Any, first: int) -> Any:
        """Return a wrapper that keeps the feature that comes from below into layer ``first``, and starts there otherwise."""

        def around(forward: Forward) -> Forward:
            def run(
                hidden_states: Any,
                res_hidden_states_tuple: Any,
                temb: Any = None,
                upsample_size: Any = None,
                **kwargs: Any,
            ) -> Any:
                assert self.call is not None
                number, skips = self.call.number, res_hidden_states_tuple[::-1]
                if not self._is_full:
                    hidden_states = self._cached[number]
                for layer in range(0 if self._is_full else first, len(block.resnets)):
                    if layer == first:
                        self._cached[number] = hidden_states
                    joined = torch.cat([hidden_states, skips[layer]], dim=1)
                    hidden_states = _layer(block, layer, joined, temb, kwargs)
                for sampler in block.upsamplers or ():
                    hidden_states = sampler(hidden_states, upsample_size)
                return hidden_states

            return run

        return around


def _layer(block: Any, number: int, hidden_states: Any, temb: Any, given: dict[str, Any]) -> Any:
    """Return the output of a block's residual layer, and of its attention where it has some."""
    hidden_states = block.resnets[number](hidden_states, temb)
    if not getattr(block, "has_cross_attention", False):
        return hidden_states
    passed = {name: given.get(name) for name in OF_ATTENTION}
    return block.attentions[number](hidden_states, **passed, return_dict=False)[0]
