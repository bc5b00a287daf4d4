"""The W8A8 layer against its exact reference on every instruction set, and proof that the comparison can fail."""

import copy
import pickle

import pytest
import torch
from comparing import rms_ratio
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.kernels import isa
from effbench.kernels.codes import QuantizedRows, QuantizedWeight, StaticRange
from effbench.kernels.dot import LARGEST_INPUTS
from effbench.kernels.linear_w8a8 import amx, cpu, linear_w8a8, pack_w8a8, quantize_weight
from effbench.kernels.linear_w8a8.packed import WIDTHS
from effbench.kernels.linear_w8a8.reference import integer_product
from effbench.kernels.quantize_rows import quantize_rows

CLOSE = 2e-7
"""RMS ratio of what is rounded to float32 three times and what is rounded once."""
SIZES = [1, 7, 63, 64, 65, 257]


def generator(*seeds):
    return torch.Generator().manual_seed(sum(seeds) + len(seeds))


def some(rows, inputs, outputs):
    g = generator(rows, inputs, outputs)
    x, weight = torch.randn(rows, inputs, generator=g) * 3 + 1, torch.randn(outputs, inputs, generator=g)
    return x, quantize_weight(weight), torch.randn(outputs, generator=g)


def rows_of(codes, zero):
    """Return codes as rows of scale 1, so that outputs are the integers themselves."""
    ones = torch.ones(codes.shape[:-1])
    return QuantizedRows(codes, ones, torch.full_like(ones, zero, dtype=torch.int32), codes.sum(-1, dtype=torch.int32))


@pytest.mark.parametrize("inputs", [*SIZES, 136])
@pytest.mark.parametrize(("rows", "outputs"), [(1, 65), (33, 7), (64, 64), (29, 257), (7, 1), (2, 48)])
def test_it_equals_the_reference(machine, poisoned, inputs, rows, outputs):
    x, weight, bias = some(rows, inputs, outputs)
    packed = pack_w8a8(weight)
    for b in (bias, None):
        assert rms_ratio(linear_w8a8(x, packed, b), linear_w8a8(x, packed, b, impl="reference")) < CLOSE


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_width_of_panels(machine, poisoned, monkeypatch, width):
    monkeypatch.setitem(WIDTHS, machine.name, (width,))
    x, weight, bias = some(30, 100, 150)
    packed = pack_w8a8(weight)
    assert packed.width == width
    assert rms_ratio(linear_w8a8(x, packed, bias), linear_w8a8(x, packed, bias, impl="reference")) < CLOSE


@pytest.mark.parametrize("kind", ["full range", "gaussian", "largest", "alternating"])
@pytest.mark.parametrize("zero", [0, 1, 77, 255])
def test_integers_are_exact(machine, kind, zero):
    rows, inputs, outputs, top = 17, 1152, 70, 2**machine.activation_bits - 1
    g = generator(zero)
    codes = {
        "full range": torch.randint(0, top + 1, (rows, inputs), generator=g),
        "gaussian": (torch.randn(rows, inputs, generator=g) * 36 + top / 2).round().clamp(0, top),
        "largest": torch.full((rows, inputs), top),
        "alternating": torch.tensor([top, 0]).repeat(rows, inputs // 2),
    }[kind].to(torch.uint8)
    weights = torch.randint(-127, 128, (outputs, inputs), generator=g, dtype=torch.int8)
    weights[0], weights[1], weights[2, ::2], weights[2, 1::2] = -127, 127, 127, -127
    weight = QuantizedWeight(weights, torch.ones(outputs, 1), torch.zeros(outputs, 1, dtype=torch.int8))
    found = linear_w8a8(rows_of(codes, min(zero, top)), pack_w8a8(weight))
    # The sums are int32 within the kernel; one rounding to float32 is all that is between them and the result.
    assert torch.equal(found, integer_product(rows_of(codes, min(zero, top)), weight).float())


def test_sums_stay_within_int32_up_to_the_largest_size(machine):
    top = 2**machine.activation_bits - 1
    codes = torch.full((2, LARGEST_INPUTS), top, dtype=torch.uint8)
    codes[1] = 0
    weights = torch.full((2, LARGEST_INPUTS), -127, dtype=torch.int8)
    weights[1] = 127
    weight = QuantizedWeight(weights, torch.ones(2, 1), torch.zeros(2, 1, dtype=torch.int8))
    packed = pack_w8a8(weight)
    for zero in (0, top):
        assert torch.equal(
            linear_w8a8(rows_of(codes, zero), packed), integer_product(rows_of(codes, zero), weight).float()
        )
    beyond = quantize_weight(torch.ones(1, LARGEST_INPUTS + 1))
    with pytest.raises(ValueError, match=f"1 to {LARGEST_INPUTS} inputs"):
        pack_w8a8(beyond)


def test_codes_of_eight_bits_on_avx2_would_be_caught(monkeypatch):
    """A planted wrong kernel: pmaddubsw saturates on full-range codes, which the comparison sees and the layer refuses."""
    if "avx2" not in isa.LARGEST_FIRST[isa.LARGEST_FIRST.index(isa.detect()) :]:
        pytest.skip("this processor has no avx2")
    monkeypatch.setenv(isa.VARIABLE, "avx2")
    inputs = 512
    weight = torch.where(torch.rand(16, inputs, generator=generator(1)) < 0.9, 1.0, -1.0)
    x = torch.cat([torch.full((4, inputs - 1), 10.0), torch.zeros(4, 1)], dim=1)
    packed = pack_w8a8(quantize_weight(weight))
    assert rms_ratio(linear_w8a8(x, packed), linear_w8a8(x, packed, impl="reference")) < CLOSE
    planted = cpu.Layer(packed, None, 8, False, None, None, False)(x)
    eight = pack_w8a8(quantize_weight(weight))
    eight.activation_bits = 8
    assert rms_ratio(planted, linear_w8a8(x, eight, bits=8, impl="reference")) > 1e-2
    with pytest.raises(ValueError, match="avx2 multiplies codes of 7 bits exactly, not of 8"):
        linear_w8a8(x, packed, bits=8)
    with pytest.raises(ValueError, match="avx2 multiplies codes up to 127 exactly, got 255"):
        linear_w8a8(quantize_rows(x, 8), packed)


@pytest.mark.skipif(isa.detect() != "amx-int8", reason="this processor has no amx-int8")
def test_registers_that_are_configured_to_fewer_inputs_would_be_caught(monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, "amx-int8")
    x, weight, _ = some(40, 64 + 24, 40)
    exact = linear_w8a8(x, pack_w8a8(weight), impl="reference")
    assert rms_ratio(linear_w8a8(x, pack_w8a8(weight)), exact) < CLOSE
    right = amx.configuration
    monkeypatch.setattr(amx, "configuration", lambda inputs: right(inputs - 4))
    assert rms_ratio(linear_w8a8(x, pack_w8a8(weight)), exact) > 1e-2


def test_a_kernel_that_drops_the_last_inputs_would_be_caught(machine):
    x, weight, _ = some(20, 260, 40)
    packed = pack_w8a8(weight)
    exact = linear_w8a8(x, packed, impl="reference")
    cut = packed.fields
    packed.fields = (*cut[:5], 256, *cut[6:])  # the inputs of the one group
    assert rms_ratio(linear_w8a8(x, packed), exact) > 1e-2


@pytest.mark.parametrize("how", [{"bits": 4}, {"symmetric": True}, {"static": StaticRange(0.05, 60, 7)}])
@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize("multiplied", [False, True])
def test_every_way_to_quantize(machine, poisoned, how, rotate, multiplied):
    x, weight, bias = some(21, 192, 50)
    multiplier = torch.randn(192, generator=generator(3)) if multiplied else None
    packed = pack_w8a8(weight)
    ours, exact = (
        linear_w8a8(x, packed, bias, multiplier=multiplier, rotate=rotate, impl=impl, **how)
        for impl in ("cpu", "reference")
    )
    # Rotated in float32 and in float64, a number may fall on either side of a tie: one code of thousands.
    assert rms_ratio(ours, exact) < (2e-3 if rotate else CLOSE)


def test_rows_that_are_quantized_already_give_the_same(machine, poisoned):
    x, weight, bias = some(40, 99, 60)
    packed = pack_w8a8(weight)
    rows = quantize_rows(x, packed.activation_bits)
    assert torch.equal(linear_w8a8(rows, packed, bias), linear_w8a8(x, packed, bias))


def test_rows_that_are_not_finite_give_nan_and_touch_no_others(machine):
    x, weight, bias = some(9, 80, 33)
    packed = pack_w8a8(weight)
    clean = linear_w8a8(x, packed, bias)
    x[2, 79], x[5, 0], x[6, 40] = torch.nan, torch.inf, -torch.inf
    for how in ({}, {"static": StaticRange(0.1, 60, 7)}, {"multiplier": torch.ones(80)}):
        found = linear_w8a8(x, packed, bias, **how)
        assert found.isnan().all(1).tolist() == [i in (2, 5, 6) for i in range(9)]
    assert torch.equal(linear_w8a8(x, packed, bias)[:2], clean[:2])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("rows", "outputs"), [(1, 200), (2, 700), (5, 64), (61, 30), (300, 40)])
def test_neither_threads_nor_neighbours_change_a_result(machine, threads, rows, outputs):
    x, weight, bias = some(rows, 72, outputs)
    packed, before = pack_w8a8(weight), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = linear_w8a8(x, packed, bias)
        torch.set_num_threads(threads)
        assert torch.equal(linear_w8a8(x, packed, bias), alone)
        assert torch.equal(linear_w8a8(x[rows // 2 :], packed, bias), alone[rows // 2 :])
    finally:
        torch.set_num_threads(before)


def test_blocks_of_rows_that_do_not_fit_at_once(machine, monkeypatch):
    monkeypatch.setattr("effbench.kernels.linear_w8a8.packed.BLOCK_BYTES", 1)
    x, weight, bias = some(100, 72, 40)
    packed = pack_w8a8(weight)
    assert rms_ratio(linear_w8a8(x, packed, bias), linear_w8a8(x, packed, bias, impl="reference")) < CLOSE


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 70), st.integers(1, 300), st.integers(1, 150), st.booleans())
def test_any_shape(rows, inputs, outputs, symmetric):
    x, weight, bias = some(rows, inputs, outputs)
    packed = pack_w8a8(weight)
    ours = linear_w8a8(x, packed, bias, symmetric=symmetric)
    assert ours.shape == (rows, outputs)
    if rows:
        exact = linear_w8a8(x, packed, bias, symmetric=symmetric, impl="reference")
        # A single output may be what product and bias leave of each other; each is rounded at its own size.
        product = linear_w8a8(x, packed, symmetric=symmetric, impl="reference")
        assert (ours - exact).norm() < CLOSE * (product.abs() + bias.abs()).norm()


def test_shapes_strides_and_no_rows_at_all(machine):
    x, weight, bias = some(24, 20, 10)
    packed, flat = pack_w8a8(weight), linear_w8a8(x, pack_w8a8(weight), bias)
    assert torch.equal(linear_w8a8(x.view(2, 3, 4, 20), packed, bias).view(24, 10), flat)
    assert torch.equal(linear_w8a8(x.T.contiguous().T, packed, bias), flat)
    assert torch.equal(linear_w8a8(torch.stack([x, x])[:, ::2][1], packed, bias), flat[::2])
    assert linear_w8a8(torch.ones(3, 0, 20), packed, bias).shape == (3, 0, 10)
    wide = torch.stack([bias, bias], 1)[:, 0]
    assert not wide.is_contiguous() and torch.equal(linear_w8a8(x, packed, wide), flat)


def test_a_weight_with_zero_points_and_a_channel_of_zeros(machine):
    x, weight, _ = some(6, 40, 5)
    zero = torch.tensor([0, 3, -5, 100, -100], dtype=torch.int8)[:, None]
    codes = (weight.codes.int() // 5 + zero).clamp(-128, 127).to(torch.int8)
    shifted = QuantizedWeight(codes, weight.scale, zero)
    packed = pack_w8a8(shifted)
    assert torch.equal(packed.weight().dequantized(), shifted.dequantized())
    assert rms_ratio(linear_w8a8(x, packed), linear_w8a8(x, packed, impl="reference")) < CLOSE
    plain = torch.randn(5, 40, generator=generator(5))
    plain[3] = 0
    assert linear_w8a8(x, pack_w8a8(quantize_weight(plain)))[:, 3].eq(0).all()


def test_packing_keeps_the_codes_and_tells_its_bytes(machine):
    _, weight, _ = some(1, 70, 100)
    packed = pack_w8a8(weight)
    for found in (packed.weight(), copy.deepcopy(packed).weight(), pickle.loads(pickle.dumps(packed)).weight()):
        assert all(torch.equal(a, b) for a, b in zip(found, weight, strict=True))
    channels = packed.channels
    assert packed.packed_bytes() == channels * 72 + channels * (4 + 4 + 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, w: linear_w8a8(x[:, :5], w), "rows of 5 numbers do not fit a weight of 8 inputs"),
        (lambda x, w: linear_w8a8(x, w, torch.ones(4)), r"float32 bias \[3\], got torch.float32 \[4\]"),
        (lambda x, w: linear_w8a8(x.double(), w), "takes float32 on the CPU, got float64"),
        (lambda x, w: linear_w8a8(x, w, bits=9), "2 to 8 bits, not 9"),
        (lambda x, w: linear_w8a8(quantize_rows(x, 7), w, symmetric=True), "cannot be quantized otherwise"),
        (lambda x, w: linear_w8a8(x, w, impl="numba"), "no implementation 'numba'"),
        (lambda x, w: pack_w8a8(QuantizedWeight(*(t.repeat(1, 2) for t in w.weight()))), "one scale a channel"),
        (lambda x, w: pack_w8a8(quantize_weight(torch.ones(0, 4))), "an output at least"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2, 8), pack_w8a8(quantize_weight(torch.ones(3, 8))))
