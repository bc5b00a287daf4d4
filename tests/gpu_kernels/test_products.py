"""The products against their references: exact in their integer part."""

import pytest
import torch
from comparisons import (
    codes_of,
    compare_conv,
    compare_w4a8,
    compare_w4a16,
    compare_w8a8,
    generator,
    on,
    packed_weight,
    rms_ratio,
    scaled,
    w8a8_reference,
)

from effbench.kernels import recording
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.conv2d_w8a8 import gpu as conv
from effbench.kernels.conv2d_w8a8.reference import quantize_kernel
from effbench.kernels.gpu_weights import convolution_weight, gpu_weight, packed_gpu_weight
from effbench.kernels.linear_w4a8 import gpu as w4a8
from effbench.kernels.linear_w4a16 import gpu as w4a16
from effbench.kernels.linear_w8a8 import gpu as w8a8

KINDS = ["full range", "gaussian", "adversarial"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(37, 70, 45), (1, 1, 1), (17, 512, 33), (16, 32, 32), (3, 33, 7)]
)
def test_w8a8(device, kind, rows, inputs, outputs):
    compare_w8a8(w8a8, device, kind, rows, inputs, outputs)


def test_w8a8_at_the_tiles_of_a_card(device):
    compare_w8a8(w8a8, device, "full range", 130, 136, 150, tile=None)
    compare_w8a8(w8a8, device, "adversarial", 8, 72, 70, tile=None)


def test_w8a8_at_the_largest_sums(device):
    """Sums beyond 2^24 are rounded to float32; they must not overflow int32."""
    rows, weight = codes_of("adversarial", 4, 32768, 3)
    found = w8a8.linear_w8a8(on(device, rows), on(device, weight), None).cpu()
    assert found.abs().max() == 255 * 127 * 32768
    assert torch.equal(found, w8a8_reference(rows, weight, None))


def test_w8a8_with_zero_points_of_the_weight_batches_and_strides(device):
    rows, weight = scaled(*codes_of("full range", 6, 40, 9))
    weight = weight._replace(codes=weight.codes // 2, zero=torch.arange(-4, 5, dtype=torch.int8)[:, None])
    expected = w8a8_reference(rows, weight, None)
    batch = type(rows)(rows.codes.reshape(2, 3, 40), *(part.reshape(2, 3) for part in rows[1:]))
    found = w8a8.linear_w8a8(on(device, batch), gpu_weight(on(device, weight)), None)
    assert found.shape == (2, 3, 9) and rms_ratio(found.cpu().reshape(6, 9), expected) < 1e-6
    strided = on(device, rows)._replace(codes=rows.codes.T.contiguous().to(device).T)
    assert rms_ratio(w8a8.linear_w8a8(strided, on(device, weight), None).cpu(), expected) < 1e-6
    none = type(rows)(*(part[:0] for part in on(device, rows)))
    assert w8a8.linear_w8a8(none, on(device, weight), None).shape == (0, 9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gate_and_residual(device, dtype):
    rows, weight = scaled(*codes_of("gaussian", 6, 40, 9))
    weight = weight._replace(scale=weight.scale / 1000)
    gate, residual = (torch.randn(shape, generator=generator(*shape)).to(dtype) for shape in ((2, 9), (2, 3, 9)))
    batch = type(rows)(rows.codes.reshape(2, 3, 40), *(part.reshape(2, 3) for part in rows[1:]))
    expected = residual.float() + gate.float()[:, None] * w8a8_reference(batch, weight, None)
    found = w8a8.linear_w8a8(
        on(device, batch), on(device, weight), None, gate=gate.to(device), residual=residual.to(device), dtype=dtype
    )
    assert found.dtype == dtype and rms_ratio(found.cpu(), expected) < (1e-6 if dtype == torch.float32 else 5e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("inputs", "groups"), [(256, 2), (256, 1), (70, 1), (64, 2), (512, 2), (192, 3)])
def test_w4a8(device, kind, inputs, groups):
    compare_w4a8(w4a8, device, kind, inputs=inputs, groups=groups)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("inputs", "groups"), [(256, 2), (256, 1), (70, 1), (64, 2), (512, 2), (192, 3)])
def test_w4a16(device, inputs, groups, dtype):
    compare_w4a16(w4a16, device, inputs=inputs, groups=groups, dtype=dtype)


def test_four_bits_at_the_tiles_of_a_card(device):
    compare_w4a8(w4a8, device, rows=130, inputs=256, outputs=70, tile=None)
    compare_w4a8(w4a8, device, rows=70, inputs=138, outputs=66, groups=1, tile=None)
    compare_w4a16(w4a16, device, rows=130, inputs=256, outputs=70, tile=None)
    compare_w4a16(w4a16, device, rows=3, inputs=138, outputs=66, groups=1, tile=None)


def test_all_bytes_come_apart_right(device):
    every = torch.arange(256, dtype=torch.uint8)
    low, high = ((every >> shift & 15).to(torch.int8) for shift in (0, 4))
    codes = torch.stack([torch.where(half > 7, half - 16, half) for half in (low, high)], 1).reshape(1, 512)
    one = QuantizedWeight(codes, torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int8))
    found = w4a16.linear_w4a16(torch.eye(512, device=device), on(device, one), None)
    assert torch.equal(found.cpu()[:, 0], codes[0].float())
    assert packed_gpu_weight(one).codes.view(torch.uint8).tolist() == [every.tolist()]


def test_a_bad_row_comes_out_as_nan_and_touches_no_other(device):
    rows, weight = scaled(*codes_of("gaussian", 5, 64, 9))
    four = packed_weight(9, 64, 2)
    rows.scale[3] = torch.nan
    x = torch.randn(5, 64, generator=generator(5))
    x[3, 60] = torch.inf
    for found in (
        w8a8.linear_w8a8(on(device, rows), on(device, weight), None),
        w4a8.linear_w4a8(on(device, rows), on(device, four), None),
        w4a16.linear_w4a16(x.to(device), on(device, four), None),
    ):
        assert not found[3].isfinite().any() and found[[0, 1, 2, 4]].isfinite().all()


@pytest.mark.parametrize("zero", [0, 1, 90, 255])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    ((3, 3), (1, 1), (1, 1)), ((1, 1), (1, 1), (0, 0)), ((3, 2), (2, 1), (0, 2)), ((4, 4), (2, 2), (1, 1)),
    ((5, 3), (1, 2), (4, 1)),
])  # fmt: skip
def test_conv(device, kernel, stride, padding, zero):
    compare_conv(conv, device, kernel=kernel, stride=stride, padding=padding, zero=zero)


@pytest.mark.parametrize(("channels", "outputs", "tile"), [(1, 1, None), (32, 3, None), (70, 40, None), (64, 70, None)])
def test_conv_of_other_widths(device, channels, outputs, tile):
    compare_conv(conv, device, channels, outputs, (5, 4), tile=tile)


def test_conv_in_half_of_any_strides_and_with_nan(device):
    compare_conv(conv, device, dtype=torch.float16)
    x = torch.randn(3, 4, 5, 6, generator=generator(3))
    weight = convolution_weight(quantize_kernel(torch.randn(7, 4, 3, 3, generator=generator(7))), (3, 3))
    given = (on(device, weight), (3, 3), None, StaticRange(0.03, 90))
    whole = conv.conv2d_w8a8(x.to(device), *given)
    assert torch.equal(conv.conv2d_w8a8(x.to(device).to(memory_format=torch.channels_last), *given), whole)
    assert torch.equal(conv.conv2d_w8a8(x.transpose(2, 3).contiguous().to(device).transpose(2, 3), *given), whole)
    x[1, 2, 3, 4] = torch.inf
    found = conv.conv2d_w8a8(x.to(device), *given)
    assert found[1].isnan().all() and torch.equal(found[[0, 2]], whole[[0, 2]])


def test_each_records_itself(device):
    names = []
    with recording.listening(lambda name, *_: names.append(name)):
        compare_w8a8(w8a8, device, rows=1, inputs=4, outputs=1)
        compare_w4a8(w4a8, device, rows=1, inputs=4, outputs=1, groups=1)
        compare_w4a16(w4a16, device, rows=1, inputs=4, outputs=1, groups=1)
        compare_conv(conv, device, channels=1, outputs=1, size=(2, 2), kernel=(1, 1), padding=(0, 0))
    assert sorted(set(names)) == [
        "conv2d_w8a8/triton",
        "linear_w4a16/triton",
        "linear_w4a8/triton",
        "linear_w8a8/triton",
    ]


def test_refusals(device):
    rows, weight = (on(device, given) for given in codes_of("gaussian", 5, 40, 9))
    with pytest.raises(ValueError, match="rows of 40 codes do not fit a weight of 8 inputs"):
        w8a8.linear_w8a8(rows, weight._replace(codes=weight.codes[:, :8]), None)
    with pytest.raises(ValueError, match="one scale a channel; got 2 groups"):
        w8a8.linear_w8a8(rows, on(device, packed_weight(9, 40, 2)), None)
    with pytest.raises(ValueError, match="32, 64 or a multiple of 128 inputs; got 20"):
        w4a8.linear_w4a8(rows, on(device, packed_weight(9, 40, 2)), None)
    with pytest.raises(ValueError, match="may overflow int32; at most 32768"):
        gpu_weight(
            QuantizedWeight(
                torch.zeros(1, 40000, dtype=torch.int8), torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int8)
            )
        )
    with pytest.raises(ValueError, match="a gate and a residual come together"):
        w8a8.linear_w8a8(rows, weight, None, gate=torch.ones(5, 9, device=device))
    with pytest.raises(ValueError, match=r"a kernel \(3, 3\) does not fit into 2 x 2 pixels"):
        conv.conv2d_w8a8(
            torch.zeros(1, 1, 2, 2, device=device),
            weight._replace(codes=weight.codes[:, :9]),
            (3, 3),
            None,
            StaticRange(1.0, 0),
        )
    if device == "cpu":
        with pytest.raises(ValueError, match="interpreter multiplies bfloat16 wrongly"):
            w4a16.linear_w4a16(torch.zeros(2, 40, dtype=torch.bfloat16), packed_weight(9, 40, 1), None)
