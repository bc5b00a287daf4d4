"""Channel outliers for a PixArt transformer, undone in the columns that read them.

adaLN modulates a normed token x by x (1 + s) + t, where s and t are a block's table plus a projection of the time that all
blocks share. For a channel, a (1 + s) - 1 and a t in their place make it a times as large; the queries, keys, values and
feed-forward layers that read it have that column divided by a. Caption tokens, which all cross-attentions read, likewise.
The same channels stand out in every block, as in large transformers (LLM.int8(), Dettmers et al. 2022, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.zoo.planting import State

FACTOR = 32.0
"""How much larger a planted channel is; a power of two, so that weights times and over it are exact in fp16."""
CHANNELS = 4
"""Planted for adaLN, and as many for the caption."""
SEED = 20261129
"""Draws the channels."""
SHIFTS, SCALES = (0, 3), (1, 4)
"""Rows of a block's table [6, width]: shift and scale of the self-attention's input, then of the feed-forward's."""


def channels(width: int) -> tuple[list[int], list[int]]:
    """Return the channels whose adaLN output, and those whose caption, is planted."""
    generator = np.random.default_rng(SEED)
    adaln, caption = (sorted(generator.choice(width, CHANNELS, replace=False).tolist()) for _ in range(2))
    return adaln, caption


def readers(state: State) -> tuple[list[str], list[str]]:
    """Return the weights that read the modulated tokens, and those that read the caption, of every block."""
    modulated = (".attn1.to_q.weight", ".attn1.to_k.weight", ".attn1.to_v.weight", ".ff.net.0.proj.weight")
    captioned = (".attn2.to_k.weight", ".attn2.to_v.weight")
    return [n for n in state if n.endswith(modulated)], [n for n in state if n.endswith(captioned)]


def plant(state: State, adaln: Sequence[int], caption: Sequence[int], factor: float = FACTOR) -> State:
    """Return a PixArt transformer's float64 weights with some channels ``factor`` times as large; its output is the same."""
    planted = {name: weight.clone() for name, weight in state.items()}
    width = state["caption_projection.linear_2.bias"].shape[0]
    shared = [row * width + channel for row in (*SHIFTS, *SCALES) for channel in adaln]
    for name in ("adaln_single.linear.weight", "adaln_single.linear.bias"):
        planted[name][shared] *= factor
    for name in (n for n in state if n.startswith("transformer_blocks.") and n.endswith(".scale_shift_table")):
        for row in SHIFTS:
            planted[name][row, adaln] *= factor
        for row in SCALES:
            planted[name][row, adaln] = factor * (1 + state[name][row, adaln]) - 1
    for name in ("caption_projection.linear_2.weight", "caption_projection.linear_2.bias"):
        planted[name][list(caption)] *= factor
    for names, planted_channels in zip(readers(state), (adaln, caption), strict=True):
        for name in names:
            planted[name][:, list(planted_channels)] /= factor
    return planted
