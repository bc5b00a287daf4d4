"""What the attention layers of a running denoiser look like: over how many tokens they run, and whether halves agree."""

from __future__ import annotations

from collections.abc import Collection

import torch

from effbench.diffusion import DenoiserCall
from effbench.diffusion.attention_plan import AttentionPlan, LayerShape, is_head_wise
from effbench.diffusion.guidance import BATCH_ORDERS
from effbench.kernels.window_attention import bands_pay
from effbench_baselines.dit_fast_attn.tokens import SelfTokens
from effbench_baselines.dit_fast_attn.windows import window_pairs


def half_width_of(tokens: int, share: float) -> int:
    """Return the half-width of a window over so many tokens: their eighth, in the paper's setting."""
    return int(tokens * share)


def shape_of(tokens: SelfTokens, samples: int, width_share: float) -> LayerShape:
    """Return what a layer's attention costs for one of the ``samples`` that a batch holds."""
    rows, length, channels = tokens.x.shape
    heads = int(tokens.attn.heads)
    head_width = tokens.project(slice(0, 1))[0].shape[-1]
    half_width = half_width_of(length - tokens.dense, width_share)
    return LayerShape(
        rows=rows // samples,
        tokens=length,
        dense_tokens=tokens.dense,
        channels=channels,
        heads=heads,
        head_width=head_width,
        half_width=half_width,
        window_pairs=window_pairs(length, half_width, tokens.dense),
    )


def halves_agree(tokens: SelfTokens, call: DenoiserCall) -> bool:
    """Return whether both halves of guidance are equal, bit by bit: nothing has told them apart before this layer."""
    if call.order not in BATCH_ORDERS:
        return False
    rows = len(tokens.x)
    return torch.equal(tokens.x[call.conditional(rows)], tokens.x[call.unconditional(rows)])


def is_worth_it(shape: LayerShape) -> bool:
    """Return whether a window saves time worth having in a layer: not where tokens are few."""
    return bool(bands_pay(shape.tokens - shape.dense_tokens, shape.half_width))


def without_windows(plan: AttentionPlan, layers: Collection[str]) -> AttentionPlan:
    """Return a plan in which some layers compute in full what they would behind a window."""
    full = {"wa-rs": "full", "wa-rs+asc": "asc"}
    changed = {
        name: layer.model_copy(
            update={
                "steps": tuple(
                    slot.replace("w", "f") if is_head_wise(slot) else full.get(slot, slot) for slot in layer.steps
                )
            }
        )
        if name in layers
        else layer
        for name, layer in plan.layers.items()
    }
    return plan if changed == dict(plan.layers) else AttentionPlan.of(plan.method, plan.settings, plan.search, changed)
