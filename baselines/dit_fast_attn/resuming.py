"""Running a denoiser again from the block in which something changes: those before it give what they gave.

A search runs a step's denoiser many times, each time with one attention layer changed. Up to that layer's block the run
equals the one before it bit by bit, on average half of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from effbench.api import PluginError
from effbench.diffusion.observing import replaced


@dataclass(frozen=True)
class KeptOutput:
    """What a module gave, and how often each of its tensors had been written to by then."""

    output: Any
    versions: tuple[int, ...] | None
    block: str = ""

    @classmethod
    def of(cls, output: Any, block: str = "") -> KeptOutput:
        """Return an output as it is now."""
        return cls(output, _versions(output), block)

    @property
    def is_intact(self) -> bool:
        """Return whether nobody wrote into it since; no where that cannot be told (tensors of inference mode)."""
        return self.versions is not None and self.versions == _versions(self.output)


class ResumedRuns:
    """Keeps what the blocks of a denoiser gave in the run that stands, and starts others from a block in their midst.

    Blocks are the members of module lists that hold attention layers. Everything is computed where one runs twice in a
    run, where what one gave was written into, and in a denoiser without such lists.
    """

    def __init__(self, denoiser: Any, layers: Collection[str]) -> None:
        self.block_of = {layer: _block_of(denoiser, layer) for layer in layers}
        self.blocks = {name: denoiser.get_submodule(name) for name in self.block_of.values() if name}
        self.standing: list[KeptOutput] = []
        self.seen: list[KeptOutput] = []
        self.start = 0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stand where the blocks' ``forward`` stood, for a while."""
        with ExitStack() as stack:
            for name, block in self.blocks.items():
                stack.enter_context(replaced(block, "forward", self._resuming(name, block.forward)))
            yield
        self.standing, self.seen = [], []

    def run(self, run: Callable[[], Any], changed: str | None = None) -> Any:
        """Return what a run gives, resumed where a changed layer's block begins; None: computed from the start."""
        self.seen, self.start = [], 0 if changed is None else self.place(changed)
        try:
            return run()
        finally:
            self.start = 0

    def accept(self) -> None:
        """Let the run before stand: later ones resume from what its blocks gave."""
        self.standing = self.seen

    def place(self, layer: str) -> int:
        """Return how many blocks of the standing run need not run before a layer's; 0 where that is not certain."""
        block, order = self.block_of.get(layer), [kept.block for kept in self.standing]
        if block not in order or len(set(order)) < len(order):
            return 0
        found = order.index(block)
        return found if all(kept.is_intact for kept in self.standing[:found]) else 0

    def _resuming(self, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def resuming(*args: Any, **kwargs: Any) -> Any:
            if len(self.seen) < self.start:
                kept = self.standing[len(self.seen)]
                if kept.block != name:
                    raise PluginError(f"{name} runs where {kept.block} did: the denoiser's blocks change their order")
            else:
                output = forward(*args, **kwargs)
                kept = KeptOutput.of(output, name)
            self.seen.append(kept)
            return kept.output

        return resuming


def _block_of(denoiser: Any, layer: str) -> str:
    """Return the outermost member of a module list that holds a layer; "" where none does."""
    from torch import nn

    parts = layer.split(".")
    for length in range(1, len(parts)):
        if isinstance(denoiser.get_submodule(".".join(parts[:length])), nn.ModuleList):
            return ".".join(parts[: length + 1])
    return ""


def _versions(output: Any) -> tuple[int, ...] | None:
    import torch
    from torch.utils._pytree import tree_leaves

    found = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
    return None if any(tensor.is_inference() for tensor in found) else tuple(tensor._version for tensor in found)
