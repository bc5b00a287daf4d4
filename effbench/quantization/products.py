"""Products of quantized layers: by integer kernels where a scheme has them, or imitated in floats, to the same codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.conv2d_w8a8.reference import conv2d_w8a8
from effbench.kernels.linear_w4a8.reference import linear_w4a8
from effbench.kernels.linear_w4a16.reference import linear_w4a16
from effbench.kernels.linear_w8a8 import linear_w8a8, pack_w8a8
from effbench.kernels.quantize_rows import quantize_rows
from effbench.quantization.fake import fake_rows, fake_tensor
from effbench.quantization.ranges import with_bits
from effbench.quantization.schemes import ActivationScheme, Kernel, kernel_of
from effbench.quantization.transform import Transform, implementation


class LowRank(NamedTuple):
    """A branch that stays in floats beside a quantized weight: x -> (x @ down^T) @ up^T, ``down`` [r, I], ``up`` [O, r]."""

    down: torch.Tensor
    up: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the branch adds to the product of x [..., I]."""
        return x @ self.down.to(x.dtype).T @ self.up.to(x.dtype).T


class Inputs(NamedTuple):
    """What becomes of a layer's inputs before the product.

    ``static`` is the range of the transformed inputs, for static-tensor activations; ``branch`` adds to the product what it
    makes of the transformed inputs, unrounded.
    """

    transform: Transform = Transform()
    static: StaticRange | None = None
    branch: LowRank | None = None


class LinearState(NamedTuple):
    """What a quantized linear layer is in one range of timesteps.

    ``weight`` are codes, or a plain tensor [O, I] where it is not quantized (``bits`` 16), both in the basis of the inputs'
    transform.
    """

    weight: QuantizedWeight | torch.Tensor
    bits: int
    inputs: Inputs = Inputs()

    @property
    def shape(self) -> tuple[int, int]:
        """Return (outputs, inputs)."""
        outputs, inputs = (self.weight.codes if isinstance(self.weight, QuantizedWeight) else self.weight).shape
        return outputs, inputs

    @property
    def groups(self) -> int:
        """Return the number of groups of inputs that have scales of their own."""
        return self.weight.scale.shape[1] if isinstance(self.weight, QuantizedWeight) else 1

    def dequantized(self) -> torch.Tensor:
        """Return the weight [O, I] that stands in the product, as floats."""
        return self.weight.dequantized() if isinstance(self.weight, QuantizedWeight) else self.weight.detach()

    def scheme_bytes(self) -> float:
        """Return the bytes of the weight as its scheme packs it: its bits a code, 4 bytes a scale and 1 a zero point.

        What stays in floats (an unquantized weight, a low-rank branch) counts as it is.
        """
        plain = [] if isinstance(self.weight, QuantizedWeight) else [self.weight]
        held = float(sum(part.nbytes for part in (*plain, *(self.inputs.branch or ()))))
        if isinstance(self.weight, QuantizedWeight):
            held += self.weight.codes.numel() * self.bits / 8 + self.weight.scale.numel() * 5
        return held


@dataclass(frozen=True)
class RealProduct:
    """A product that a kernel computes; ``weight`` is packed as the kernel takes it."""

    kernel: Kernel
    weight: Any
    inputs: Inputs
    activation: ActivationScheme

    @classmethod
    def of(cls, state: LinearState, activation: ActivationScheme) -> RealProduct:
        """Return the product of a state; raise ``ValueError`` where no kernel computes it.

        Where the processor multiplies fewer bits exactly than a static range has, the same range gets as many as it does.
        """
        kernel = kernel_of(state.bits, activation, None if state.groups == 1 else state.shape[1] // state.groups)
        if kernel is None or not isinstance(state.weight, QuantizedWeight):
            raise ValueError(
                f"no kernel computes {state.bits}-bit weights in {state.groups} groups with {activation.kind} activations "
                f"of {activation.bits} bits; W8A8, W4A8 and W4A16 have one: use execution='simulated'"
            )
        if kernel != "w8a8":
            return cls(kernel, state.weight, state.inputs, activation)
        packed, static = pack_w8a8(state.weight), state.inputs.static
        if static is not None and static.bits > packed.activation_bits:
            static = with_bits(static, packed.activation_bits)
        return cls(kernel, packed, state.inputs._replace(static=static), activation)

    def __call__(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the product of x [..., I] as [..., O] in the dtype of x; ``bias`` is float32."""
        transform, static, branch = self.inputs
        symmetric = self.activation.symmetric
        if self.kernel == "w8a8":
            y = linear_w8a8(
                x,
                self.weight,
                bias,
                symmetric=symmetric,
                static=static,
                multiplier=transform.multiplier,
                rotate=transform.rotate,
            )
        elif self.kernel == "w4a8":
            rows = quantize_rows(transform.activations(x), symmetric=symmetric, static=static, impl=implementation(x))
            y = linear_w4a8(rows, self.weight, bias)
        else:
            y = linear_w4a16(transform.activations(x), self.weight, bias)
        return y.to(x.dtype) if branch is None else y.to(x.dtype) + branch(transform.activations(x))

    def packed_bytes(self) -> int:
        """Return the bytes that the packed weight holds."""
        if isinstance(self.weight, QuantizedWeight):
            return sum(part.nbytes for part in self.weight)
        return int(self.weight.packed_bytes())


def imitated(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, inputs: Inputs, activation: ActivationScheme
) -> torch.Tensor:
    """Return the product of x [..., I] with a dequantized weight as [..., O] in floats."""
    moved = inputs.transform.activations(x)
    y = torch.nn.functional.linear(_rounded(moved, activation, inputs.static), weight, bias)
    return y if inputs.branch is None else y + inputs.branch(moved)


def imitated_input(x: torch.Tensor, activation: ActivationScheme, static: StaticRange | None) -> torch.Tensor:
    """Return the inputs [B, I, H, W] of an imitated convolution: in one range found before, or in one for each sample."""
    return _rounded(x.flatten(1), activation, static).reshape(x.shape)


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


def _rounded(x: torch.Tensor, activation: ActivationScheme, static: StaticRange | None) -> torch.Tensor:
    if not activation.is_on:
        return x
    if activation.kind == "dynamic-token":
        return fake_rows(x, activation.bits, activation.symmetric, activation.group)
    if static is None:
        raise ValueError("static-tensor activations need the range that calibration found")
    return fake_tensor(x, static)
