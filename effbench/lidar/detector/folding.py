"""What evaluation makes of a layer's parameters, made once: a norm folded into a weight, a weight in a kernel's own order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

Made = tuple[torch.Tensor, ...]


class KeptTensors:
    """Tensors made of others, kept until one of those is written to, moved or replaced.

    A write is known by torch's count of them, which ``.data`` goes around: nothing may be written through it after a forward
    pass in evaluation. Where a gradient is to flow, the tensors are made anew each time. Copies start with nothing kept.
    """

    def __init__(self) -> None:
        self._of: tuple[torch.Tensor, ...] = ()
        self._stamp: tuple[tuple[int, int], ...] = ()
        self._made: Made = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptTensors, ()

    def made(self, of: Sequence[torch.Tensor], make: Callable[[], Made]) -> Made:
        """Return what ``make`` gives of the tensors ``of`` as they stand."""
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in of):
            return make()
        stamp = tuple((tensor.data_ptr(), tensor._version) for tensor in of)
        if stamp != self._stamp or not self._made:
            self._made = make()
            self._of, self._stamp = tuple(tensor.detach() for tensor in of), stamp  # held: an address is not used again
        return self._made
