"""The public functions reach the Triton kernels: written down for weights of a card, computed where no weight is packed."""

import pytest
import torch
from comparisons import heads_of, numbers, packed_weight, same_rows

from effbench.kernels.adaln_quantize import adaln_quantize
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.gelu_quantize import gelu_quantize
from effbench.kernels.gpu_launch import written_down
from effbench.kernels.gpu_weights import packed_gpu_weight
from effbench.kernels.hadamard import hadamard
from effbench.kernels.linear_w4a8.packed import PackedW4
from effbench.kernels.linear_w8a8 import linear_w8a8, pack_w8a8
from effbench.kernels.quantize_rows import quantize_rows
from effbench.kernels.window_attention import attention_with_residual, window_attention


@pytest.mark.parametrize(
    "more", [{}, {"symmetric": True, "bits": 6}, {"static": StaticRange(0.2, 90)}, {"rotate": True}]
)
def test_rows_by_triton_are_those_of_the_reference(device, more):
    x, signs = numbers(3, 96), torch.ones(96)
    signs[::2] = -1
    ours, theirs = (
        quantize_rows(x.to(device), multiplier=signs.to(device), impl=impl, **more) for impl in ("triton", "reference")
    )
    if "rotate" in more:
        assert (ours.codes != theirs.codes).sum() <= 1
    else:
        same_rows(ours, type(theirs)(*(part.cpu() for part in theirs)))


def test_the_others_run(device):
    x = numbers(2, 3, 96).to(device)
    for ours, theirs in (
        [gelu_quantize(x, impl=impl) for impl in ("triton", "reference")],
        [adaln_quantize(x, x[:, 0], x[:, 1], impl=impl) for impl in ("triton", "reference")],
    ):
        assert (ours.codes.int() - theirs.codes.int()).abs().max() <= 1
    ours, theirs = (hadamard(x, impl=impl) for impl in ("triton", "reference"))
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    *given, residual = (part.to(device) for part in heads_of(20, 8))
    ours, theirs = (window_attention(*given, 3, residual=residual, impl=impl) for impl in ("triton", "reference"))
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(*(attention_with_residual(*given, 3, impl=impl) for impl in ("triton", "reference"))):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_linear_layer_quantizes_and_multiplies_by_triton(dtype):
    """With the weight as it was packed for the card, not made anew at every call."""
    empty = {"device": "meta"}
    weight = pack_w8a8(
        QuantizedWeight(
            torch.empty(64, 96, dtype=torch.int8, **empty),
            torch.empty(64, 1, **empty),
            torch.empty(64, 1, dtype=torch.int8, **empty),
        )
    )
    with written_down(90) as launches:
        y = linear_w8a8(torch.empty(2, 5, 96, dtype=dtype, **empty), weight, rotate=True, impl="triton")
    assert y.shape == (2, 5, 64) and y.dtype == dtype
    assert [one.kernel.__name__ for one in launches] == ["_quantize_rows", "_linear_w8a8"]
    assert launches[0].arguments["ROTATE"] and launches[1].arguments["weight"] is weight.on_gpu.codes


def test_four_bit_weights_of_a_card_hold_two_codes_a_byte():
    weight = packed_weight(9, 256, 2)
    form = PackedW4.gpu_form(None, weight)
    assert form.packed_bytes() == packed_gpu_weight(weight).packed_bytes() < weight.codes.nbytes * 0.6
