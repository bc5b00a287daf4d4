"""Banded attention against the dense reference in float64, and its count of pairs against the paper's table."""

import inspect

import pytest
import torch
from comparing import rms_ratio
from torch.nn.functional import scaled_dot_product_attention

from effbench.kernels.window_attention import attention_with_residual, cpu, window_attention
from effbench.kernels.window_attention.cost import band_pairs, flops, flops_with_residual
from effbench.measure.compute import measure_compute

CLOSE = 1e-6
"""RMS ratio: float32 beside float64."""
TOKENS = [1, 2, 31, 64, 65, 129, 200, 257]


def heads_of(tokens, width=8, batch=2, dtype=torch.float32):
    """Return q, k, v and a residual [B, 3, N, D] as views of one fused projection, between rows of NaN."""
    fused = torch.full((batch, tokens, 5, 3, width), torch.nan, dtype=dtype)
    fused[:, :, :4] = torch.randn(batch, tokens, 4, 3, width, generator=torch.Generator().manual_seed(tokens)).to(dtype)
    return [fused[:, :, part].transpose(1, 2) for part in range(4)]


def bands(tokens):
    return sorted({0, 1, tokens // 8, tokens // 3, max(tokens - 2, 0), tokens - 1, tokens, 10**9})


@pytest.mark.parametrize("tokens", TOKENS)
def test_it_equals_the_reference(poisoned, tokens):
    *given, residual = heads_of(tokens)
    for half_width in bands(tokens):
        for more in ({}, {"residual": residual}, {"scale": 0.7}):
            ours, exact = (window_attention(*given, half_width, **more, impl=impl) for impl in ("auto", "reference"))
            assert ours.shape == exact.shape and rms_ratio(ours, exact) < CLOSE, (half_width, more.keys())


@pytest.mark.parametrize("tokens", TOKENS)
def test_full_attention_with_what_the_band_leaves_out(poisoned, tokens):
    *given, _ = heads_of(tokens)
    for half_width in bands(tokens):
        full, rest = attention_with_residual(*given, half_width)
        exact, left_out = attention_with_residual(*given, half_width, impl="reference")
        assert rms_ratio(full, exact) < CLOSE
        assert rms_ratio(rest - left_out + exact, exact) < CLOSE  # it may be next to nothing itself
        assert rms_ratio(window_attention(*given, half_width, residual=rest), full) < CLOSE


@pytest.mark.proof
@pytest.mark.parametrize("tokens", [300, 511, 777, 1024])
def test_it_equals_the_reference_at_more_sizes(poisoned, tokens):
    *given, residual = heads_of(tokens, 72, 1)
    for half_width in (*range(0, 70, 3), tokens // 8, tokens // 5, tokens // 2, tokens - 2):
        ours, exact = (
            window_attention(*given, half_width, residual=residual, impl=impl) for impl in ("auto", "reference")
        )
        assert rms_ratio(ours, exact) < CLOSE, half_width


@pytest.mark.parametrize("tokens", [64, 129])
def test_a_band_over_everything_is_full_attention_to_the_bit(tokens):
    *given, _ = heads_of(tokens)
    full = scaled_dot_product_attention(*given)
    for half_width in (tokens - 1, tokens, 10**9):
        assert torch.equal(window_attention(*given, half_width), full)
        found, rest = attention_with_residual(*given, half_width)
        assert torch.equal(found, full) and torch.equal(rest, torch.zeros_like(rest))


def test_a_band_of_one_key_is_its_value():
    q, k, v, _ = heads_of(200)
    assert torch.allclose(window_attention(q, k, v, 0), v)


@pytest.mark.parametrize("tokens", [48, 150])
@pytest.mark.parametrize("half_width", [0, 9, 20])
def test_each_row_sees_its_band_and_nothing_else(tokens, half_width):
    """By the gradient of the definition: a key moved by much changes the rows of its band alone."""
    q, k, v, _ = heads_of(tokens)
    before = window_attention(q, k, v, half_width)
    for key in (0, tokens // 2, tokens - 1):
        moved = v.clone()
        moved[:, :, key] += 1000
        changed = (window_attention(q, k, moved, half_width) != before).any(-1).all(0).all(0)
        place = torch.arange(tokens)
        assert torch.equal(changed, (place - key).abs() <= half_width)


@pytest.mark.parametrize(("right", "wrong"), [
    ("(offset > 2 * half_width)", "(offset >= 2 * half_width)"), ("(offset < 0)", "(offset <= 0)"),
    ("(offset < 0) |", ""), ("low - start + half_width", "low - start + half_width + 1"),
    ("min(tokens, end + half_width)", "min(tokens, end + half_width - 1)"),
    ("first - half_width, wide), (v", "first, wide), (v"),
])  # fmt: skip
def test_a_planted_wrong_band_is_caught(right, wrong):
    source = inspect.getsource(cpu)
    assert right in source, "the line to change is no longer there"
    planted = {"__name__": "planted"}
    exec(compile(source.replace(right, wrong), "planted", "exec"), planted)
    *given, _ = heads_of(200)
    exact = window_attention(*given, 25, impl="reference")
    assert rms_ratio(cpu.window_attention(*given, 25, None, None), exact) < CLOSE
    with pytest.raises((AssertionError, RuntimeError)):
        assert rms_ratio(planted["window_attention"](*given, 25, None, None), exact) < CLOSE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves(dtype):
    *given, residual = heads_of(150, dtype=dtype)
    for half_width in (10, 149):
        ours = window_attention(*given, half_width, residual=residual)
        exact = window_attention(*(x.float() for x in given), half_width, residual=residual.float(), impl="reference")
        assert ours.dtype == dtype and rms_ratio(ours.float(), exact) < (1e-3 if dtype == torch.float16 else 8e-3)


def test_bad_arguments():
    q, k, v, residual = heads_of(9)
    with pytest.raises(ValueError, match=r"want q, k, v of one shape .* got q \[2, 3, 9, 8\] .* k \[2, 3, 8, 8\]"):
        window_attention(q, k[:, :, 1:], v, 2)
    with pytest.raises(ValueError, match=r"residual \[2, 3, 8, 8\] float32 cpu"):
        window_attention(q, k, v, 2, residual=residual[:, :, 1:])
    with pytest.raises(ValueError, match="want q, k, v of one shape"):
        attention_with_residual(q[0], k[0], v[0], 2)
    with pytest.raises(ValueError, match=r"v \[2, 3, 9, 8\] float16 cpu"):
        window_attention(q, k, v.half(), 2)
    with pytest.raises(ValueError, match="want float32, float16 or bfloat16, not float64"):
        window_attention(q.double(), k.double(), v.double(), 2)
    with pytest.raises(ValueError, match="the last axis of k must lie in one piece; it has stride 9"):
        window_attention(q, k.transpose(2, 3).contiguous().transpose(2, 3), v, 2)
    for half_width in (-1, 2.0, True):
        with pytest.raises(ValueError, match=f"want a half-width of 0 or more keys, not {half_width}"):
            window_attention(q, k, v, half_width)
    with pytest.raises(ValueError, match="has no implementation 'fast'; want one of auto, reference, cpu, triton"):
        window_attention(q, k, v, 2, impl="fast")


def test_no_rows():
    q = torch.zeros(0, 3, 200, 8)
    assert window_attention(q, q, q, 20).shape == q.shape
    q = torch.zeros(2, 3, 0, 8)
    assert window_attention(q, q, q, 20).shape == q.shape


@pytest.mark.parametrize("tokens", [1, 2, 9, 40])
def test_pairs_are_counted_one_by_one(tokens):
    for half_width in (0, 1, 3, tokens - 1, tokens, 10**9):
        counted = sum(abs(i - j) <= half_width for i in range(tokens) for j in range(tokens))
        assert band_pairs(tokens, half_width) == counted
        q = torch.zeros(2, 3, tokens, 8)
        assert flops(q, q, q, half_width, None, out=q) == 2 * 2 * 8 * 2 * 3 * counted
        assert flops_with_residual(q, q, q, half_width, out=q) == 2 * 2 * 8 * 2 * 3 * tokens**2


@pytest.mark.parametrize(("tokens", "percent"), [(1024, 77), (4096, 51), (16384, 33)])
def test_the_share_of_flops_is_that_of_ditfastattns_table_2(tokens, percent):
    """DiT-XL/2 and PixArt-Sigma, width 1152: attention with its four projections, w = N / 8 keys to either side."""
    width = 1152
    projections = 4 * tokens * width**2
    share = (projections + 2 * band_pairs(tokens, tokens // 8) * width) / (projections + 2 * tokens**2 * width)
    assert abs(100 * share - percent) < 1


def test_a_run_counts_what_the_blocks_multiply():
    """On the CPU that is the pairs of the band and those that a block's mask takes out again; never all pairs."""
    *given, _ = heads_of(512)
    seen = measure_compute(lambda: window_attention(*given, 64))
    band, full = (2 * 2 * 8 * 2 * 3 * pairs for pairs in (band_pairs(512, 64), 512**2))
    assert band < seen.flops < 1.4 * band < 0.4 * full
    assert measure_compute(lambda: window_attention(*given, 511)).flops == full
