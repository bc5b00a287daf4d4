"""What a frame costs a detector, part by part, and how full its layers are: for facts and docs, beside what is measured.

Multiply-accumulates are effective ones: pairs of a kernel map times channels where a convolution is sparse, all cells where
it is dense. What is no product counts two operations as one: the look-ups by which kernel maps are found, after each drop
anew, and the comparisons and sums by which a filter chooses. Operators of torch that multiply no matrices (norms, ReLU,
masks) are not counted, here as in every number of the suite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from effbench.kernels.cost import registered
from effbench.kernels.recording import listening
from effbench.kernels.sparse_conv import SparseTensor
from effbench.kernels.sparse_conv.cost import COSTS
from effbench.lidar.detector.blocks import MapBlock, VoxelBlock
from effbench.lidar.detector.filtering import CHOICE
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.detector.spbn import active_pixels
from effbench.lidar.detector.voxelise import voxelise
from effbench.lidar.frames import Frame

MODULES = ("backbone3d", "bev", "head", "filter")
"""Modules of a detector whose products are told apart; what a filter computes is its own, wherever it is called."""
PARTS = (*MODULES, "choice", "maps")
"""All that is told apart: beside the modules' products, how a filter chooses cells, and finding kernel maps, whoever asks."""

MAP = "sparse_conv/map"
"""Recorded whenever a kernel map is found, not where a known one serves again."""


@dataclass
class Account:
    """Sums over frames: ``macs`` by part, and per layer the share of its cells (or the number of voxels) that is not zero."""

    macs: Counter[str] = field(default_factory=Counter)
    filled: dict[str, float] = field(default_factory=dict)
    frames: int = 0

    def mean_macs(self, *parts: str) -> float:
        """Return the multiply-accumulates per frame of some parts together."""
        return sum(self.macs[part] for part in parts) / max(1, self.frames)

    def mean_filled(self) -> dict[str, float]:
        """Return by layer the mean over frames: occupied voxels of a 3D layer, the share of occupied cells of a BEV one."""
        return {name: value / max(1, self.frames) for name, value in self.filled.items()}


@torch.no_grad()
def account(detector: LidarDetector, frames: Sequence[Frame]) -> Account:
    """Return what frames cost a detector as it is set to run."""
    from torch.utils._python_dispatch import _disable_current_modes

    found, inside = Account(), [""]
    hooks = [hook for part in MODULES for hook in _labelled(getattr(detector, part), part, inside)]
    hooks += [
        module.register_forward_hook(_noting(name, found))
        for name, module in detector.named_modules()
        if isinstance(module, VoxelBlock | MapBlock)
    ]

    def hear(name: str, args: tuple[Any, ...], out: Any) -> None:
        cost = COSTS.get(name) or registered().get(name)  # the latter is a filter's own kernel
        if cost is None:
            return
        part = "maps" if name == MAP else "choice" if name.startswith(f"{CHOICE}/") else inside[-1]
        with _disable_current_modes():  # a formula may run operators itself
            found.macs[part] += cost.flops(*args, out=out) // 2

    try:
        for frame in frames:
            voxels = detector.batch([voxelise(frame.points, detector.config.grid)])
            with listening(hear), _counted(found, inside), _by_filter(detector.filter, inside):
                detector(voxels, [frame])
            found.frames += 1
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _labelled(module: nn.Module, part: str, inside: list[str]) -> list[Any]:
    """Hook a part and all below it, so that ``inside[-1]`` names the part that runs."""

    def enter(*_: Any) -> None:
        inside.append(part)

    def leave(*_: Any) -> None:
        inside.pop()

    return [
        hook for m in module.modules() for hook in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))
    ]


@contextmanager
def _by_filter(drop: Any, inside: list[str]) -> Iterator[None]:
    """Name the filter while an insertion point asks it what stays: not all that it computes is a module's."""

    def labelled(method: Any) -> Any:
        def run(*args: Any) -> Any:
            inside.append("filter")
            try:
                return method(*args)
            finally:
                inside.pop()

        return run

    points = ("voxels", "cells")
    for name in points:
        setattr(drop, name, labelled(getattr(drop, name)))
    try:
        yield
    finally:
        for name in points:
            delattr(drop, name)


def _noting(name: str, found: Account) -> Any:
    def note(_: nn.Module, __: Any, out: Any) -> None:
        if not isinstance(out, SparseTensor):
            full = float(active_pixels(out).float().mean())
        elif len(out.sites.shape) == 2:
            cells = out.sites.batch_size * out.sites.shape[0] * out.sites.shape[1]
            full = int(active_pixels(out.features).sum()) / cells
        else:
            full = float(len(out.sites))
        found.filled[name] = found.filled.get(name, 0.0) + full

    return note


@contextmanager
def _counted(found: Account, inside: list[str]) -> Iterator[None]:
    """Count the dense products of a block by the part that runs; those inside a sparse kernel count themselves."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            formula = flop_registry.get(func._overloadpacket)
            if formula is not None:
                found.macs[inside[-1]] += formula(*args, **(kwargs or {}), out_val=out) // 2
            return out

    with Counting():  # type: ignore[no-untyped-call]
        yield
