"""The strategies of DiTFastAttn at work: per layer and step full attention, a window, an earlier output, or half the batch.

What is added to a window's output is the residual of the half that was kept. The released code adds that of the first half
whatever the order of guidance; ``residual_half="first"`` does the same, for comparison.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, Literal

import torch
from torch.nn.functional import scaled_dot_product_attention

from effbench.api import PluginError, System
from effbench.diffusion import AttentionLayer, DenoiserCall
from effbench.diffusion.attention_plan import SHARED, WINDOWED, AttentionPlan, LayerSlots, is_head_wise
from effbench_baselines.dit_fast_attn.installing import ProcessorSwap
from effbench_baselines.dit_fast_attn.memory import KeptState, Memory
from effbench_baselines.dit_fast_attn.tokens import SelfTokens, tokens_of
from effbench_baselines.dit_fast_attn.windows import full_with_residual, windowed

ResidualHalf = Literal["kept", "first"]


class AttentionSharing(ProcessorSwap):  # type: ignore[misc]
    """Follows sampling and has each layer do what its slot says; forgets everything between calls."""

    def __init__(self, residual_half: ResidualHalf = "kept") -> None:
        super().__init__()
        self.residual_half, self.memory = residual_half, Memory()

    def slot(self, layer: str, step: int) -> str:
        """Return what a layer does at a step."""
        return "full"

    @abstractmethod
    def half_width(self, layer: str) -> int:
        """Return how many tokens a query sees to either side of itself."""

    def keeps_output(self, layer: str, step: int) -> bool:
        """Return whether a later step uses what a layer gives at this one."""
        return True

    def keeps_residual(self, layer: str, step: int) -> bool:
        """Return whether a later step uses what a window would leave out of full attention at this one."""
        return True

    def call_begins(self, system: System) -> None:
        """Start with nothing kept."""
        self.memory.clear()
        super().call_begins(system)

    def call_ends(self) -> None:
        """Free what was kept."""
        super().call_ends()
        self.memory.clear()

    def processor_of(self, layer: AttentionLayer) -> SharingProcessor:
        """Return what stands in for a layer's processor."""
        return SharingProcessor(layer.name, self)


class PlannedSharing(AttentionSharing):
    """What a plan says; layers that it does not name are left alone."""

    def __init__(self, plan: AttentionPlan, residual_half: ResidualHalf = "kept") -> None:
        super().__init__(residual_half)
        self.plan = plan
        self.uses = {name: _uses(layer) for name, layer in plan.layers.items()}

    def slot(self, layer: str, step: int) -> str:
        """Return what the plan says of a layer and a step; raise ``PluginError`` where the solver takes other steps."""
        count = self.running().step.count
        if count != self.plan.settings["steps"]:
            raise PluginError(
                f"the attention plan has {self.plan.settings['steps']} steps, and the solver takes {count}"
            )
        return self.plan.layers[layer].steps[step]

    def half_width(self, layer: str) -> int:
        """Return the plan's."""
        return self.plan.layers[layer].half_width

    def keeps_output(self, layer: str, step: int) -> bool:
        """Return whether the next step uses it: outputs are used step after step, or not any more."""
        return self.uses[layer][step][0]

    def keeps_residual(self, layer: str, step: int) -> bool:
        """Return whether a window follows before the next full attention."""
        return self.uses[layer][step][1]

    def processor_of(self, layer: AttentionLayer) -> Any:
        """Return what stands in for the processor of a layer that is in the plan."""
        return super().processor_of(layer) if layer.name in self.plan.layers else layer.module.processor


def _uses(layer: LayerSlots) -> list[tuple[bool, bool]]:
    """Return for each step whether a later one needs (what came out, what a window would have left out)."""
    found, output, residual = [], False, False
    for slot in reversed(layer.steps):
        found.append((output, residual))
        output = slot == "ast" or (is_head_wise(slot) and "c" in slot)
        residual = slot in WINDOWED or (slot == "ast" and residual)
    return found[::-1]


class SharingProcessor:
    """One layer's processor."""

    def __init__(self, layer: str, sharing: AttentionSharing) -> None:
        self.layer, self.sharing = layer, sharing

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
        image_rotary_emb: Any = None,
    ) -> Any:
        """Return what the layer's slot makes of its tokens."""
        if attention_mask is not None:
            raise PluginError(f"{self.layer} attends under a mask, for which no strategy is defined")
        tokens, call = (
            tokens_of(attn, hidden_states, encoder_hidden_states, temb, image_rotary_emb),
            self.sharing.running(),
        )
        return tokens.give_back(self.output(tokens, call))

    def output(self, tokens: SelfTokens, call: DenoiserCall) -> torch.Tensor:
        """Return the layer's output [R, N, C], and keep what later steps need."""
        memory, step = self.sharing.memory, call.step.index
        kept, slot = memory.of(self.layer, call, tokens.x.shape), self.sharing.slot(self.layer, step)
        if is_head_wise(slot):
            y, heads = self._by_heads(tokens, kept, slot)
            memory.keep(
                self.layer, call, replace(kept, heads=heads if self.sharing.keeps_output(self.layer, step) else None)
            )
            return y
        if slot == "ast" and kept.output is not None:
            y = kept.output
        else:
            y, kept = self._computed(tokens, call, kept, slot)
        if not self.sharing.keeps_residual(self.layer, step):
            kept = replace(kept, residual=None)
        memory.keep(self.layer, call, replace(kept, output=y if self.sharing.keeps_output(self.layer, step) else None))
        return y

    def _computed(
        self, tokens: SelfTokens, call: DenoiserCall, kept: KeptState, slot: str
    ) -> tuple[torch.Tensor, KeptState]:
        rows = len(tokens.x)
        is_shared = slot in SHARED
        q, k, v = tokens.project(call.conditional(rows) if is_shared else slice(0, rows))
        if slot in WINDOWED and kept.residual is not None:
            residual = self._residual(kept, call, rows, is_shared)
            out = windowed(q, k, v, self.sharing.half_width(self.layer), tokens.dense, residual)
        elif self.sharing.keeps_residual(self.layer, call.step.index):
            out, left = full_with_residual(q, k, v, self.sharing.half_width(self.layer), tokens.dense)
            kept = replace(kept, residual=left, residual_is_shared=is_shared)
        else:
            out = scaled_dot_product_attention(q, k, v)
        y = tokens.join(out)
        return (torch.cat([y, y]) if is_shared else y), kept

    def _residual(self, kept: KeptState, call: DenoiserCall, rows: int, is_shared: bool) -> torch.Tensor:
        """Return the residual of the rows that are computed."""
        left: torch.Tensor | None = kept.residual
        assert left is not None
        if kept.residual_is_shared:
            return left if is_shared else torch.cat([left, left])
        if not is_shared:
            return left
        return left[slice(0, rows // 2) if self.sharing.residual_half == "first" else call.conditional(rows)]

    def _by_heads(self, tokens: SelfTokens, kept: KeptState, slot: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the layer's output [R, N, C], and what its heads computed or took from the step before [R, H, N, D]."""
        q, k, v = tokens.project(slice(None))
        out = torch.empty_like(q)
        for letter in set(slot):
            heads = [head for head, its in enumerate(slot) if its == letter]
            if letter == "c" and kept.heads is not None:
                out[:, heads] = kept.heads[:, heads]
            elif letter == "w":
                parts = (x[:, heads] for x in (q, k, v))
                out[:, heads] = windowed(*parts, self.sharing.half_width(self.layer), tokens.dense, None)
            else:
                out[:, heads] = scaled_dot_product_attention(q[:, heads], k[:, heads], v[:, heads])
        return tokens.join(out), out
