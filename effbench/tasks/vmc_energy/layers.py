"""Linear layers that know which outputs see which inputs, and the Gram matrix of their per-sample gradients.

minSR needs G[s, t] = <d log psi(s) / d theta, d log psi(t) / d theta> for all pairs of samples, and nothing else of the
gradients. A linear layer's gradient is the outer product of what came in (x) and of what comes back (d), so its part of G
is (D D^T) * (X X^T + 1): no gradient per sample is ever built. With masks, outputs that see the same inputs share a term.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from effbench.tasks.vmc_energy.workers import ALONE, Workers

Signals = tuple[torch.Tensor, torch.Tensor]
"""Of samples: inputs of a layer [U, in] and gradients of its outputs [U, out]."""


class MaskedLinear(nn.Linear):
    """A float64 linear layer whose weight is multiplied by ``mask`` bool [out, in]."""

    def __init__(self, inputs: int, outputs: int, mask: torch.Tensor | None = None) -> None:
        super().__init__(inputs, outputs, dtype=torch.float64)
        self.mask = mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x [U, in] -> [U, out]."""
        weight = self.weight if self.mask is None else self.weight * self.mask
        return nn.functional.linear(x, weight, self.bias)

    def groups(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return (outputs, inputs that they see) for every distinct row of the mask."""
        if self.mask is None:
            return [(torch.arange(self.out_features), torch.arange(self.in_features))]
        rows, which = torch.unique(self.mask, dim=0, return_inverse=True)
        return [(torch.nonzero(which == row)[:, 0], torch.nonzero(rows[row])[:, 0]) for row in range(len(rows))]

    def gram(self, ours: Signals, all_: Signals) -> torch.Tensor:
        """Return this layer's part [U, V] of the Gram matrix between this worker's samples and all."""
        (x, back), (every_x, every_back) = ours, all_
        total = x.new_zeros(len(x), len(every_x))
        for outputs, inputs in self.groups():
            total += (back[:, outputs] @ every_back[:, outputs].T) * (x[:, inputs] @ every_x[:, inputs].T + 1)
        return total


@contextmanager
def recorded(module: nn.Module) -> Iterator[dict[MaskedLinear, Signals]]:
    """Collect what goes into and out of every ``MaskedLinear`` below ``module``, once each, in the forward passes inside."""
    seen: dict[MaskedLinear, Signals] = {}

    def note(layer: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        assert isinstance(layer, MaskedLinear) and layer not in seen, "a layer that runs twice has no Gram matrix here"
        seen[layer] = (inputs[0].detach(), output)

    hooks = [m.register_forward_hook(note) for m in module.modules() if isinstance(m, MaskedLinear)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def gram_matrix(seen: dict[MaskedLinear, Signals], value: torch.Tensor, workers: Workers = ALONE) -> torch.Tensor:
    """Return G [U, U] of the per-sample ``value`` over the recorded layers; each sample's value is its own alone.

    With several workers ``value`` is that of each one's samples, and G that of all, the same on each.
    """
    outputs = [output for _, output in seen.values()]
    backs = torch.autograd.grad(value.sum(), outputs, retain_graph=True, allow_unused=True)
    parts = []
    for (layer, (x, _)), back in zip(seen.items(), backs):
        if back is not None:
            ours = (x, back)
            parts.append(
                layer.gram(ours, ours if workers.size == 1 else (workers.gather_tensor(x), workers.gather_tensor(back)))
            )
    rows = torch.stack(parts).sum(0)
    return rows if workers.size == 1 else workers.gather_tensor(rows)
