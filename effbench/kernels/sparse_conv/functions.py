"""Sparse convolutions and pooling over ``SparseTensor``s, differentiable in features and weight."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Literal, NamedTuple

import torch

from effbench.kernels.sparse_conv import differentiable, maps, taps
from effbench.kernels.sparse_conv.geometry import centred, window
from effbench.kernels.sparse_conv.kernel_map import KernelMap
from effbench.kernels.sparse_conv.sites import Sites
from effbench.kernels.sparse_conv.tensor import SparseTensor

Numbers = int | Sequence[int]


class After(NamedTuple):
    """What follows a convolution at its outputs: a bias [Cout] is added, ReLU cuts off."""

    bias: torch.Tensor | None = None
    relu: bool = False


NOTHING_AFTER = After()
"""A convolution alone: zero stays zero."""
SparseChoice = Literal["auto", "reference", "taps", "cpu", "triton"]
CHOICES = ("auto", "reference", "taps", "cpu", "triton")
"""``taps`` multiplies with torch, tap by tap, on any device and in any floating type; ``cpu`` is compiled, for float32."""


def submanifold_conv(
    x: SparseTensor, weight: torch.Tensor, dilation: Numbers = 1, groups: int = 1, impl: SparseChoice = "auto",
    after: After = NOTHING_AFTER,
) -> SparseTensor:  # fmt: skip
    """Return the convolution of x read at x's own sites, [N, Cout]; weight is [*kernel, Cin / groups, Cout].

    Equal to torch's cross-correlation of ``x.dense()`` with padding "same", read there. Depthwise is ``groups`` = Cin with a
    weight [*kernel, 1, Cin]. Raises ``ValueError`` for a weight that does not fit.
    """
    kernel, flat = _checked("submanifold_conv", x, weight, groups)
    view = centred(kernel, len(x.sites.shape), dilation)
    if impl == "reference":
        from effbench.kernels.sparse_conv import reference

        y = reference.submanifold_conv(x, weight, view.dilation, groups)
        return y.with_features(followed(y.features, after))
    found = maps.submanifold_map(x.sites, view)
    return SparseTensor(x.sites, _run("submanifold_conv", impl, x.features, flat, found, groups, after))


def strided_conv(
    x: SparseTensor, weight: torch.Tensor, stride: Numbers, padding: Numbers, dilation: Numbers = 1, groups: int = 1,
    impl: SparseChoice = "auto", after: After = NOTHING_AFTER,
) -> SparseTensor:  # fmt: skip
    """Return the convolution of x at every cell that an input hits; weight is [*kernel, Cin / groups, Cout].

    Equal to torch's convolution of ``x.dense()`` without bias, which is zero at all other cells. With stride 1 the sites
    grow by the kernel. Raises ``ValueError`` for a weight or a window that does not fit.
    """
    kernel, flat = _checked("strided_conv", x, weight, groups)
    view = window(kernel, len(x.sites.shape), stride, padding, dilation)
    if impl == "reference":
        from effbench.kernels.sparse_conv import reference

        y = reference.strided_conv(x, weight, view, groups)
        return y.with_features(followed(y.features, after))
    sites, found = maps.strided_map(x.sites, view)
    return SparseTensor(sites, _run("strided_conv", impl, x.features, flat, found, groups, after))


def inverse_conv(
    x: SparseTensor, weight: torch.Tensor, onto: Sites, stride: Numbers, padding: Numbers, dilation: Numbers = 1,
    groups: int = 1, impl: SparseChoice = "auto", after: After = NOTHING_AFTER,
) -> SparseTensor:  # fmt: skip
    """Return the transposed convolution of x read at the sites ``onto`` that the strided one started from.

    Equal to torch's transposed convolution of ``x.dense()`` read there; weight is [*kernel, Cin / groups, Cout] with Cin of
    x. Raises ``ValueError`` where x cannot come of a strided convolution of ``onto``.
    """
    kernel, flat = _checked("inverse_conv", x, weight, groups)
    view = window(kernel, len(x.sites.shape), stride, padding, dilation)
    found = maps.map_onto(onto, x.sites, view)
    if impl == "reference":
        from effbench.kernels.sparse_conv import reference

        y = reference.inverse_conv(x, weight, onto, view, groups)
        return y.with_features(followed(y.features, after))
    return SparseTensor(onto, _run("inverse_conv", impl, x.features, flat, found.turned, groups, after))


def max_pool(x: SparseTensor, kernel: Numbers, stride: Numbers, padding: Numbers = 0) -> SparseTensor:
    """Return the maximum of x over the occupied cells of each window that has any; empty cells are no zeros.

    Raises ``ValueError`` for a window that does not fit.
    """
    view = window(kernel, len(x.sites.shape), stride, padding)
    sites, found = maps.strided_map(x.sites, view)
    return SparseTensor(sites, differentiable.MaxPool.apply(x.features, found))  # type: ignore[no-untyped-call]


def _checked(
    operation: str, x: SparseTensor, weight: torch.Tensor, groups: int
) -> tuple[tuple[int, ...], torch.Tensor]:
    """Return (kernel, weight [taps, Cin / groups, Cout]) of a weight that fits x."""
    axes, channels = len(x.sites.shape), x.features.shape[1]
    fits = weight.ndim == axes + 2 and groups > 0 and channels % groups == 0 and weight.shape[-1] % groups == 0
    if not fits or weight.shape[-2] != channels // groups:
        raise ValueError(
            f"{operation}: weight {list(weight.shape)} in {groups} groups for {axes} axes and {channels} channels; want "
            f"[{axes} numbers of the kernel, Cin / groups, Cout]"
        )
    if weight.dtype != x.features.dtype or weight.device != x.features.device:
        raise ValueError(
            f"{operation}: weight of {weight.dtype} on {weight.device}, features of {x.features.dtype} on {x.features.device}"
        )
    return tuple(weight.shape[:axes]), weight.reshape(-1, *weight.shape[-2:])


def implementation(operation: str, impl: SparseChoice, features: torch.Tensor) -> ModuleType:
    """Return the module that computes; raises ``ValueError`` for one that there is not."""
    if impl not in CHOICES:
        raise ValueError(f"{operation} has no implementation {impl!r}; want one of {', '.join(CHOICES)}")
    if impl == "auto":
        compiled = {"cpu": (torch.float32,), "cuda": (torch.float32, torch.float16, torch.bfloat16)}
        known = features.dtype in compiled.get(features.device.type, ())
        impl = "taps" if not known else "cpu" if features.device.type == "cpu" else "triton"
    if impl == "triton":
        from effbench.kernels.sparse_conv import gpu

        return gpu
    if impl == "taps":
        return taps
    if features.device.type != "cpu" or features.dtype != torch.float32:
        raise ValueError(
            f"{operation}: the compiled CPU path takes float32 on the CPU, got "
            f"{str(features.dtype).removeprefix('torch.')} on {features.device.type}"
        )
    from effbench.kernels.sparse_conv import cpu

    return cpu


def followed(rows: torch.Tensor, after: After) -> torch.Tensor:
    """Return rows [N, C] with what follows a convolution done to them."""
    if after.bias is not None:
        rows = rows + after.bias
    return torch.relu(rows) if after.relu else rows


def _run(
    operation: str,
    impl: SparseChoice,
    features: torch.Tensor,
    weight: torch.Tensor,
    found: KernelMap,
    groups: int,
    after: After,
) -> torch.Tensor:
    by = implementation(operation, impl, features)
    operands = (features, weight) if after.bias is None else (features, weight, after.bias)
    if by.FOLLOWS and groups == 1 and not (torch.is_grad_enabled() and any(o.requires_grad for o in operands)):
        y: torch.Tensor = by.convolve(features, weight, found, groups, *after)
        return y
    alone: torch.Tensor = differentiable.Convolution.apply(features, weight, found, groups, by)  # type: ignore[no-untyped-call]
    return followed(alone, after)
