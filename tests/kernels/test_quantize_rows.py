"""Codes of rows equal the reference's to the bit, on every instruction set."""

import pytest
import torch
from comparing import same_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.kernels.codes import StaticRange
from effbench.kernels.quantize_rows import quantize_rows

SHAPES = [(1, 1), (5, 7), (3, 4, 63), (2, 64), (2, 65), (3, 257), (9, 192), (2, 1152)]


def rows(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    x = torch.randn(shape, generator=generator) + 0.5
    return x * torch.randn(shape[:-1], generator=generator).exp()[..., None]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [2, 6, 7, 8])
@pytest.mark.parametrize("kind", ["asymmetric", "symmetric", "static"])
def test_codes_scales_zeros_and_sums_are_those_of_the_reference(machine, poisoned, shape, bits, kind):
    x = rows(*shape)
    how = {"static": StaticRange(0.037, 1, bits)} if kind == "static" else {"symmetric": kind == "symmetric"}
    assert same_rows(quantize_rows(x, bits, **how), quantize_rows(x, bits, **how, impl="reference"))


def test_rows_of_zeros_constants_and_what_is_not_finite(machine, poisoned):
    x = rows(12, 100)
    x[0], x[1], x[2], x[3] = 0.0, -3.0, 1e-35, -0.0
    x[4, 99], x[5, 0], x[6, 50], x[7] = torch.nan, torch.inf, -torch.inf, torch.nan
    x[8] = torch.tensor([3e38, -1e-38]).repeat(50)
    for how in ({}, {"symmetric": True}, {"static": StaticRange(0.1, 3)}):
        found = quantize_rows(x, **how)
        assert same_rows(found, quantize_rows(x, **how, impl="reference"))
        assert found.scale.isnan().tolist() == [False] * 4 + [True] * 4 + [False] * 4


def test_ties_go_to_even(machine):
    x = torch.tensor([[0.5, 1.5, 2.5, 3.5, 126.5, -127.0, 127.0, 0.0]])
    found = quantize_rows(x, symmetric=True)
    assert (found.codes.int() - 128).tolist() == [[0, 2, 2, 4, 126, -127, 127, 0]]


def test_what_lies_outside_a_static_range_is_cut_off_however_far(machine):
    x = torch.tensor([[1e30, -1e30, 300.0, -300.0, 3.4e38, 0.0]])
    assert quantize_rows(x, static=StaticRange(1.0, 100)).codes.tolist() == [[255, 0, 255, 0, 255, 100]]
    assert quantize_rows(x, static=StaticRange(1e-10, 7, 3)).codes.tolist() == [[7, 0, 7, 0, 7, 7]]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 200), st.booleans(), st.integers(0, 2**31))
def test_any_shape(count, width, symmetric, seed):
    x = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    ours, exact = (quantize_rows(x, symmetric=symmetric, impl=impl) for impl in ("cpu", "reference"))
    assert same_rows(ours, exact)


def test_no_row_depends_on_its_neighbours_threads_or_strides(machine):
    x = rows(37, 48)
    together = quantize_rows(x)
    assert all(same_rows(quantize_rows(x[i : i + 1]), [part[i : i + 1] for part in together]) for i in range(37))
    assert same_rows(quantize_rows(x.T.contiguous().T), together)
    empty = quantize_rows(x[:0])
    assert empty.codes.shape == (0, 48) and empty.scale.shape == (0,)


def test_multiplied_rows(machine, poisoned):
    x, multiplier = rows(5, 77), torch.randn(77, generator=torch.Generator().manual_seed(1))
    ours, exact = (quantize_rows(x, multiplier=multiplier, impl=impl) for impl in ("cpu", "reference"))
    assert same_rows(ours, exact)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 1}, "2 to 8 bits, not 1"),
        ({"bits": 9}, "2 to 8 bits, not 9"),
        ({"static": StaticRange(0.0, 3)}, "scale above 0"),
        ({"static": StaticRange(1.0, 300)}, "zero point in its codes"),
        ({"multiplier": torch.ones(4)}, r"float32 multiplier \[6\], got float32 \[4\]"),
        ({"rotate": True}, "no Hadamard matrix of size 6"),
        ({"impl": "cuda"}, "no implementation 'cuda'"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        quantize_rows(torch.ones(2, 6), **arguments)


def test_only_float32_is_compiled():
    with pytest.raises(ValueError, match="takes float32 on the CPU, got float16 on cpu"):
        quantize_rows(torch.ones(2, 6).half())
    assert quantize_rows(torch.ones(2, 6).half(), impl="reference").codes.eq(255).all()
