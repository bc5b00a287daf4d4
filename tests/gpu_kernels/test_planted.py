"""Wrong kernels, made by changing one line of the right ones: each is caught by the comparison that the right one passes."""

import importlib
import importlib.util
from functools import partial

import pytest
from comparisons import (
    compare_adaln,
    compare_conv,
    compare_depthwise,
    compare_full,
    compare_gelu,
    compare_hadamard,
    compare_quantize_rows,
    compare_sparse,
    compare_w4a8,
    compare_w4a16,
    compare_w8a8,
    compare_window,
)

PLANTED = {
    "one code fewer than there are": (
        "quantize_rows", "numbers, column, valid, row, codes, scales, zeros, sums, WIDTH, TOP, SYMMETRIC)",
        "numbers, column, valid, row, codes, scales, zeros, sums, WIDTH, TOP - 1, SYMMETRIC)", compare_quantize_rows),
    "columns beside one another are assumed": (
        "quantize_rows", "column_stride=flat.stride(1)", "column_stride=2", compare_quantize_rows),
    "variance counts what is no place": (
        "adaln_quantize", "tl.where(valid, numbers - mean, 0.0)", "numbers - mean", compare_adaln),
    "modulation of the first item for all": (
        "adaln_quantize", "scale + item * scale_item_stride", "scale", compare_adaln),
    "the sigmoid GELU": (
        "gelu_quantize", "0.044715 * numbers", "0.0 * numbers", compare_gelu),
    "the multiplier is left out": (
        "hadamard", "if multiplier is not None:\n        numbers", "if False:\n        numbers", compare_hadamard),
    "the zero point of activations is forgotten": (
        "linear_w8a8", "    total -= zero", "    total -= 0 * zero", compare_w8a8),
    "codes are read as signed": (
        "linear_w8a8", "(codes ^ 128).to", "codes.to", compare_w8a8),
    "what lies beyond the last input counts": (
        "linear_w8a8", "mask=k[:, None] < K - start, other=0", "mask=k[:, None] < K - start, other=1", compare_w8a8),
    "the last output is not written": (
        "linear_w8a8", "(n < N)[None, :]", "(n < N - 1)[None, :]", compare_w8a8),
    "16 bits for a sum": (
        "linear_w8a8", "total = tl.dot(signed(x), w, total)", "total = tl.dot(signed(x), w, total).to(tl.int16).to(tl.int32)",
        compare_w8a8),
    "halves of a byte are swapped": (
        "linear_w4a8", "tl.join((packed << 4) >> 4, packed >> 4)", "tl.join(packed >> 4, (packed << 4) >> 4)",
        compare_w4a8),
    "every group under the first one's zero point": (
        "linear_w4a8", "weight_zero + channel * groups + group", "weight_zero + channel * groups", compare_w4a8),
    "every group under the first one's scale": (
        "linear_w4a16", "weight_scale + channel * groups + group", "weight_scale + channel * groups", compare_w4a16),
    "padding by code 0": (
        "conv2d_w8a8", "blank = zero.to(tl.uint8)", "blank = (zero * 0).to(tl.uint8)", compare_conv),
    "rows and columns of a kernel are swapped": (
        "conv2d_w8a8", "top + tap // KERNEL_W, left + tap % KERNEL_W", "top + tap % KERNEL_W, left + tap // KERNEL_W",
        compare_conv),
    "a band one key narrower behind a row": (
        "window_attention", "(ahead <= half_width)", "(ahead < half_width)", compare_window),
    "a band one key wider before a row": (
        "window_attention", "(ahead >= -half_width) &", "(ahead >= -half_width - 1) &", compare_window),
    "a block's last rows without their last keys": (
        "window_attention", "begin + BLOCK_M + half_width, N)", "begin + half_width, N)", compare_window),
    "keys that are not there count": (
        "window_attention", "seen & (key < N)[None, :]", "seen", compare_window),
    "the residual of the first head for all": (
        "window_attention", "residual_batch, residual_head, residual_row, heads, UNIT)",
        "residual_batch, residual_head * 0, residual_row, heads, UNIT)", compare_window),
    "the sum is not corrected for a larger maximum": (
        "window_attention", "sums = sums * kept +", "sums = sums +", compare_window),
    "what lies on a band's rim is counted twice": (
        "window_attention", "seen = ahead < -half_width", "seen = ahead <= -half_width", compare_full),
    "the keys behind the band are left out": (
        "window_attention", "behind, N, k_row", "N, N, k_row", compare_full),
    "the two parts under one maximum": (
        "window_attention", "tl.exp2(most - base)\n        full", "tl.exp2(inner_most - base)\n        full", compare_full),
    "every tap under the first one's weight": (
        "sparse_conv", "(tap * channels * UNIT + channel)[:, None]", "channel[:, None]", compare_sparse),
    "the last tap is left out": (
        "sparse_conv", "for tap in range(taps):", "for tap in range(taps - 1):", compare_sparse),
    "a part of the gradient takes the next one's first row": (
        "sparse_conv", "    end = tl.minimum(begin + part, rows)\n    total = tl.zeros((BLOCK_M",
        "    end = tl.minimum(begin + part + 1, rows)\n    total = tl.zeros((BLOCK_M", compare_sparse),
    "depthwise, the first tap's weight for all": (
        "sparse_conv", "weight + tap * channels + column", "weight + column", compare_depthwise),
    "depthwise, parts of the gradient begin at the first row": (
        "sparse_conv", "    tap, begin = outer % taps, (outer // taps) * part\n    end",
        "    tap, begin = outer % taps, (outer // taps) * 0\n    end", compare_depthwise),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_wrong_kernel_is_caught(name, device, tmp_path):
    operation, right, wrong, compare = PLANTED[name]
    original = importlib.import_module(f"effbench.kernels.{operation}.gpu")
    with open(original.__file__, encoding="utf-8") as file:
        source = file.read()
    assert right in source, "the line to change is no longer there"
    planted = tmp_path / "planted.py"
    planted.write_text(source.replace(right, wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", planted)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    compare = partial(compare, device=device)
    compare(original)
    with pytest.raises(AssertionError):
        compare(module)
