"""Kernel maps: which rows meet at which tap, looked up once per window and kept with the sites that they start from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from effbench.arrays import Array
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import bitmap
from effbench.kernels.sparse_conv import keys as compiled
from effbench.kernels.sparse_conv.geometry import Window
from effbench.kernels.sparse_conv.sites import Index, Sites, numbered_by_bits, padded, three

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


def _axes(fine: Sequence[int], coarse: Sequence[int], window: Window) -> tuple[Array, Array, Array]:
    """Return ``met`` for z, y, x; where there is no z, it has one cell and one tap."""
    found = [
        compiled.met(k, s, p, d, i, o)
        for k, s, p, d, i, o in zip(
            window.kernel, window.stride, window.padding, window.dilation, fine, coarse, strict=True
        )
    ]
    *z, y, x = found
    return z[0] if z else np.zeros((1, 1), np.int32), y, x


def _hit(sites: Sites, window: Window) -> Sites:
    shape = window.over(sites.shape)
    met = _axes(sites.shape, shape, window)
    if not numbered_by_bits(sites.batch_size, shape):
        keys = np.unique(compiled.hit(padded(sites.coordinates).numpy(), *met, three(shape)))
        return Sites.from_keys(torch.from_numpy(keys), sites.batch_size, shape)
    total = sites.batch_size * math.prod(shape)
    words = bitmap.hit(padded(sites.coordinates).numpy(), *met, three(shape), total)
    index = Index(words, bitmap.before(words))
    out = Sites.from_keys(torch.from_numpy(bitmap.keys_in(*index)), sites.batch_size, shape)
    out.known_index = index
    return out


def _between(fine: Sites, coarse: Sites, window: Window) -> KernelMap:
    """Return the map of a window over ``fine`` sites to ``coarse`` ones, by what is quickest for them."""
    cells, known = padded(fine.coordinates).numpy(), {}
    met = _axes(fine.shape, coarse.shape, window)
    if not numbered_by_bits(fine.batch_size, fine.shape):
        source = compiled.sources(cells, coarse.keys.numpy(), *met, three(coarse.shape))
    elif max(window.stride) == 1:
        columns = padded(coarse.coordinates).T.contiguous().numpy()
        words, ranks = fine.index()
        source = bitmap.sources(columns, words, ranks, three(fine.shape), *_numbers(window))
    else:
        source, target = bitmap.met_by_inputs(cells, *met, three(coarse.shape), *coarse.index(), len(coarse))
        known["tables"] = torch.from_numpy(source), torch.from_numpy(target)
    table = known["tables"][0] if known else torch.from_numpy(source)
    mirrored = fine is coarse and all(k % 2 for k in window.kernel)
    built = KernelMap(table, len(fine), mirrored, known)
    record_kernel("sparse_conv/map", fine, coarse, window, out=built)
    return built


def _numbers(window: Window) -> list[Array]:
    """Return the window's kernel, stride, padding and dilation for z, y, x; where there is no z, it has one tap."""
    return [
        np.array((alone,) * (3 - len(given)) + given, np.int64)
        for given, alone in zip(window, (1, 1, 0, 1), strict=True)
    ]


def _targets(source: torch.Tensor, inputs: int) -> torch.Tensor:
    return torch.from_numpy(compiled.targets(source.numpy(), inputs))
