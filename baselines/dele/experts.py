"""Several predictors in one program, and what weighs them: the network of DELE (arXiv 2302.00932, AAAI 2023).

    s_k(a) = head_k(encoder_k(a))        g(a) = softmax(head_g(encoder_g(a)))        S(a) = sum_k g_k(a) s_k(a)

Experts share nothing. Members are stacked along a first axis, so that all experts and the gate are a batched product each;
what is stacked are tensors of single members, so that an optimiser can leave a member alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import nn

from effbench_baselines.dele.encoders import Encoder, Tensors, linear

Weighting = Literal["gate", "static", "uniform"]
"""A gate's weights depend on the architecture; static ones are learned and the same for all; uniform ones are 1 / K."""
DROPOUT = 0.1
"""Behind every hidden layer of a head, as the published configurations have it."""


class Scored(NamedTuple):
    """``experts`` and ``weights`` [K, B], ``fused`` [B]."""

    experts: torch.Tensor
    weights: torch.Tensor
    fused: torch.Tensor


@dataclass(frozen=True)
class Shape:
    """What a network is made of: encoder, widths of the hidden layers of its heads, experts, and how they are weighed."""

    encoder: Encoder
    hidden: tuple[int, ...]
    experts: int
    weighting: Weighting


class Experts(nn.Module):
    """K experts and their weighting. ``members[k]`` are the tensors of expert k, the last those of the gate if there is one.

    Dropout is on in training mode, with masks from ``generator``; the copies of an architecture in several pairs share one.
    """

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.generator = shape, generator
        count = shape.experts + (shape.weighting == "gate")
        drawn = [self._initial(member) for member in range(count)]
        self.members = nn.ModuleList(_Member(tensors) for tensors in drawn)
        if shape.weighting == "static":
            self.logits = nn.Parameter(torch.full((shape.experts,), 1.0 / shape.experts))

    def _initial(self, member: int) -> Tensors:
        found = self.shape.encoder.initial(self.generator)
        widths = [self.shape.encoder.size, *self.shape.hidden]
        for layer, (wide, next_wide) in enumerate(pairwise(widths)):
            found |= linear(f"head{layer}", wide, next_wide, self.generator)
        outputs = self.shape.experts if member == self.shape.experts else 1
        return found | linear("last", widths[-1], outputs, self.generator)

    def forward(self, codes: torch.Tensor) -> Scored:
        """Return all scores of codes [B, 6]."""
        shape = self.shape
        hidden = self._hidden(codes, len(self.members))
        experts = self._last(hidden[: shape.experts], range(shape.experts))[..., 0]  # [K, B]
        if shape.weighting == "gate":
            weights = self._last(hidden[-1:], [shape.experts])[0].softmax(1).T
        elif shape.weighting == "static":
            weights = self.logits.softmax(0)[:, None].expand_as(experts)
        else:
            weights = torch.full_like(experts, 1.0 / shape.experts)
        return Scored(experts, weights, (weights * experts).sum(0))

    def expert_scores(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the experts' scores alone [K, B]: what the first step trains, which needs no gate."""
        count = self.shape.experts
        return self._last(self._hidden(codes, count), range(count))[..., 0]

    def parameters_of(self, member: int) -> list[nn.Parameter]:
        """Return the parameters of one member; experts come first, then the gate."""
        return list(self.members[member].parameters())

    def _hidden(self, codes: torch.Tensor, count: int) -> torch.Tensor:
        names = [name for name, _ in self.members[0].named_parameters() if not name.startswith("last")]
        tensors = {name.replace("-", "."): self._stacked(name, range(count)) for name in names}
        hidden: torch.Tensor = self.shape.encoder.encode(tensors, codes)  # [count, B, size]
        for layer in range(len(self.shape.hidden)):
            hidden = torch.relu(
                torch.baddbmm(tensors[f"head{layer}.bias"][:, None], hidden, tensors[f"head{layer}.weight"])
            )
            if self.training:
                kept = torch.rand(hidden.shape, generator=self.generator) >= DROPOUT  # the same masks on every device
                hidden = hidden * kept.to(hidden.device) / (1 - DROPOUT)
        return hidden

    def _last(self, hidden: torch.Tensor, members: Sequence[int]) -> torch.Tensor:
        bias = self._stacked("last-bias", members)[:, None]
        return torch.baddbmm(bias, hidden, self._stacked("last-weight", members))

    def _stacked(self, name: str, members: Sequence[int]) -> torch.Tensor:
        return torch.stack([self.members[member].get_parameter(name) for member in members])


class _Member(nn.Module):
    """The tensors of one member under their names, ``-`` for the dots that torch does not allow."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_parameter(name.replace(".", "-"), nn.Parameter(tensor))
