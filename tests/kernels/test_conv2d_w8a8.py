"""The int8 convolution against its exact reference on every instruction set there is, and proof that this can fail."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from comparing import rms_ratio
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.kernels import isa as instruction_sets
from effbench.kernels import threads
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.conv2d_w8a8 import conv2d_w8a8, cost, cpu, image, pack_conv_w8a8, packing, reference
from effbench.kernels.emitter import Program
from effbench.kernels.gpu_weights import convolution_weight
from effbench.kernels.machine_code import address_of
from effbench.kernels.recording import listening
from effbench.measure.compute import measure_compute

AVX2 = pytest.mark.skipif(instruction_sets.detect() == "portable", reason="this processor has no AVX2")


@pytest.fixture
def isa(machine):
    if machine.name != machine.vectors:
        pytest.skip(f"convolutions of {machine.name} are those of {machine.vectors}")
    return machine.name


@pytest.fixture(autouse=True)
def strained(poisoned, monkeypatch):
    """Let no call rest on what another left behind, and split even the smallest work."""
    cpu.plan.cache_clear()
    monkeypatch.setattr(cpu, "workspace", cpu.Workspace())
    monkeypatch.setattr(cpu, "LEAST_SHARE", dict.fromkeys(instruction_sets.LARGEST_FIRST, 1))


def bits_of(isa):
    return instruction_sets.ACTIVATION_BITS[isa]


def codes_of(kind, generator, bits, shape):
    """Return activation codes: all of them alike often, near the middle, or the largest only."""
    top = 2**bits - 1
    if kind == "full range":
        return torch.randint(0, top + 1, shape, generator=generator)
    if kind == "gaussian":
        return (torch.randn(shape, generator=generator) * top / 7 + top / 2).round().clamp(0, top).long()
    return torch.full(shape, top)


def weights_of(kind, generator, shape):
    """Return int8 weight codes [O, I * KH * KW] of scale 1."""
    codes = torch.randint(-127, 128, shape, generator=generator)
    if kind == "gaussian":
        codes = (torch.randn(shape, generator=generator) * 36).round().clamp(-127, 127)
    if kind == "adversarial":
        codes = torch.full(shape, 127)
        codes[1::2] = -127
    ones = torch.ones(shape[0], 1)
    return QuantizedWeight(codes.to(torch.int8), ones, torch.zeros_like(ones, dtype=torch.int8))


def both(isa, kind, images, channels, size, outputs, kernel, stride, padding, zero=None, bits=None):
    """Return our result and the exact one on whole numbers, where no scale rounds anything."""
    generator = torch.Generator().manual_seed(channels * 1000 + outputs)
    bits = bits or bits_of(isa)
    static = StaticRange(1.0, 2 ** (bits - 1) + 1 if zero is None else zero, bits)
    x = (codes_of(kind, generator, bits, (images, channels, *size)) - static.zero).float()
    weight = weights_of(kind, generator, (outputs, channels * kernel[0] * kernel[1]))
    packed = packing.pack_conv_w8a8(weight, kernel, isa)
    exact = reference.conv2d_w8a8(x, weight, kernel, None, static, stride, padding)
    return conv2d_w8a8(x, packed, None, static, stride, padding), exact


SHAPES = [
    # images, channels, size, outputs, kernel, stride, padding
    (1, 1, (1, 1), 1, (3, 3), (1, 1), (1, 1)),
    (2, 3, (2, 5), 7, (3, 3), (1, 1), (1, 1)),
    (1, 5, (1, 9), 33, (5, 1), (1, 1), (2, 0)),
    (1, 12, (8, 8), 33, (3, 3), (1, 1), (1, 1)),
    (3, 6, (7, 9), 7, (3, 3), (2, 2), (1, 1)),
    (1, 8, (9, 4), 5, (2, 4), (3, 2), (0, 3)),
    (2, 17, (5, 13), 6, (1, 1), (1, 1), (0, 0)),
    (1, 4, (5, 6), 9, (1, 1), (2, 2), (0, 0)),
    (1, 4, (5, 6), 9, (1, 1), (1, 1), (1, 2)),
    (1, 7, (19, 31), 13, (3, 5), (1, 1), (4, 4)),
]


@pytest.mark.parametrize("kind", ["full range", "gaussian", "adversarial"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_integers_are_exact(isa, kind, shape):
    ours, exact = both(isa, kind, *shape)
    assert torch.equal(ours, exact)


@pytest.mark.parametrize("end", ["first", "last"])
def test_padding_is_the_zero_point_wherever_that_is(isa, end):
    zero = 0 if end == "first" else 2 ** bits_of(isa) - 1
    ours, exact = both(isa, "full range", *SHAPES[1], zero=zero)
    assert torch.equal(ours, exact)


@pytest.mark.parametrize("bits", [2, 4, 7])
def test_fewer_bits(isa, bits):
    ours, exact = both(isa, "full range", *SHAPES[4], bits=bits)
    assert torch.equal(ours, exact)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 21)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.integers(1, 14),
    *[st.tuples(st.integers(least, most), st.integers(least, most)) for least, most in ((1, 4), (1, 3), (0, 3))],
)
def test_any_size(batch, size, outputs, kernel, stride, padding):
    padding = tuple(max(padding[i], (kernel[i] - size[i] + 1) // 2) for i in (0, 1))
    ours, exact = both(instruction_sets.current().name, "full range", *batch, size, outputs, kernel, stride, padding)
    assert torch.equal(ours, exact)


def test_large_sums_and_parts_of_an_image(isa, monkeypatch):
    monkeypatch.setattr(cpu, "CACHED_BYTES", 30_000)
    for kind in ("full range", "adversarial"):
        ours, exact = both(isa, kind, 2, 130, (25, 17), 19, (3, 3), (1, 1), (1, 1), zero=0)
        assert torch.equal(ours, exact)
    assert exact.abs().max() > 2**24


def test_scales_and_bias(isa):
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(2, 20, 9, 11, generator=generator)
    weight = reference.quantize_kernel(torch.randn(10, 20, 3, 3, generator=generator))
    bias = torch.randn(10, generator=generator)
    static = StaticRange(0.043, 2 ** (bits_of(isa) - 1) - 7, bits_of(isa))
    ours = conv2d_w8a8(x, packing.pack_conv_w8a8(weight, (3, 3), isa), bias, static, (1, 1), (1, 1))
    assert rms_ratio(ours, reference.conv2d_w8a8(x, weight, (3, 3), bias, static, (1, 1), (1, 1))) < 1e-6


def test_codes_are_the_references_at_ties_and_beyond_the_range(isa):
    bits = bits_of(isa)
    static = StaticRange(0.25, 2 ** (bits - 1) - 1, bits)
    halves = torch.arange(-300, 300) * 0.125
    beyond = torch.tensor([3e38, -3e38, 1e10, -1e10, 2.0**31, -(2.0**31), 1e-45, -0.0])
    near = torch.nextafter(halves, torch.tensor(1e9))
    x = torch.cat([halves, near, beyond])[None, None, None]
    one = QuantizedWeight(torch.ones(1, 1, dtype=torch.int8), torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int8))
    exact = reference.conv2d_w8a8(x, one, (1, 1), None, static)
    for kernel in ((1, 1), (1, 2)):  # laid out directly, and through a padded plane
        taps = one._replace(codes=torch.tensor([[1] + [0] * (kernel[1] - 1)], dtype=torch.int8))
        ours = conv2d_w8a8(x, packing.pack_conv_w8a8(taps, kernel, isa), None, static, (1, 1), (0, 0))
        assert torch.equal(ours, exact[..., : ours.shape[-1]])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_threads(isa, count):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        ours, exact = both(isa, "full range", 3, 9, (6, 7), 20, (3, 3), (1, 1), (1, 1))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(ours, exact)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nothing_is_written_beyond_the_memory_that_was_asked_for(isa, shape, monkeypatch):
    room, asked = torch.full((2**20,), 171, dtype=torch.uint8), []
    start = -(-(room.data_ptr() + 512) // cpu.SLACK) * cpu.SLACK
    flag = cpu.workspace.prepared(0)[1]
    monkeypatch.setattr(cpu.Workspace, "prepared", lambda _, size: asked.append(size) or (start, flag))
    results = torch.full((2**17,), -1.0)
    empty = torch.empty
    monkeypatch.setattr(
        torch,
        "empty",
        lambda size, **kind: empty(size, **kind) if kind else results[100 : 100 + torch.Size(size).numel()].view(size),
    )
    ours, exact = both(isa, "full range", *shape)
    assert torch.equal(ours, exact)
    assert (results[:100] == -1).all()
    assert (results[100 + ours.numel() :] == -1).all()
    first = start - room.data_ptr()
    assert (room[:first] == 171).all()
    assert (room[first + asked[0] :] == 171).all()


def test_threads_of_python_at_once():
    generator = torch.Generator().manual_seed(7)
    weight = pack_conv_w8a8(reference.quantize_kernel(torch.randn(20, 12, 3, 3, generator=generator)), (3, 3))
    images, static = torch.randn(24, 1, 12, 9, 11, generator=generator), StaticRange(0.05, 60, 7)
    alone = [conv2d_w8a8(x, weight, None, static) for x in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: conv2d_w8a8(x, weight, None, static), images))
    assert all(map(torch.equal, alone, together))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
def test_what_is_not_finite_is_refused(isa, value, kernel):
    weight = packing.pack_conv_w8a8(reference.quantize_kernel(torch.ones(2, 6, *kernel)), kernel, isa)
    static = StaticRange(0.1, 64, 7)
    for place in (0, 17, -1):  # with stride 2 the last pixel meets no tap of a 1 x 1 kernel
        x = torch.zeros(2, 6, 4, 4)
        conv2d_w8a8(x, weight, None, static, (2, 2))
        x.view(-1)[place] = value
        with pytest.raises(ValueError, match="finite numbers only"):
            conv2d_w8a8(x, weight, None, static, (2, 2))


def test_memory_formats():
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(2, 8, 10, 6, generator=generator)
    weight = pack_conv_w8a8(reference.quantize_kernel(torch.randn(5, 8, 3, 3, generator=generator)), (3, 3))
    static = StaticRange(0.05, 60, 7)
    for view in (
        x.contiguous(memory_format=torch.channels_last),
        x.transpose(2, 3),
        x[:, :, ::2, 1:],
        x.expand(2, 8, 10, 6),
    ):
        ours = conv2d_w8a8(view, weight, None, static)
        assert ours.is_contiguous()
        assert torch.equal(ours, conv2d_w8a8(view.contiguous(), weight, None, static))


def test_a_copy_does_not_rest_on_the_memory_of_its_original():
    weight = pack_conv_w8a8(reference.quantize_kernel(torch.arange(72.0).reshape(2, 4, 3, 3)), (3, 3))
    x, static = torch.arange(100.0).reshape(1, 4, 5, 5), StaticRange(1.0, 0, 7)
    before, copied = conv2d_w8a8(x, weight, None, static), copy.deepcopy(weight)
    for part in (weight.codes, weight.scales, weight.sums):
        part.zero_()
    assert torch.equal(conv2d_w8a8(x, copied, None, static), before)
    assert not torch.equal(conv2d_w8a8(x, weight, None, static), before)


def test_no_images():
    weight = pack_conv_w8a8(reference.quantize_kernel(torch.ones(5, 8, 3, 3)), (3, 3))
    assert conv2d_w8a8(torch.zeros(0, 8, 4, 5), weight, None, StaticRange(1.0, 0, 7)).shape == (0, 5, 2, 3)


def test_packed_codes_come_back(isa):
    generator = torch.Generator().manual_seed(6)
    weight = reference.quantize_kernel(torch.randn(9, 5, 2, 3, generator=generator))
    shifted = weight._replace(codes=weight.codes // 2 + 3, zero=torch.full_like(weight.zero, 3))
    packed = packing.pack_conv_w8a8(shifted, (2, 3), isa)
    assert torch.equal(packed.plain().codes, weight.codes // 2)
    assert torch.equal(packed.plain().scale, weight.scale)
    x, static = torch.randn(1, 5, 4, 6, generator=generator), StaticRange(0.05, 60, 7)
    exact = reference.conv2d_w8a8(x, shifted, (2, 3), None, static)
    assert rms_ratio(conv2d_w8a8(x, packed, None, static), exact) < 1e-6
    assert torch.equal(conv2d_w8a8(x, packed, None, static, impl="reference"), exact)


def test_a_kernel_that_pads_with_code_0_is_caught(monkeypatch):
    isa = instruction_sets.current()
    right = Program()
    image.write(right, "quantize_image", isa)
    assert right.text().count("16843009") == 1, "the constant that spreads the zero point over four channels"
    wrong = address_of("quantize_image", right.text().replace("16843009", "0"), isa)
    planted = threads.Kernel(wrong, len(image.ADDRESSES)), cpu.kernels(isa.name)[1]
    monkeypatch.setattr(cpu, "kernels", lambda name: planted)
    ours, exact = both(isa.name, "gaussian", *SHAPES[3])
    assert not torch.equal(ours, exact)
    inner = (..., slice(1, -1), slice(1, -1))
    assert torch.equal(ours[inner], exact[inner])


@AVX2
def test_eight_bits_would_saturate_on_avx2(monkeypatch):
    with pytest.raises(ValueError, match="7 bits exactly"):
        both("avx2", "adversarial", *SHAPES[3], bits=8)
    monkeypatch.setitem(instruction_sets.ACTIVATION_BITS, "avx2", 8)
    for kind in ("full range", "adversarial"):
        ours, exact = both("avx2", kind, *SHAPES[3], bits=8)
        assert rms_ratio(ours, exact) > 1e-3, "the comparison could not see a saturating kernel"


def test_it_says_that_it_ran_and_what_that_cost():
    weight = pack_conv_w8a8(reference.quantize_kernel(torch.ones(8, 4, 3, 3)), (3, 3))
    x, bias, heard = torch.ones(2, 4, 8, 8), torch.zeros(8), []
    with listening(lambda *call: heard.append(call)):
        y = conv2d_w8a8(x, weight, bias, StaticRange(1.0, 0, 7), (2, 2), (1, 1))
    [(name, arguments, out)] = heard
    assert name == f"conv2d_w8a8/{instruction_sets.current().vectors}"
    assert out is y
    found = cost.COSTS[name]
    assert found.flops(*arguments, out=out) == 2 * (2 * 8 * 4 * 4) * (4 * 3 * 3)
    moved = 4 * (2 * 4 * 8 * 8) + weight.packed_bytes() + 4 * 8 + 4 * (2 * 8 * 4 * 4)
    assert found.bytes_moved(*arguments, out=out) == moved
    seen = measure_compute(lambda: conv2d_w8a8(x, weight, bias, StaticRange(1.0, 0, 7), (2, 2), (1, 1)))
    assert seen.flops_by_dtype == {"int8": found.flops(*arguments, out=out)}
    assert seen.bytes_moved == seen.least_bytes == moved
    plain = weight.plain()
    on_gpu = (x, plain, (3, 3), bias)
    gpu = cost.COSTS["conv2d_w8a8/triton"]
    assert gpu.flops(*on_gpu, out=out) == found.flops(*arguments, out=out)
    assert gpu.bytes_moved(*on_gpu, out=out) == moved - weight.packed_bytes() + 8 * 36 + (4 + 1) * 8 + 2 * x.numel()


def test_a_gpus_codes_come_back():
    weight = reference.quantize_kernel(torch.randn(9, 5, 2, 3))
    packed = packing.PackedConvW8((2, 3), 9, 5, None, *convolution_weight(weight, (2, 3)))
    assert not torch.equal(packed.codes, weight.codes)
    assert torch.equal(packed.plain().codes, weight.codes)


def test_packed_bytes(isa):
    packed = packing.pack_conv_w8a8(reference.quantize_kernel(torch.ones(48, 8, 3, 3)), (3, 3), isa)
    assert packed.packed_bytes() == 48 * 8 * 9 + 48 * (4 + 4)


X = torch.zeros(1, 4, 5, 5)
RANGE = StaticRange(1.0, 3, 7)


@pytest.mark.parametrize("impl", ["auto", "reference"])
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"x": X[0]}, "takes images"),
        ({"x": X[:, :, :0]}, "takes images"),
        ({"x": X[:, :2]}, "groups of channels are not supported"),
        ({"x": X.half(), "impl": "auto"}, "float32"),
        ({"x": X.half(), "impl": "cpu"}, "float32"),
        ({"x": X.to("meta"), "impl": "auto"}, "on the CPU"),
        ({"x": X.to("meta"), "impl": "reference"}, "packed on cpu"),
        ({"impl": "numba"}, "no implementation"),
        ({"bias": torch.zeros(3)}, r"a bias is \[8\]"),
        ({"bias": torch.zeros(8).double()}, r"a bias is \[8\]"),
        ({"stride": (0, 1)}, "a stride is 1"),
        ({"padding": (0, -1)}, "a padding 0"),
        ({"x": X[:, :, :2]}, "larger than an image"),
        ({"static": RANGE._replace(bits=9)}, "2 to 8 bits"),
        ({"static": RANGE._replace(zero=128)}, "a zero point among its codes"),
        ({"static": RANGE._replace(scale=0.0)}, "has a reciprocal"),
        ({"static": RANGE._replace(scale=-1.0)}, "has a reciprocal"),
        ({"static": RANGE._replace(scale=float("nan"))}, "has a reciprocal"),
        ({"static": RANGE._replace(scale=1e-45)}, "has a reciprocal"),
    ],
)
def test_refusals(changed, sentence, impl):
    weight = pack_conv_w8a8(reference.quantize_kernel(torch.ones(8, 4, 3, 3)), (3, 3))
    with pytest.raises(ValueError, match=sentence):
        conv2d_w8a8(**{"x": X, "weight": weight, "bias": None, "static": RANGE, "impl": impl} | changed)


def test_refusals_of_weights():
    weight = reference.quantize_kernel(torch.ones(8, 4, 3, 3))
    with pytest.raises(ValueError, match="whole number"):
        pack_conv_w8a8(weight, (5, 1))
    with pytest.raises(ValueError, match="one scale an output channel"):
        pack_conv_w8a8(weight._replace(scale=torch.ones(8, 2)), (3, 3))
    with pytest.raises(ValueError, match="at most 65793"):
        pack_conv_w8a8(reference.quantize_kernel(torch.ones(1, 65794, 1, 1)), (1, 1))
