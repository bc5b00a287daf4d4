"""Banded attention against the dense reference in float64, and its count of pairs against the paper's table."""

import inspect

import pytest
import torch
from comparing import rms_ratio
from torch.nn.functional import scaled_dot_product_attention

from effbench.kernels import isa
from effbench.kernels.machine_code import address_of
from effbench.kernels.threads import Kernel
from effbench.kernels.window_attention import attention_with_residual, bands_pay, cpu, program, window_attention
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
def test_it_equals_the_reference(machine, poisoned, tokens):
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
    """A value moved by much changes the rows whose band it is in, and no other, to the bit."""
    q, k, v, _ = heads_of(tokens)
    before = window_attention(q, k, v, half_width)
    for key in (0, tokens // 2, tokens - 1):
        moved = v.clone()
        moved[:, :, key] += 1000
        changed = (window_attention(q, k, moved, half_width) != before).any(-1).all(0).all(0)
        place = torch.arange(tokens)
        assert torch.equal(changed, (place - key).abs() <= half_width)


@pytest.mark.parametrize("width", [1, 7, 72])
def test_heads_of_any_width(machine, poisoned, width):
    *given, residual = heads_of(100, width)
    ours, exact = (window_attention(*given, 12, residual=residual, impl=impl) for impl in ("auto", "reference"))
    assert rms_ratio(ours, exact) < CLOSE


def test_scores_far_apart():
    """Keys of a row's band score hundreds more, or less, than those that were seen before."""
    q, k, v, _ = heads_of(300, 16)
    q = q.abs() + 1
    for far in (100.0, -100.0):
        moved = torch.where(torch.arange(300)[:, None] >= 150, k + far, k)
        ours, exact = (window_attention(q, moved, v, 120, impl=impl) for impl in ("auto", "reference"))
        assert rms_ratio(ours, exact) < 1e-4  # a score of 700 is known to 6e-5


def test_what_is_not_finite_says_so_and_touches_no_row_that_does_not_see_it(machine):
    q, k, v, _ = heads_of(150)
    for bad in (torch.nan, torch.inf):
        x = q.clone()
        x[0, 1, 70, 3] = bad
        found = window_attention(x, k, v, 20)
        assert found[0, 1, 70].isnan().all() and found.isnan().sum() == found.shape[-1]
    k = k.clone()
    k[0, 1, 70, 3] = torch.nan
    rows = window_attention(q, k, v, 20).isnan().any(-1)
    assert rows.sum() == 41 and rows[0, 1, 50:91].all()


def test_any_strides_and_any_number_of_threads():
    *given, residual = heads_of(130)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(window_attention(*given, 20, residual=residual))
            found.append(window_attention(*(x.contiguous() for x in given), 20, residual=residual.contiguous()))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, found[0]) for one in found)


@pytest.mark.parametrize(("right", "wrong"), [
    ('offset.compared("<=", widest)', 'offset.compared("<", widest)'),
    ('offset.compared(">=", 0)', 'offset.compared(">", 0)'),
    ('job["half_width"] - rows, I32', 'job["half_width"] - rows + 1, I32'),
    ('(begin + rows + job["half_width"])', '(begin + job["half_width"])'),
    ("code.load(vector, place) * kept[n % len(kept)]", "code.load(vector, place)"),
    ('(first + place).least(keys - 1) * stride', 'first * stride'),
    ("if width > whole:", "if width < whole:"),
    ("select(is_given, number +", "select(is_given, number -"),
])  # fmt: skip
def test_a_planted_wrong_kernel_is_caught(right, wrong, monkeypatch):
    source = inspect.getsource(program)
    assert right in source, "the line to change is no longer there"
    planted = {"__name__": "effbench.kernels.window_attention.planted"}
    *given, residual = heads_of(200)
    exact = window_attention(*given, 25, residual=residual, impl="reference")
    assert rms_ratio(window_attention(*given, 25, residual=residual), exact) < CLOSE
    exec(compile(source.replace(right, wrong), "planted", "exec"), planted)
    machine = isa.named(isa.current().vectors)
    address = address_of("window_attention", planted["attention_program"](machine, 8), machine)
    monkeypatch.setattr(cpu, "_kernel", lambda *_: Kernel(address, len(program.FIELDS)))
    assert not rms_ratio(window_attention(*given, 25, residual=residual), exact) < 100 * CLOSE


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
    with pytest.raises(ValueError, match="the compiled CPU path takes float32 on the CPU, got float16 on cpu"):
        window_attention(q.half(), k.half(), v.half(), 2)
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


def test_a_run_counts_the_pairs_of_the_band(machine):
    *given, residual = heads_of(512)
    seen = measure_compute(lambda: window_attention(*given, 64, residual=residual))
    assert seen.flops_by_dtype == {"float32": 2 * 2 * 8 * 2 * 3 * band_pairs(512, 64)}
    assert seen.bytes_moved == 5 * 4 * residual.numel()
    assert measure_compute(lambda: window_attention(*given, 511)).flops == 2 * 2 * 8 * 2 * 3 * 512**2


def test_where_a_band_pays():
    assert not bands_pay(64, 8) and bands_pay(65, 8) and not bands_pay(300, 100)
