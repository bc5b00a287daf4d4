"""What the five adapters of diffusers' caches share: named layers, contexts for models that lack them, and a quiet log.

diffusers' ``CacheMixin`` is no base of PixArt, DiT or U-Nets, and some pipelines never enter a cache context. Its functions
``apply_*`` work on any module all the same, and so does ``CacheMixin.cache_context``, which is why they are called here
directly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from effbench.api import Unsupported
from effbench.diffusion import AttentionLayer, DiffusionSystem

STACKS = ("transformer_blocks", "temporal_transformer_blocks", "blocks")
"""Names of a transformer's lists of blocks, of the models that the diffusion tasks know."""


def attention_of(system: DiffusionSystem) -> dict[str, list[AttentionLayer]]:
    """Return the attention layers as "spatial" (self and joint), "temporal" and "cross"."""
    found: dict[str, list[AttentionLayer]] = {"spatial": [], "temporal": [], "cross": []}
    for layer in system.attention_layers():
        within = "temporal" if layer.name.startswith("temporal_") else "spatial"
        found["cross" if layer.kind == "cross" else within].append(layer)
    return found


def exactly(names: Sequence[str]) -> tuple[str, ...]:
    """Return regular expressions that match these qualified names and no other."""
    return tuple(f"^{re.escape(name)}$" for name in names)


def require_one_stack(method: str, denoiser: Any) -> None:
    """Raise ``Unsupported`` unless the denoiser is one list of two blocks or more, of a class that diffusers has registered.

    What subtracts the first block's output from the last one's needs both in one layout. diffusers takes all lists one after
    the other; Latte alternates between two, over frames and over tokens.
    """
    from diffusers.hooks._helpers import TransformerBlockRegistry

    stacks = [name for name in STACKS if hasattr(denoiser, name)]
    kind = type(denoiser).__name__
    if not stacks:
        raise Unsupported(f"{method}: {kind} is no stack of transformer blocks, whose first and last one it compares")
    if len(stacks) > 1:
        raise Unsupported(
            f"{method}: {kind} alternates between blocks over frames and over tokens, and diffusers' hooks subtract the "
            "first one's output from the last one's, which is laid out otherwise"
        )
    blocks = getattr(denoiser, stacks[0])
    if len(blocks) < 2:
        raise Unsupported(f"{method}: {kind} has one block, and none after it that could be skipped")
    try:
        TransformerBlockRegistry.get(type(blocks[0]))
    except ValueError:
        raise Unsupported(f"{method}: diffusers does not know how {type(blocks[0]).__name__} is called") from None


def evaluations_of(system: DiffusionSystem) -> list[float]:
    """Return the noise level of every evaluation of a run, as the scheduler counts them; the system's own stays untouched."""
    import copy

    scheduler = copy.deepcopy(system.pipeline.scheduler)
    scheduler.set_timesteps(system.steps)
    return [float(timestep) for timestep in scheduler.timesteps.tolist()]


def require_evaluations_within(method: str, what: str, limits: tuple[float, float], system: DiffusionSystem) -> None:
    """Raise ``Unsupported`` where no timestep of the run lies strictly between two limits."""
    run = evaluations_of(system)
    if not any(limits[0] < timestep < limits[1] for timestep in run):
        raise Unsupported(
            f"{method}: {what} {list(limits)} holds no timestep of this run, which goes from {run[0]:g} to {run[-1]:g}"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence diffusers' log for a while: its caches say at every call that they are experimental."""
    from diffusers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
