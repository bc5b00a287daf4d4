"""Kernel maps: which rows meet at which tap, looked up once per window and kept with the sites that they start from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from effbench.arrays import Array
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import bitmap, tabled
from effbench.kernels.sparse_conv import keys as compiled
from effbench.kernels.sparse_conv.geometry import Window
from effbench.kernels.sparse_conv.kernel_map import KernelMap
from effbench.kernels.sparse_conv.sites import Index, Sites, has_row_table, is_small, numbered_by_bits, padded, three


def submanifold_map(sites: Sites, window: Window) -> KernelMap:
    """Return the map of sites onto themselves; ``window`` is ``geometry.centred``."""
    if window not in sites.own_maps:
        sites.own_maps[window] = _between(sites, sites, window)
    return sites.own_maps[window]


def strided_map(sites: Sites, window: Window) -> tuple[Sites, KernelMap]:
    """Return the output sites, each that an input hits at some tap, and the map to them."""
    key = "onto what is hit", window
    if key not in sites.maps:
        if max(window.stride) == 1 and is_small(sites.batch_size, sites.shape):
            sites.maps[key] = _hit_at_once(sites, window)
        else:
            out = _hit(sites, window)
            sites.maps[key] = out, _between(sites, out, window)
    return sites.maps[key]


def _hit_at_once(sites: Sites, window: Window) -> tuple[Sites, KernelMap]:
    """Return what is hit and the map to it, found together, where a table holds the row of every cell."""
    shape = window.over(sites.shape)
    kernel, _, padding, dilation = _numbers(window)
    keys, source = tabled.onto_what_is_hit(
        _rows(sites, shape, window), sites.keys.numpy(), three(sites.shape), three(shape), kernel, padding, dilation,
        sites.batch_size,
    )  # fmt: skip
    out = Sites(torch.from_numpy(keys), sites.batch_size, shape)
    built = KernelMap(torch.from_numpy(source), len(sites), False)
    record_kernel("sparse_conv/map", sites, out, window, out=built)
    return out, built


def _rows(sites: Sites, shape: tuple[int, ...], window: Window) -> Array:
    """Return an empty table of rows for windows over sites to outputs on grids of ``shape``."""
    kernel, _, padding, dilation = _numbers(window)
    room = tabled.room_of(three(sites.shape), three(shape), kernel, padding, dilation)
    return tabled.empty_table(sites.batch_size * int(room.prod()))


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
        return Sites(torch.from_numpy(keys), sites.batch_size, shape)
    total = sites.batch_size * math.prod(shape)
    words = bitmap.hit(padded(sites.coordinates).numpy(), *met, three(shape), total)
    index = Index(words, bitmap.before(words))
    out = Sites(torch.from_numpy(bitmap.keys_in(*index)), sites.batch_size, shape)
    out.known_index = index
    return out


def _between(fine: Sites, coarse: Sites, window: Window) -> KernelMap:
    """Return the map of a window over ``fine`` sites to ``coarse`` ones, by what is quickest for them."""
    known: dict[str, Any] = {}
    if max(window.stride) == 1 and has_row_table(fine.batch_size, fine.shape):
        kernel, _, padding, dilation = _numbers(window)
        keys, others = fine.keys.numpy(), coarse.keys.numpy()
        shapes = three(fine.shape), three(coarse.shape)
        rows = _rows(fine, coarse.shape, window)
        source = tabled.onto_others(rows, keys, others, *shapes, kernel, padding, dilation)
    elif not numbered_by_bits(fine.batch_size, fine.shape):
        met = _axes(fine.shape, coarse.shape, window)
        source = compiled.sources(padded(fine.coordinates).numpy(), coarse.keys.numpy(), *met, three(coarse.shape))
    elif max(window.stride) == 1:
        columns = padded(coarse.coordinates).T.contiguous().numpy()
        words, ranks = fine.index()
        source = bitmap.sources(columns, words, ranks, three(fine.shape), *_numbers(window))
    else:
        cells, met = padded(fine.coordinates).numpy(), _axes(fine.shape, coarse.shape, window)
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
