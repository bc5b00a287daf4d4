"""The layers of 4-bit weights against their references on every instruction set."""

import copy

import pytest
import torch
from comparing import rms_ratio

from effbench.kernels.codes import QuantizedRows, QuantizedWeight
from effbench.kernels.linear_w4a8 import linear_w4a8, pack_w4a8
from effbench.kernels.linear_w4a8.reference import pack, unpack
from effbench.kernels.linear_w4a16 import linear_w4a16, pack_w4a16

CLOSE = 4e-7
"""RMS ratio: groups are added in float32, where the reference adds them in float64."""
SHAPES = [
    (1, 2, 1, 1),
    (33, 192, 192, 1),
    (7, 30, 17, 1),
    (20, 256, 70, 2),
    (50, 1152, 96, 9),
    (9, 12, 5, 3),
    (3, 64, 257, 2),
]


def some(rows, inputs, outputs, groups, zeros=True):
    g = torch.Generator().manual_seed(rows + inputs + outputs + groups)
    codes = torch.randint(-8, 8, (outputs, inputs), generator=g, dtype=torch.int8)
    zero = torch.randint(-8, 8, (outputs, groups), generator=g, dtype=torch.int8) * zeros
    weight = QuantizedWeight(codes, torch.rand(outputs, groups, generator=g) + 0.1, zero)
    return torch.randn(rows, inputs, generator=g) * 2 + 1, weight, torch.randn(outputs, generator=g)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("symmetric", [False, True])
def test_w4a8_equals_the_reference(machine, poisoned, shape, symmetric):
    x, weight, bias = some(*shape)
    packed = pack_w4a8(weight)
    for b in (bias, None):
        ours, exact = (linear_w4a8(x, packed, b, symmetric=symmetric, impl=impl) for impl in ("cpu", "reference"))
        assert rms_ratio(ours, exact) < CLOSE


@pytest.mark.parametrize("groups", [1, 9])
@pytest.mark.parametrize("zero", [0, 1, 127])
def test_integers_are_exact(machine, groups, zero):
    _, weight, _ = some(3, 1152, 40, groups)
    weight = weight._replace(scale=torch.ones_like(weight.scale))
    weight.codes[0], weight.codes[1] = -8, 7
    codes = torch.full((5, 1152), 2**machine.activation_bits - 1, dtype=torch.uint8)
    codes[1:] = torch.randint(0, 128, (4, 1152), generator=torch.Generator().manual_seed(1))
    rows = QuantizedRows(codes, torch.ones(5), torch.full((5,), zero), codes.sum(-1, dtype=torch.int32))
    rows = rows._replace(zero=rows.zero.to(torch.int32))
    centred = (weight.codes.long().view(40, groups, -1) - weight.zero.long()[:, :, None]).view(40, -1)
    exact = (codes.long() - zero) @ centred.T
    assert exact.abs().max() < 2**24  # so that float32 holds every sum
    assert torch.equal(linear_w4a8(rows, pack_w4a8(weight)), exact.float())


@pytest.mark.parametrize("shape", SHAPES)
def test_w4a16_equals_the_reference(poisoned, monkeypatch, shape):
    monkeypatch.setattr("effbench.kernels.linear_w4a16.cpu.STRIP_BYTES", 20_000)
    x, weight, bias = some(*shape)
    packed = pack_w4a16(weight)
    for b in (bias, None):
        assert rms_ratio(linear_w4a16(x, packed, b), linear_w4a16(x, packed, b, impl="reference")) < 1e-6


def test_a_kernel_that_forgets_the_zero_points_would_be_caught(machine):
    x, weight, _ = some(20, 256, 70, 2)
    exact = linear_w4a8(x, pack_w4a8(weight), impl="reference")
    assert rms_ratio(linear_w4a8(x, pack_w4a8(weight._replace(zero=weight.zero * 0))), exact) > 1e-2
    swapped = weight._replace(scale=weight.scale.flip(1))
    assert rms_ratio(linear_w4a8(x, pack_w4a8(swapped)), exact) > 1e-2


@pytest.mark.parametrize("shape", SHAPES)
def test_packing_keeps_codes_scales_and_zero_points(machine, shape):
    _, weight, _ = some(*shape)
    packed = pack_w4a8(weight)
    for found in (packed.weight(), copy.deepcopy(packed).weight(), pack_w4a16(weight).weight()):
        assert all(torch.equal(a, b) for a, b in zip(found, weight, strict=True))
    assert torch.equal(unpack(pack(weight.codes)), weight.codes)


def test_two_codes_take_a_byte(machine):
    _, weight, _ = some(1, 1152, 1152, 9)
    numbers = 1152 * 1152
    assert pack_w4a8(weight).packed_bytes() == numbers / 2 + 1152 * (9 * (4 + 4 + 4) + 4)
    assert pack_w4a16(weight).packed_bytes() == numbers / 2 + 1152 * 9 * (4 + 1)


def test_refusals():
    _, weight, _ = some(1, 24, 4, 1)
    for packing in (pack_w4a8, pack_w4a16):
        with pytest.raises(ValueError, match=r"codes in \[-8, 7\], got \[.*, 8\]"):
            packing(weight._replace(codes=weight.codes + 1))
        with pytest.raises(ValueError, match="groups of a multiple of 4 inputs, got 4 groups of 24 inputs"):
            packing(QuantizedWeight(weight.codes, weight.scale.repeat(1, 4), weight.zero.repeat(1, 4)))
    with pytest.raises(ValueError, match="rows of 8 numbers do not fit a weight of 24 inputs"):
        linear_w4a16(torch.ones(2, 8), pack_w4a16(weight))
    with pytest.raises(ValueError, match="rows of 8 numbers do not fit a weight of 24 inputs"):
        linear_w4a8(torch.ones(2, 8), pack_w4a8(weight))
