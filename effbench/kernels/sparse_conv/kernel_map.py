"""The table of a kernel map: which rows meet at which tap, seen from the outputs or from the inputs."""

from __future__ import annotations

from typing import Any

import torch

from effbench.kernels.sparse_conv import keys as compiled

Pairs = tuple[torch.Tensor, torch.Tensor]
"""Input rows and output rows, int64 [P] each, in the outputs' order."""


class KernelMap:
    """The pairs of a window between two sets of sites, seen from either side.

    ``source`` int32 [taps, outputs] holds the input row of an output at a tap; -1 is none.
    """

    def __init__(self, source: torch.Tensor, inputs: int, mirrored: bool, known: dict[str, Any] | None = None) -> None:
        self.source = source
        self.inputs = inputs
        self.mirrored = mirrored
        """Whether inputs and outputs are the same sites and the window is symmetric: the table turned round is itself."""
        self._known: dict[str, Any] = {} if known is None else known
        """What was found of a map, whichever way round; both views hold it, so that neither holds the other."""

    @property
    def total(self) -> int:
        """How many pairs there are over all taps: the multiply-accumulates per two channels."""
        if "total" not in self._known:
            self._known["total"] = int((self.source >= 0).sum())
        return int(self._known["total"])

    @property
    def by_tap(self) -> list[Pairs]:
        """The pairs of each tap."""
        if "pairs" not in self._known:
            outputs = [(row >= 0).nonzero().flatten() for row in self.source]
            self._known["pairs"] = (
                [(self.source[tap, rows].long(), rows) for tap, rows in enumerate(outputs)],
                self.source,
            )
        pairs, source = self._known["pairs"]
        return pairs if source is self.source else [pair[::-1] for pair in pairs]

    @property
    def target(self) -> torch.Tensor:
        """The output row of an input at a tap, int32 [taps, inputs]; looked up when it is first asked for."""
        if "tables" not in self._known:
            turned = self.source.flip(0) if self.mirrored else _targets(self.source, self.inputs)
            self._known["tables"] = self.source, turned
        ours, other = self._known["tables"]
        target: torch.Tensor = other if self.source is ours else ours
        return target

    def source_on(self, device: torch.device) -> torch.Tensor:
        """Return the table on a device, copied there once."""
        if self.source.device == device:
            return self.source
        key = f"{device} {self.source.data_ptr()}"
        if key not in self._known:
            self._known[key] = self.source.to(device)
        on_device: torch.Tensor = self._known[key]
        return on_device

    @property
    def turned(self) -> KernelMap:
        """The same pairs with inputs and outputs exchanged, as an inverse convolution and a gradient see them."""
        return KernelMap(self.target, self.source.shape[1], self.mirrored, self._known)


def _targets(source: torch.Tensor, inputs: int) -> torch.Tensor:
    return torch.from_numpy(compiled.targets(source.numpy(), inputs))
