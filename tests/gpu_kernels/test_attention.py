"""Banded attention, and full attention with what the band leaves out, against the dense reference."""

import pytest
import torch
from comparisons import ATTENTION_CLOSE, attention_reference, compare_full, compare_window, heads_of, rms_ratio

from effbench.kernels import recording
from effbench.kernels.gpu_launch import written_down
from effbench.kernels.window_attention import gpu

HALVES = [torch.float32, torch.float16]
BANDS = [(1, 0), (5, 1), (16, 0), (33, 8), (45, 0), (45, 15), (45, 43), (45, 44), (45, 45), (64, 20), (50, 10**6)]
"""(tokens, half-width): no block is full, one is, the last one is not; bands of one key, and wider than there are keys."""


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("tokens", "half_width"), BANDS)
def test_a_band(device, tokens, half_width, dtype):
    compare_window(gpu, device, tokens, half_width, dtype=dtype)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("tokens", "half_width"), BANDS)
def test_full_attention_and_what_the_band_leaves_out(device, tokens, half_width, dtype):
    compare_full(gpu, device, tokens, half_width, dtype=dtype)


@pytest.mark.parametrize("width", [1, 7, 16, 72, 128])
def test_heads_of_any_width(device, width):
    compare_window(gpu, device, 20, 3, width)
    compare_full(gpu, device, 20, 3, width, scale=0.3)


@pytest.mark.parametrize("dtype", HALVES)
def test_the_tiles_of_a_card(device, dtype):
    """Several blocks of rows, and of keys within each block's band."""
    for width in (72, 71):
        compare_window(gpu, device, 150, 40, width, dtype, tile=None)
        compare_full(gpu, device, 70, 20, width, dtype, tile=None)


def test_a_band_over_everything_leaves_exactly_nothing_out(device):
    *given, _ = (part.to(device) for part in heads_of(45, 24))
    _, rest = gpu.attention_with_residual(*given, 44)
    assert torch.equal(rest, torch.zeros_like(rest))
    assert torch.equal(gpu.window_attention(*given, 44), gpu.window_attention(*given, 10**9))


def test_scores_far_apart(device):
    """Keys outside the band score hundreds more, or less: neither part may overflow or vanish in the other."""
    q, k, v, _ = heads_of(40, 16)
    q, k = q.abs() + 1, k.clone()
    for far in (100.0, -100.0):
        k[:, :, 20:] += far
        found = gpu.attention_with_residual(*(x.to(device) for x in (q, k, v)), 5)
        exact = attention_reference.attention_with_residual(q.double(), k.double(), v.double(), 5)
        for ours, theirs in zip(found, exact):
            assert rms_ratio(ours.cpu(), theirs) < 1e-4  # a score of 700 is known to 6e-5


def test_any_strides(device):
    """Heads in a row each, side by side, with other rows between, and rows that begin anywhere."""
    *given, residual = heads_of(37, 24)
    expected = attention_reference.window_attention(*given, 6, residual)
    spaced = torch.full((2, 37, 2, 4, 31), torch.nan)
    for place, x in enumerate((*given, residual)):
        spaced[:, :, :, place, 3:27] = x.transpose(1, 2)
    views = [spaced[..., place, 3:27].transpose(1, 2).to(device) for place in range(4)]
    for q, k, v, r in (views, [x.contiguous() for x in views]):
        assert rms_ratio(gpu.window_attention(q, k, v, 6, r).cpu(), expected) < ATTENTION_CLOSE[torch.float32]


def test_rows_of_144_bytes_are_known_to_be_aligned():
    """Strides of 72 numbers are told in units of 8: else each number would be loaded by itself."""
    for width, unit in ((72, 8), (71, 1)):
        with written_down(80) as launches:
            gpu.window_attention(*torch.empty(3, 1, 2, 50, width, dtype=torch.float16, device="meta"), 5)
        (one,) = launches
        assert one.arguments["UNIT"] == unit and one.arguments["q_row"] * unit == width


def test_what_is_recorded(device):
    heard = []
    *given, residual = (part.to(device) for part in heads_of(20, 8))
    with recording.listening(lambda name, arguments, out: heard.append((name, len(arguments)))):
        gpu.window_attention(*given, 3, residual)
        gpu.attention_with_residual(*given, 3)
    assert heard == [("window_attention/triton", 5), ("window_attention/triton-residual", 4)]


def test_no_rows_and_refusals(device):
    empty = torch.zeros(0, 2, 5, 8, device=device)
    assert gpu.window_attention(empty, empty, empty, 2).shape == (0, 2, 5, 8)
    wide = torch.zeros(1, 1, 4, 129, device=device)
    with pytest.raises(ValueError, match="heads of 129 numbers; the Triton kernel takes 1 to 128"):
        gpu.window_attention(wide, wide, wide, 2)
    if device == "cpu":
        half = torch.zeros(1, 1, 4, 8, dtype=torch.bfloat16)
        with pytest.raises(ValueError, match="interpreter multiplies bfloat16 wrongly"):
            gpu.attention_with_residual(half, half, half, 2)
