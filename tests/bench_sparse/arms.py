"""Our arms and torch's own: sparse convolutions, products tap by tap, dense convolutions."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from bench_sparse.answering import answer
from effbench.kernels import isa
from effbench.kernels.sparse_conv import Sites, SparseTensor, strided_conv, submanifold_conv

Arms = dict[str, Callable[[], Any]]
STEADY = 1e-5
"""Most that results of the peer may lie apart from call to call."""


def make(request: dict[str, Any]) -> Arms:
    """Return the arms of a request, each of which has given the same result, up to float32's rounding."""
    given = np.load(request["make"])
    shape, cells = tuple(given["shape"].tolist()), torch.from_numpy(given["coordinates"])
    sites, order = Sites.from_coordinates(cells, int(cells[:, 0].max()) + 1, shape)
    assert torch.equal(order, torch.arange(len(order))), "the cells are sorted"
    x = SparseTensor(sites, torch.from_numpy(given["features"]))
    weight = torch.from_numpy(given["weight"])
    return {"frame": _frame, "dense": _beside_dense, "training": _training, "map": _map}[request["kind"]](
        request, x, weight
    )


def _fresh(x: SparseTensor) -> SparseTensor:
    """Return a tensor whose sites know no map, not even their index."""
    sites = x.sites
    return SparseTensor(Sites(sites.keys, sites.batch_size, sites.shape), x.features)


def _dense(x: SparseTensor, weight: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Return torch's dense convolution, in whichever of its two layouts is quicker here."""
    three = len(x.sites.shape) == 3
    convolution, last = (
        (functional.conv3d, torch.channels_last_3d) if three else (functional.conv2d, torch.channels_last)
    )
    tried = []
    for layout in (torch.contiguous_format, last):
        dense, turned = (
            operand.contiguous(memory_format=layout) for operand in (x.dense(), weight.movedim((-1, -2), (0, 1)))
        )
        call = partial(convolution, dense, turned, padding=1)
        if x.sites.shape[-1] < 256:  # the first call of a large one is as long as any other
            call()
        start = time.perf_counter()
        call()
        tried.append((time.perf_counter() - start, call))
    return min(tried, key=lambda one: one[0])[1]


def _alike(found: torch.Tensor, exact: torch.Tensor) -> None:
    error = float((found - exact).norm() / exact.norm())
    assert error < 1e-5, f"an arm is {error:.1e} off float64"


def _frame(request: dict[str, Any], x: SparseTensor, weight: torch.Tensor) -> Arms:
    exact = submanifold_conv(x.with_features(x.features.double()), weight.double(), impl="taps").features
    arms: Arms = {
        "ours": lambda: submanifold_conv(x, weight),
        "ours, map": lambda: submanifold_conv(_fresh(x), weight),
        "taps": lambda: submanifold_conv(x, weight, impl="taps"),
    }
    for name in ("ours", "ours, map", "taps"):
        _alike(arms[name]().features, exact)
    if np.load(request["make"] + ".spread.npy") < STEADY:  # else it is not timed
        _alike(torch.from_numpy(np.load(request["make"] + ".spconv.npy")), exact)
    return arms


def _beside_dense(request: dict[str, Any], x: SparseTensor, weight: torch.Tensor) -> Arms:
    dense = _dense(x, weight)
    batch, *cells = x.sites.coordinates.long().unbind(1)
    _alike(dense()[(batch, slice(None), *cells)], submanifold_conv(x, weight).features)
    return {"ours": lambda: submanifold_conv(x, weight), "dense": dense}


def _training(request: dict[str, Any], x: SparseTensor, weight: torch.Tensor) -> Arms:
    features, weight = x.features.requires_grad_(), weight.requires_grad_()
    gradient = torch.randn_like(submanifold_conv(x, weight).features)

    def step(impl: str) -> Callable[[], Any]:
        def run() -> tuple[torch.Tensor, ...]:
            with torch.enable_grad():
                y = submanifold_conv(x.with_features(features), weight, impl=impl).features
                return torch.autograd.grad(y, (features, weight), gradient)

        return run

    ours, taps = step("auto"), step("taps")
    for found, exact in zip(ours(), taps(), strict=True):
        _alike(found, exact)
    return {"ours": ours, "taps": taps}


def _map(request: dict[str, Any], x: SparseTensor, weight: torch.Tensor) -> Arms:
    dense = _dense(x, weight)
    cells = x.sites.coordinates.long().unbind(1)
    _alike(submanifold_conv(x, weight).features, dense()[cells[0], :, cells[1], cells[2]])
    _alike(strided_conv(x, weight, 1, 1).dense(), dense())
    return {
        "dense": dense,
        "submanifold": lambda: submanifold_conv(x, weight),
        "submanifold, map": lambda: submanifold_conv(_fresh(x), weight),
        "regular, map": lambda: strided_conv(_fresh(x), weight, 1, 1),
    }


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    with torch.no_grad():
        answer({"isa": isa.current().vectors, "torch": torch.__version__}, make)
