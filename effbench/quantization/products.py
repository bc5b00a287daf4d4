"""Products of quantized layers: by integer kernels where a scheme has them, or imitated in floats, to the same codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.linear_w4a8 import PackedW4, linear_w4a8, pack_w4a8
from effbench.kernels.linear_w4a16 import PackedNibbles, linear_w4a16, pack_w4a16
from effbench.kernels.linear_w8a8 import PackedW8, linear_w8a8, pack_w8a8
from effbench.kernels.linear_w8a8.around import Before, Residual, applied
from effbench.kernels.linear_w8a8.call import prepared, quantization
from effbench.kernels.linear_w8a8.cpu import Layer
from effbench.quantization.fake import fake_rows, fake_tensor
from effbench.quantization.ranges import at_most_bits
from effbench.quantization.schemes import ActivationScheme, kernel_of
from effbench.quantization.transform import Transform


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


def side_by_side(states: Sequence[LinearState]) -> LinearState | None:
    """Return one state whose outputs are those of several, one after the other; None where their inputs or forms differ.

    Every output is what it was: it depends on the inputs, and on the codes and scales of its own channel.
    """
    first = states[0]
    weights = [state.weight for state in states]
    if any(state.bits != first.bits or not _same_inputs(state.inputs, first.inputs) for state in states):
        return None
    if not all(isinstance(weight, QuantizedWeight) for weight in weights):
        return None
    parts = zip(*weights, strict=True)
    if len({weight.scale.shape[1] for weight in weights if isinstance(weight, QuantizedWeight)}) > 1:
        return None
    return LinearState(QuantizedWeight(*(torch.cat(part) for part in parts)), first.bits, first.inputs)


def _same_inputs(a: Inputs, b: Inputs) -> bool:
    """Return whether two layers do the same to the same inputs; a branch of floats is each one's own."""
    multipliers = a.transform.multiplier, b.transform.multiplier
    if a.branch is not None or b.branch is not None or a.static != b.static or a.transform.rotate != b.transform.rotate:
        return False
    if multipliers[0] is None or multipliers[1] is None:
        return multipliers[0] is multipliers[1]
    return torch.equal(multipliers[0], multipliers[1])


@dataclass(frozen=True)
class RealProduct:
    """A product that a kernel computes; ``weight`` is packed as the kernel takes it."""

    weight: PackedW8 | PackedW4 | PackedNibbles
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
        if kernel == "w4a16":
            return cls(pack_w4a16(state.weight), state.inputs, activation)
        packed, static = (pack_w8a8 if kernel == "w8a8" else pack_w4a8)(state.weight), state.inputs.static
        if static is not None:
            static = at_most_bits(static, packed.activation_bits)
        return cls(packed, state.inputs._replace(static=static), activation)

    def layer(self, bias: torch.Tensor | None) -> Layer | None:
        """Return what computes it on float32 of a CPU with the least to be done at a call, where the product is all of it."""
        if isinstance(self.weight, PackedNibbles) or self.inputs.branch is not None:
            return None
        transform, static, _ = self.inputs
        how = quantization(None, self.activation.symmetric, static, transform.multiplier, transform.rotate)
        return prepared(self.weight, bias, how)

    def __call__(
        self, x: torch.Tensor, bias: torch.Tensor | None, before: Before = None, residual: Residual | None = None
    ) -> torch.Tensor:
        """Return the product of x [..., I] as [..., O] in the dtype of x; ``bias`` is float32."""
        transform, _, branch = self.inputs
        if isinstance(self.weight, PackedNibbles) or branch is not None:
            x = applied(before, x)
            y = self._product(x, bias, None, None)
            if branch is not None:
                y = y + branch(transform.activations(x))
            return y if residual is None else residual(y)
        return self._product(x, bias, before, residual)

    def _product(
        self, x: torch.Tensor, bias: torch.Tensor | None, before: Before, residual: Residual | None
    ) -> torch.Tensor:
        transform, static, _ = self.inputs
        if isinstance(self.weight, PackedNibbles):
            return linear_w4a16(transform.activations(x), self.weight, bias).to(x.dtype)
        product: Callable[..., torch.Tensor] = linear_w8a8 if isinstance(self.weight, PackedW8) else linear_w4a8
        y = product(
            x,
            self.weight,
            bias,
            symmetric=self.activation.symmetric,
            static=static,
            multiplier=transform.multiplier,
            rotate=transform.rotate,
            before=before,
            residual=residual,
        )
        return y.to(x.dtype)

    def state(self, bits: int) -> LinearState:
        """Return the state that it computes, its weight as plain codes."""
        return LinearState(self.weight.weight(), bits, self.inputs)

    def packed_bytes(self) -> int:
        """Return the bytes that the packed weight holds."""
        return self.weight.packed_bytes()


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


def _rounded(x: torch.Tensor, activation: ActivationScheme, static: StaticRange | None) -> torch.Tensor:
    if not activation.is_on:
        return x
    if activation.kind == "dynamic-token":
        return fake_rows(x, activation.bits, activation.symmetric, activation.group)
    if static is None:
        raise ValueError("static-tensor activations need the range that calibration found")
    return fake_tensor(x, static)
