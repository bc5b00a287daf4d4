"""Kernel maps: which rows meet at which tap, looked up once per window and kept with the sites that they start from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from effbench.arrays import Array
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import keys as compiled
from effbench.kernels.sparse_conv.geometry import Window
from effbench.kernels.sparse_conv.sites import Sites, padded, three

Pairs = tuple[torch.Tensor, torch.Tensor]
"""Input rows and output rows, int64 [P] each, in the outputs' order."""


class KernelMap:
    """The pairs of a window between two sets of sites, seen from either side.

    ``source`` int32 [taps, outputs] holds the input row of an output at a tap, ``target`` int32 [taps, inputs] the output
    row of an input; -1 is none. ``pairs`` int64 [taps] counts them.
    """

    def __init__(
        self,
        source: torch.Tensor,
        target: torch.Tensor,
        pairs: torch.Tensor,
        kept: dict[str, list[Pairs]] | None = None,
    ) -> None:
        self.source = source
        self.target = target
        self.pairs = pairs
        self._kept: dict[str, list[Pairs]] = {} if kept is None else kept
        self._back = kept is not None
        """Whether this is the other view of a map; both keep the pairs by tap in one place, without a cycle."""

    @cached_property
    def total(self) -> int:
        """How many pairs there are over all taps: the multiply-accumulates per two channels."""
        return int(self.pairs.sum())

    @property
    def by_tap(self) -> list[Pairs]:
        """The pairs of each tap."""
        if "pairs" not in self._kept:
            source = self.target if self._back else self.source
            outputs = [(row >= 0).nonzero().flatten() for row in source]
            self._kept["pairs"] = [(source[tap, rows].long(), rows) for tap, rows in enumerate(outputs)]
        return [pair[::-1] for pair in self._kept["pairs"]] if self._back else self._kept["pairs"]

    @property
    def turned(self) -> KernelMap:
        """The same pairs with inputs and outputs exchanged, as an inverse convolution and a gradient see them."""
        turned = KernelMap(self.target, self.source, self.pairs, self._kept)
        turned._back = not self._back
        return turned


def submanifold_map(sites: Sites, window: Window) -> KernelMap:
    """Return the map of sites onto themselves; ``window`` is ``geometry.centred``."""
    if window not in sites.own_maps:
        sites.own_maps[window] = _between(sites, sites, window)
    return sites.own_maps[window]


def strided_map(sites: Sites, window: Window) -> tuple[Sites, KernelMap]:
    """Return the output sites, each that an input hits at some tap, and the map to them."""
    key = "onto what is hit", window
    if key not in sites.maps:
        out = _hit(sites, window)
        sites.maps[key] = out, _between(sites, out, window)
    return sites.maps[key]


def map_onto(fine: Sites, coarse: Sites, window: Window) -> KernelMap:
    """Return the map from ``fine`` to given ``coarse`` sites, the one of the strided convolution where they are its own."""
    known = fine.maps.get(("onto what is hit", window))
    if known is None or known[0] is not coarse:
        known = fine.maps.get(("onto others", window))
    if known is None or known[0] is not coarse:
        expected = window.over(fine.shape)
        if coarse.shape != expected or coarse.batch_size != fine.batch_size:
            raise ValueError(
                f"inverse_conv: {coarse} are no outputs over {fine}; want {fine.batch_size} grids of {expected}"
            )
        known = fine.maps["onto others", window] = coarse, _between(fine, coarse, window)
    return known[1]


def _axes(fine: Sequence[int], coarse: Sequence[int], window: Window) -> list[Array]:
    """Return ``met`` for z, y, x; where there is no z, it has one cell and one tap."""
    found = [
        compiled.met(k, s, p, d, i, o)
        for k, s, p, d, i, o in zip(
            window.kernel, window.stride, window.padding, window.dilation, fine, coarse, strict=True
        )
    ]
    return [np.zeros((1, 1), np.int32)] * (3 - len(found)) + found


def _hit(sites: Sites, window: Window) -> Sites:
    shape = window.over(sites.shape)
    keys = np.unique(compiled.hit(padded(sites.coordinates).numpy(), *_axes(sites.shape, shape, window), three(shape)))
    return Sites.from_keys(torch.from_numpy(keys), sites.batch_size, shape)


def _between(fine: Sites, coarse: Sites, window: Window) -> KernelMap:
    odd = all(k % 2 for k in window.kernel)
    source, target, pairs = compiled.tables(
        padded(fine.coordinates).numpy(),
        coarse.keys.numpy(),
        *_axes(fine.shape, coarse.shape, window),
        three(coarse.shape),
        fine is coarse and odd,
    )
    built = KernelMap(torch.from_numpy(source), torch.from_numpy(target), torch.from_numpy(pairs))
    record_kernel("sparse_conv/map", fine, coarse, window, out=built)
    return built
