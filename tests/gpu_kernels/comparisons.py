"""Comparisons of a ``gpu.py`` with its reference, each a function of the module, so that a planted wrong one can be given."""

import zlib

import torch

from effbench.kernels.adaln_quantize.reference import adaln_quantize as adaln_reference
from effbench.kernels.codes import QuantizedRows, QuantizedWeight, StaticRange
from effbench.kernels.conv2d_w8a8.reference import conv2d_w8a8 as conv_reference
from effbench.kernels.conv2d_w8a8.reference import quantize_kernel
from effbench.kernels.gelu_quantize.reference import gelu_quantize as gelu_reference
from effbench.kernels.gpu_launch import Options
from effbench.kernels.gpu_tiles import AttentionTile, ProductTile
from effbench.kernels.hadamard.reference import hadamard as hadamard_reference
from effbench.kernels.linear_w4a8.reference import linear_w4a8 as w4a8_reference
from effbench.kernels.linear_w4a16.reference import linear_w4a16 as w4a16_reference
from effbench.kernels.linear_w8a8.reference import integer_product
from effbench.kernels.linear_w8a8.reference import linear_w8a8 as w8a8_reference
from effbench.kernels.quantize_rows.reference import quantize_rows as rows_reference
from effbench.kernels.sparse_conv import Sites, taps
from effbench.kernels.sparse_conv.geometry import window
from effbench.kernels.sparse_conv.maps import strided_map
from effbench.kernels.window_attention import reference as attention_reference

SMALL = ProductTile(32, 32, 32, Options(4))
"""Several tiles each way at shapes that the interpreter can afford."""
SMALL_ATTENTION = AttentionTile(16, 32, Options(4))
ATTENTION_CLOSE = {torch.float32: 1e-6, torch.float16: 1e-3}
"""RMS ratio; in half, weights are rounded before they multiply."""


def generator(*key):
    return torch.Generator().manual_seed(zlib.crc32(repr(key).encode()))


def rms_ratio(ours, reference):
    error = (ours.double() - reference.double()).pow(2).mean()
    return (error / reference.double().pow(2).mean().clamp(min=1e-30)).sqrt().item()


def on(device, given):
    return type(given)(*(part.to(device) for part in given))


def numbers(*shape, dtype=torch.float32):
    """Return Gaussian numbers with rows of every size, one channel far out, a row of zeros and one of negatives."""
    x = torch.randn(shape, generator=generator(*shape))
    flat = x.reshape(-1, shape[-1])
    flat *= torch.logspace(-2, 2, len(flat))[:, None]
    flat[:, shape[-1] // 2] *= 20
    flat[0] = 0
    flat[-1] = -flat[-1].abs() - 1
    return x.to(dtype)


def same_rows(found, expected):
    """Assert that rows are equal bit by bit, NaN included."""
    for name, ours, theirs in zip(QuantizedRows._fields, found, expected):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, name
        assert torch.equal(ours.cpu().nan_to_num(-7), theirs.nan_to_num(-7)), name


def near_rows(found, expected):
    """Assert that rows differ by 1 at a tie, at most once and in a share of 1e-4, and are consistent in themselves."""
    found = on("cpu", found)
    apart = (found.codes.int() - expected.codes.int() - (found.zero - expected.zero)[..., None]).abs()
    assert apart.max() <= 1, apart.max()
    assert (apart > 0).sum() <= 1 + 1e-4 * apart.numel(), (apart > 0).sum()
    assert (found.zero - expected.zero).abs().max() <= 1
    assert torch.allclose(found.scale, expected.scale, rtol=2e-5, atol=0)
    assert torch.equal(found.sums, found.codes.sum(-1, dtype=torch.int32))


def compare_quantize_rows(module, device, shape=(3, 5, 70), bits=8, symmetric=False, dtype=torch.float32):
    x = numbers(*shape, dtype=dtype)
    same_rows(module.quantize_rows(x.to(device), bits, symmetric), rows_reference(x, bits, symmetric))


def compare_adaln(module, device, width=96, rotate=False, dtype=torch.float32, symmetric=False, multiply=True):
    x = numbers(2, 3, width, dtype=dtype)
    x[0, 0] = torch.randn(width, generator=generator(width))  # a row of zeros leaves the shift alone, tested elsewhere
    shift, scale = (torch.randn(2, width, generator=generator(width, i)).to(dtype) for i in range(2))
    multiplier = torch.randn(width, generator=generator(width, 2)).sign() * 1.5 if multiply else None
    theirs = adaln_reference(x, shift, scale, symmetric=symmetric, multiplier=multiplier, rotate=rotate)
    ours = module.adaln_quantize(
        x.to(device), shift.to(device), scale.to(device), symmetric=symmetric, rotate=rotate,
        multiplier=None if multiplier is None else multiplier.to(device),
    )  # fmt: skip
    near_rows(ours, theirs)


def compare_gelu(module, device, width=96, rotate=False, dtype=torch.float32, symmetric=False):
    x = numbers(2, 4, width, dtype=dtype)
    multiplier = torch.randn(width, generator=generator(width, 2)).sign() * 1.5
    theirs = gelu_reference(x, symmetric=symmetric, multiplier=multiplier, rotate=rotate)
    near_rows(module.gelu_quantize(x.to(device), 8, symmetric, multiplier.to(device), rotate), theirs)


def compare_hadamard(module, device, width=96, dtype=torch.float32, multiply=True):
    x = torch.randn(2, 3, width, generator=generator(width)).to(dtype)
    multiplier = torch.randn(width, generator=generator(width, 1)).sign() if multiply else None
    ours = module.hadamard(x.to(device), None if multiplier is None else multiplier.to(device))
    assert ours.dtype == dtype
    assert rms_ratio(ours.cpu(), hadamard_reference(x.double(), multiplier)) < (
        1e-6 if dtype == torch.float32 else 5e-4
    )


def codes_of(kind, rows, inputs, outputs):
    """Return rows and a weight of a kind of codes, with scales of 1, so that a product is an integer."""
    draw = generator(kind, rows, inputs, outputs)
    if kind == "full range":
        x, w = (
            torch.randint(0, 256, (rows, inputs), generator=draw),
            torch.randint(-128, 128, (outputs, inputs), generator=draw),
        )
        zero = torch.randint(0, 256, (rows,), generator=draw)
    elif kind == "gaussian":
        x = (torch.randn(rows, inputs, generator=draw) * 36 + 128).clamp(0, 255).long()
        w = (torch.randn(outputs, inputs, generator=draw) * 36).clamp(-127, 127).long()
        zero = torch.full((rows,), 128)
    else:  # what overflows 16 bits at once, and comes as far as a sum of these codes can
        x = torch.where(torch.arange(rows) % 2 == 0, 255, 0)[:, None].expand(rows, inputs).clone()
        w = torch.where(torch.arange(outputs) % 2 == 0, 127, -127)[:, None].expand(outputs, inputs).clone()
        zero = torch.where(torch.arange(rows) % 3 == 0, 255, 0)
    codes, zero = x.to(torch.uint8), zero.to(torch.int32)
    row = QuantizedRows(codes, torch.ones(rows), zero, codes.sum(-1, dtype=torch.int32))
    return row, QuantizedWeight(w.to(torch.int8), torch.ones(outputs, 1), torch.zeros(outputs, 1, dtype=torch.int8))


def scaled(rows, weight):
    """Return rows and weight under scales of their own."""
    draw = generator(len(rows.scale), len(weight.scale))
    return (
        rows._replace(scale=torch.rand(rows.scale.shape, generator=draw) + 0.1),
        weight._replace(scale=torch.rand(weight.scale.shape, generator=draw) + 0.1),
    )


def compare_w8a8(module, device, kind="full range", rows=37, inputs=70, outputs=45, tile=SMALL):
    integers, weight = codes_of(kind, rows, inputs, outputs)
    ours = module.linear_w8a8(on(device, integers), on(device, weight), None, tile=tile)
    assert torch.equal(ours.cpu(), integer_product(integers, weight).float())
    integers, weight = scaled(integers, weight)
    bias = torch.randn(outputs, generator=generator(outputs)) * 1000
    ours = module.linear_w8a8(on(device, integers), on(device, weight), bias.to(device), tile=tile)
    assert rms_ratio(ours.cpu(), w8a8_reference(integers, weight, bias)) < 1e-6


def packed_weight(outputs, inputs, groups):
    draw = generator(outputs, inputs, groups)
    codes = torch.randint(-8, 8, (outputs, inputs), generator=draw).to(torch.int8)
    zero = torch.randint(-8, 8, (outputs, groups), generator=draw).to(torch.int8)
    return QuantizedWeight(codes, torch.ones(outputs, groups), zero)


def compare_w4a8(module, device, kind="full range", rows=19, inputs=256, outputs=45, groups=2, tile=SMALL):
    integers, _ = codes_of(kind, rows, inputs, outputs)
    weight = packed_weight(outputs, inputs, groups)
    ours = module.linear_w4a8(on(device, integers), on(device, weight), None, tile=tile)
    assert torch.equal(ours.cpu(), w4a8_reference(integers, weight, None))  # below 2^24: float32 holds every sum
    integers, weight = scaled(integers, weight)
    bias = torch.randn(outputs, generator=generator(outputs)) * 1000
    ours = module.linear_w4a8(on(device, integers), on(device, weight), bias.to(device), tile=tile)
    assert rms_ratio(ours.cpu(), w4a8_reference(integers, weight, bias)) < 1e-6


def compare_w4a16(module, device, rows=19, inputs=256, outputs=45, groups=2, dtype=torch.float32, tile=SMALL):
    x = torch.randn(rows, inputs, generator=generator(rows, inputs)).to(dtype)
    _, weight = scaled(codes_of("gaussian", rows, inputs, outputs)[0], packed_weight(outputs, inputs, groups))
    bias = torch.randn(outputs, generator=generator(outputs)) * 10
    ours = module.linear_w4a16(x.to(device), on(device, weight), bias.to(device), tile=tile)
    assert ours.dtype == dtype
    expected = w4a16_reference(x.double(), weight, bias)
    assert rms_ratio(ours.cpu(), expected) < (1e-6 if dtype == torch.float32 else 5e-4)


def compare_conv(
    module, device, channels=5, outputs=9, size=(7, 6), kernel=(3, 3), stride=(1, 1), padding=(1, 1), zero=90,
    dtype=torch.float32, tile=SMALL,
):  # fmt: skip
    x = torch.randn(2, channels, *size, generator=generator(channels, *size)).to(dtype)
    weight = quantize_kernel(torch.randn(outputs, channels, *kernel, generator=generator(outputs, *kernel)))
    bias = torch.randn(outputs, generator=generator(outputs))
    static = StaticRange(0.03, zero)
    exact = weight._replace(scale=torch.ones_like(weight.scale))
    # With scales that are powers of two the result is an integer and nothing is rounded.
    whole = StaticRange(2.0**-5, zero)
    ours = module.conv2d_w8a8(x.to(device), on(device, exact), kernel, None, whole, stride, padding, tile=tile)
    assert torch.equal(ours.cpu(), conv_reference(x, exact, kernel, None, whole, stride, padding))
    ours = module.conv2d_w8a8(
        x.to(device), on(device, weight), kernel, bias.to(device), static, stride, padding, tile=tile
    )
    assert rms_ratio(ours.cpu(), conv_reference(x, weight, kernel, bias, static, stride, padding)) < 1e-6


def heads_of(tokens, width, dtype=torch.float32):
    """Return q, k, v and a residual [2, 2, N, D] as views of one fused projection."""
    fused = torch.randn(2, tokens, 4, 2, width, generator=generator(tokens, width)).to(dtype)
    return [part.transpose(1, 2) for part in fused.unbind(2)]


def compare_window(
    module, device, tokens=45, half_width=12, width=24, dtype=torch.float32, scale=None, tile=SMALL_ATTENTION
):
    *given, residual = heads_of(tokens, width, dtype)
    moved = [x.to(device) for x in given]
    exact = [x.double() for x in given]
    for more in (None, residual):
        ours = module.window_attention(*moved, half_width, None if more is None else more.to(device), scale, tile=tile)
        assert ours.dtype == dtype
        expected = attention_reference.window_attention(*exact, half_width, more, scale)
        assert rms_ratio(ours.cpu(), expected) < ATTENTION_CLOSE[dtype]


def compare_full(
    module, device, tokens=45, half_width=12, width=24, dtype=torch.float32, scale=None, tile=SMALL_ATTENTION
):
    *given, _ = heads_of(tokens, width, dtype)
    moved, exact = [x.to(device) for x in given], [x.double() for x in given]
    full, rest = module.attention_with_residual(*moved, half_width, scale, tile=tile)
    expected, left_out = attention_reference.attention_with_residual(*exact, half_width, scale)
    assert full.dtype == rest.dtype == dtype
    assert rms_ratio(full.cpu(), expected) < ATTENTION_CLOSE[dtype]
    # Of the size of what it is a difference of: what is left out may be next to nothing.
    assert rms_ratio((rest.cpu() - left_out + expected), expected) < ATTENTION_CLOSE[dtype]
    again = rest + module.window_attention(*moved, half_width, None, scale, tile=tile)
    assert rms_ratio(again.cpu(), expected) < 2 * ATTENTION_CLOSE[dtype]


def sparse_map(shape, density=0.4, stride=1):
    """Return the map of a 3 x 3 (x 3) window over random cells, the last one of each grid left out."""
    made = torch.rand(2, *shape, generator=generator(*shape)) < density
    sites, _ = Sites.from_coordinates(made.nonzero(), 2, shape)
    return strided_map(sites, window(3, len(shape), stride, 1))[1]


def compare_sparse(
    module, device, shape=(5, 6), inputs=5, outputs=9, groups=1, stride=1, dtype=torch.float32, tile=None, part=20
):
    """Compare a convolution and both gradients with products tap by tap in float64."""
    found = sparse_map(shape, stride=stride)
    sizes = ((found.inputs, inputs), (len(found.source), inputs // groups, outputs), (found.source.shape[1], outputs))
    x, weight, back = (torch.randn(size, generator=generator(*size)).to(dtype) for size in sizes)
    module.PART = part
    moved = [operand.to(device) for operand in (x, weight, back)]
    ours = [
        module.convolve(moved[0], moved[1], found, groups, tile),
        module.convolve(moved[2], taps.turned_weight(moved[1], groups), found.turned, groups, tile),
        module.weight_gradient(moved[0], moved[2], found, groups, tile),
    ]
    x, weight, back = x.double(), weight.double(), back.double()
    exact = [
        taps.convolve(x, weight, found, groups),
        taps.convolve(back, taps.turned_weight(weight, groups), found.turned, groups),
        taps.weight_gradient(x, back, found, groups),
    ]
    for result, expected in zip(ours, exact):
        assert result.dtype == dtype and result.shape == expected.shape
        assert rms_ratio(result.cpu(), expected) < (1e-6 if dtype == torch.float32 else 1e-3)


def compare_depthwise(module, device, **more):
    compare_sparse(module, device, **{"inputs": 33, "outputs": 33, "groups": 33} | more)
