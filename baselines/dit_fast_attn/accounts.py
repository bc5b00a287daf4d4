"""What an attention plan says about itself: computed, never measured."""

from __future__ import annotations

from effbench.api import Fact
from effbench.diffusion.attention_plan import SLOTS, WINDOWED, AttentionPlan, is_head_wise


def plan_facts(plan: AttentionPlan, element_bytes: int) -> dict[str, Fact | float]:
    """Return facts of a plan whose tensors have elements of so many bytes.

    ``attention_flops_share`` is over all planned layers and steps, the four projections included, as the paper counts;
    ``attention_core_flops_share`` is without them. ``kept_mb`` is the most that layers keep between steps, for one sample.
    """
    counts, total = plan.counts(), plan.counts().total()
    slots = {
        f"{name.replace('-', '_').replace('+', '_')}_share": Fact(counts[name] / total, "share")
        for name in SLOTS
        if not any(is_head_wise(slot) for slot in counts)
    }
    heads = {"f": "full_heads_share", "w": "window_heads_share", "c": "cached_heads_share"}
    if not slots:
        slots = {said: Fact(counts[letter] / total, "share") for letter, said in heads.items()}
    return {
        "attention_flops_share": Fact(plan.share, "share"),
        "attention_core_flops_share": Fact(plan.core_share, "share"),
        **slots,
        "kept_mb": Fact(kept_elements(plan) * element_bytes / 1e6, "MB"),
    }


def kept_elements(plan: AttentionPlan) -> int:
    """Return how many numbers are kept between steps at most, for one sample: outputs, residuals, outputs of heads."""
    most = [0] * len(next(iter(plan.layers.values())).steps)
    for layer in plan.layers.values():
        residual = 0
        inner = layer.heads * layer.head_width
        for step in reversed(range(len(most))):
            most[step] += layer.rows * layer.tokens * residual
            slot = layer.steps[step]
            output = (layer.channels if slot == "ast" else 0) or (inner if is_head_wise(slot) and "c" in slot else 0)
            if step:
                most[step - 1] += layer.rows * layer.tokens * output
            residual = inner if slot in WINDOWED or (slot == "ast" and residual) else 0
    return max(most)
