"""Products of quantized layers: by integer kernels where a scheme has them, or imitated in floats, to the same codes."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch

from effbench.kernels.codes import QuantizedRows, QuantizedWeight, StaticRange
from effbench.kernels.conv2d_w8a8.reference import conv2d_w8a8
from effbench.kernels.linear_w4a8.reference import linear_w4a8
from effbench.kernels.linear_w4a16.reference import linear_w4a16
from effbench.kernels.linear_w8a8.reference import linear_w8a8
from effbench.kernels.quantize_rows.reference import quantize_rows, quantize_tensor
from effbench.quantization.fake import fake_rows, fake_tensor
from effbench.quantization.schemes import ActivationScheme
from effbench.quantization.transform import Transform

Kernel = Literal["w8a8", "w4a8", "w4a16"]


class LowRank(NamedTuple):
    """A branch that stays in floats beside a quantized weight: x -> (x @ down^T) @ up^T, ``down`` [r, I], ``up`` [O, r]."""

    down: torch.Tensor
    up: torch.Tensor


class LinearState(NamedTuple):
    """What a quantized linear layer is in one range of timesteps.

    ``weight`` are codes, or a plain tensor [O, I] where it is not quantized (``bits`` 16), both in the basis of
    ``transform``. ``static`` is the range of the transformed inputs, for static-tensor activations; ``branch`` adds to the
    product what it makes of the transformed inputs, unrounded.
    """

    weight: QuantizedWeight | torch.Tensor
    bits: int
    transform: Transform = Transform()
    static: StaticRange | None = None
    branch: LowRank | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Return (outputs, inputs)."""
        outputs, inputs = (self.weight.codes if isinstance(self.weight, QuantizedWeight) else self.weight).shape
        return outputs, inputs

    def dequantized(self) -> torch.Tensor:
        """Return the weight [O, I] that stands in the product, as floats."""
        return self.weight.dequantized() if isinstance(self.weight, QuantizedWeight) else self.weight.detach()


def kernel_of(bits: int, activation: ActivationScheme, groups: int = 1) -> Kernel | None:
    """Return which kernel computes a scheme, or None where it can only be imitated.

    Weights of 8 bits have one group; activations have 8 bits and no groups, or are not quantized beside 4-bit weights.
    """
    if not activation.is_on:
        return "w4a16" if bits == 4 else None
    if activation.bits != 8 or activation.group is not None:
        return None
    if bits == 8 and groups == 1:
        return "w8a8"
    return "w4a8" if bits == 4 else None


class Packed(NamedTuple):
    """A weight as its kernel takes it."""

    kernel: Kernel
    weight: Any


def pack(state: LinearState, activation: ActivationScheme) -> Packed:
    """Return a state's weight as its kernel takes it; raise ``ValueError`` where none computes it."""
    groups = state.weight.scale.shape[1] if isinstance(state.weight, QuantizedWeight) else 1
    kernel = kernel_of(state.bits, activation, groups)
    if kernel is None or not isinstance(state.weight, QuantizedWeight):
        raise ValueError(
            f"no kernel computes {state.bits}-bit weights in {groups} groups with {activation.kind} activations of "
            f"{activation.bits} bits; W8A8, W4A8 and W4A16 have one: use execution='simulated'"
        )
    return Packed(kernel, state.weight)


def packed_bytes(packed: Any) -> int:
    """Return the bytes that a packed weight holds."""
    weight = packed.weight if isinstance(packed, Packed) else packed
    return sum(part.numel() * part.element_size() for part in weight)


def scheme_bytes(state: LinearState) -> float:
    """Return the bytes of a state's weight as its scheme packs it: its bits a code, 4 bytes a scale and 1 a zero point.

    What stays in floats (an unquantized weight, a low-rank branch) counts as it is.
    """
    plain = [] if isinstance(state.weight, QuantizedWeight) else [state.weight]
    held = float(sum(part.numel() * part.element_size() for part in (*plain, *(state.branch or ()))))
    if isinstance(state.weight, QuantizedWeight):
        held += state.weight.codes.numel() * state.bits / 8 + state.weight.scale.numel() * 5
    return held


def computed(
    x: torch.Tensor, state: LinearState, packed: Any, bias: torch.Tensor | None, activation: ActivationScheme
) -> torch.Tensor:
    """Return the layer's output [..., O] by its kernel, in the dtype of x."""
    moved = state.transform.activations(x)
    if packed.kernel == "w4a16":
        y = linear_w4a16(moved, packed.weight, bias)
    else:
        product = linear_w8a8 if packed.kernel == "w8a8" else linear_w4a8
        rows = quantize_rows(moved, activation.bits, activation.symmetric)
        if activation.kind == "static-tensor":
            rows = _static_rows(moved, _found(state.static))
        y = product(rows, packed.weight, bias).to(x.dtype)
    return y if state.branch is None else y + _branch(moved, state.branch)


def imitated(
    x: torch.Tensor, state: LinearState, weight: torch.Tensor, bias: torch.Tensor | None, activation: ActivationScheme
) -> torch.Tensor:
    """Return the layer's output [..., O] in floats; ``weight`` is the state's, dequantized."""
    moved = rounded = state.transform.activations(x)
    if activation.is_on and activation.kind == "dynamic-token":
        rounded = fake_rows(moved, activation.bits, activation.symmetric, activation.group)
    elif activation.is_on:
        rounded = fake_tensor(moved, _found(state.static))
    y = torch.nn.functional.linear(rounded, weight, bias)
    return y if state.branch is None else y + _branch(moved, state.branch)


def computed_convolution(
    x: torch.Tensor,
    packed: Any,
    kernel: tuple[int, int],
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> torch.Tensor:
    """Return the convolution of x [B, I, H, W] by the integer kernel, in the dtype of x."""
    return conv2d_w8a8(x, packed, kernel, bias, static, stride, padding).to(x.dtype)


def imitated_convolution(x: torch.Tensor, activation: ActivationScheme, static: StaticRange | None) -> torch.Tensor:
    """Return the inputs [B, I, H, W] of an imitated convolution: in one range found before, or in one for each sample."""
    if not activation.is_on:
        return x
    if activation.kind == "static-tensor":
        return fake_tensor(x, _found(static))
    return fake_rows(x.flatten(1), activation.bits, activation.symmetric).reshape(x.shape)


def _branch(x: torch.Tensor, branch: LowRank) -> torch.Tensor:
    return x @ branch.down.to(x.dtype).T @ branch.up.to(x.dtype).T


def _static_rows(x: torch.Tensor, static: StaticRange) -> QuantizedRows:
    codes = quantize_tensor(x, static)
    scale = torch.full(codes.shape[:-1], static.scale, device=x.device)
    return QuantizedRows(
        codes, scale, torch.full_like(scale, static.zero, dtype=torch.int32), codes.sum(-1, dtype=torch.int32)
    )


def _found(static: StaticRange | None) -> StaticRange:
    if static is None:
        raise ValueError("static-tensor activations need the range that calibration found")
    return static
