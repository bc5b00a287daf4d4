"""Sparse convolutions by torch's dense ones: the specification, which reads as the definition does."""

from __future__ import annotations

import torch
from torch.nn import functional

from effbench.kernels.sparse_conv.geometry import Window
from effbench.kernels.sparse_conv.sites import Sites
from effbench.kernels.sparse_conv.tensor import SparseTensor


def read(dense: torch.Tensor, sites: Sites) -> SparseTensor:
    """Return what a dense tensor [B, C, *shape] holds at sites."""
    rows = dense.movedim(1, -1).reshape(-1, dense.shape[1])
    return SparseTensor(sites, rows[sites.keys.to(rows.device)])


def torch_weight(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight [*kernel, Cin / groups, Cout] as torch's convolutions have it, [Cout, Cin / groups, *kernel]."""
    return weight.movedim((-1, -2), (0, 1))


def submanifold_conv(x: SparseTensor, weight: torch.Tensor, dilation: tuple[int, ...], groups: int) -> SparseTensor:
    """Return the dense convolution with padding "same" at x's own sites."""
    kernel = weight.shape[: len(dilation)]
    before = [d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)]
    behind = [d * (k - 1) - n for k, d, n in zip(kernel, dilation, before, strict=True)]
    edges = [n for pair in zip(reversed(before), reversed(behind), strict=True) for n in pair]
    around = functional.pad(x.dense(), edges)
    return read(_convolution(x)(around, torch_weight(weight), dilation=dilation, groups=groups), x.sites)


def strided_conv(x: SparseTensor, weight: torch.Tensor, window: Window, groups: int) -> SparseTensor:
    """Return the dense convolution at every cell whose window holds a site."""
    _, stride, padding, dilation = window
    dense = _convolution(x)(x.dense(), torch_weight(weight), None, stride, padding, dilation, groups)
    occupied = x.with_features(x.features.new_ones(len(x.sites), 1)).dense()
    ones = torch.ones_like(weight[..., :1, :1])
    hits = _convolution(x)(occupied, torch_weight(ones), None, stride, padding, dilation)
    return SparseTensor.from_dense(dense, hits.detach()[:, 0] > 0.5)


def inverse_conv(x: SparseTensor, weight: torch.Tensor, onto: Sites, window: Window, groups: int) -> SparseTensor:
    """Return the dense transposed convolution at the sites ``onto``."""
    _, stride, padding, dilation = window
    transposed = functional.conv_transpose3d if len(onto.shape) == 3 else functional.conv_transpose2d
    inputs = x.features.shape[1]
    of_group = weight.reshape(*weight.shape[:-1], groups, -1)  # torch has Cin first here: [Cin, Cout / groups, *kernel]
    turned = of_group.movedim((-2, -3, -1), (0, 1, 2)).reshape(inputs, weight.shape[-1] // groups, *window.kernel)
    short = [
        fine - ((coarse - 1) * s - 2 * p + d * (k - 1) + 1)
        for fine, coarse, k, s, p, d in zip(onto.shape, x.sites.shape, *window, strict=True)
    ]
    dense = transposed(x.dense(), turned, None, stride, padding, tuple(short), groups, dilation)
    return read(dense, onto)


def _convolution(x: SparseTensor):  # type: ignore[no-untyped-def]
    return functional.conv3d if len(x.sites.shape) == 3 else functional.conv2d
