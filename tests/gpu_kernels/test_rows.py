"""The producers of quantized rows against their references."""

import pytest
import torch
from comparisons import (
    compare_adaln,
    compare_gelu,
    compare_hadamard,
    compare_quantize_rows,
    numbers,
    rows_reference,
    same_rows,
)

from effbench.kernels.adaln_quantize import gpu as adaln
from effbench.kernels.codes import StaticRange
from effbench.kernels.gelu_quantize import gpu as gelu
from effbench.kernels.hadamard import gpu as hadamard
from effbench.kernels.quantize_rows import gpu as quantize_rows
from effbench.kernels.quantize_rows.reference import quantize_tensor

HALVES = [torch.float32, torch.float16]
SIZES = [1, 2, 8, 12, 20, 24, 40, 80, 96, 144, 160, 240, 288, 512, 1152, 1920]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_codes_of_rows_are_the_references(device, bits, symmetric, dtype):
    compare_quantize_rows(quantize_rows, device, bits=bits, symmetric=symmetric, dtype=dtype)


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (1, 129), (0, 5), (2, 0, 7), (3, 1152)])
def test_rows_of_any_shape(device, shape):
    if 0 in shape:
        found = quantize_rows.quantize_rows(torch.zeros(shape, device=device))
        assert found.codes.shape == shape and found.scale.shape == shape[:-1]
    else:
        compare_quantize_rows(quantize_rows, device, shape)


def test_bf16_rows_are_those_of_the_same_numbers_in_float32(device):
    x = numbers(4, 70, dtype=torch.bfloat16)
    same_rows(quantize_rows.quantize_rows(x.to(device)), rows_reference(x))


def test_ties_and_numbers_near_them_round_as_the_reference(device):
    """Numbers at half a step and the float beside it: a contracted multiply-add would round them otherwise."""
    steps = torch.arange(255, dtype=torch.float32) + 0.5
    for scale in (1.0, 0.1, 0.37, 3e-5, 7e3):
        at = steps * scale
        x = torch.stack([at, at.nextafter(torch.tensor(torch.inf)), at.nextafter(torch.tensor(-torch.inf))])
        x = torch.cat([x, torch.tensor([255.0, 0.0, 1.0]).mul(scale).expand(3, 3)], dim=1)
        same_rows(quantize_rows.quantize_rows(x.to(device)), rows_reference(x))


ENDS = {
    "0": torch.zeros(2, 9),
    "-3": torch.full((2, 9), -3.0),
    "tiny": torch.full((2, 9), 1e-31),
    "huge": torch.full((2, 9), 3e38),
    "outlier": torch.eye(9) * 1e5,
}


@pytest.mark.parametrize("x", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_rows_at_the_ends_of_what_there_is(device, x, symmetric):
    same_rows(quantize_rows.quantize_rows(x.to(device), 8, symmetric), rows_reference(x, 8, symmetric))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_row_that_is_not_finite_says_so_and_touches_no_other(device, bad, symmetric):
    x = numbers(4, 70)
    x[2, 69] = bad
    found = quantize_rows.quantize_rows(x.to(device), 8, symmetric)
    same_rows(found, rows_reference(x, 8, symmetric))
    assert found.scale.isnan().tolist() == [False, False, True, False]


def test_any_strides(device):
    x = numbers(6, 70)
    expected = rows_reference(x)
    wide = torch.full((6, 2, 140), torch.nan, device=device)
    wide[:, 1, ::2] = x.to(device)
    same_rows(quantize_rows.quantize_rows(wide[:, 1, ::2]), expected)
    same_rows(quantize_rows.quantize_rows(x.T.contiguous().to(device).T), expected)


def test_a_static_range_cuts_off_and_nothing_more(device):
    x = numbers(5, 40)
    static = StaticRange(0.21, 47, 6)
    found = quantize_rows.quantize_rows_static(x.to(device), static)
    expected = quantize_tensor(x, static)
    assert torch.equal(found.codes.cpu(), expected)
    assert found.sums.tolist() == expected.sum(-1).tolist()
    assert set(found.zero.tolist()) == {47} and set(found.scale.tolist()) == {torch.tensor(0.21).item()}
    x[1, 3] = torch.nan
    assert quantize_rows.quantize_rows_static(x.to(device), static).scale.isnan().tolist() == [
        False,
        True,
        *[False] * 3,
    ]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("size", SIZES)
def test_the_rotation_is_the_dense_one(device, size, dtype):
    compare_hadamard(hadamard, device, size, dtype, multiply=size % 16 == 0)


def test_a_rotation_of_strided_rows_and_of_nan(device):
    x = torch.randn(4, 48, generator=torch.Generator().manual_seed(1))
    whole = hadamard.hadamard(x.to(device))
    assert torch.equal(hadamard.hadamard(x.T.contiguous().to(device).T), whole)
    x[1, 7] = torch.nan
    found = hadamard.hadamard(x.to(device))
    assert found[1].isnan().all() and torch.equal(found[[0, 2, 3]], whole[[0, 2, 3]])


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("width", "rotate"), [(96, False), (96, True), (67, False), (1152, True)])
def test_adaln(device, width, rotate, dtype):
    compare_adaln(adaln, device, width, rotate, dtype, symmetric=width == 67, multiply=width != 67)


def test_adaln_of_views_of_a_table_and_of_nan(device):
    x, table = numbers(2, 3, 40), torch.randn(2, 6, 40, generator=torch.Generator().manual_seed(1))
    x[0, 0] = 1.0
    shift, scale = table[:, 0], table[:, 1]
    whole = adaln.adaln_quantize(x.to(device), shift.contiguous().to(device), scale.contiguous().to(device))
    moved = table.to(device)
    same = adaln.adaln_quantize(x.transpose(0, 1).contiguous().to(device).transpose(0, 1), moved[:, 0], moved[:, 1])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(same, whole))
    x[1, 2, 5] = torch.nan
    found = adaln.adaln_quantize(x.to(device), moved[:, 0], moved[:, 1])
    assert found.scale.isnan().sum() == 1 and found.scale[1, 2].isnan()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("width", "rotate"), [(96, False), (96, True), (67, False), (4608, True)])
def test_gelu(device, width, rotate, dtype):
    compare_gelu(gelu, device, width, rotate, dtype, symmetric=width == 67)


def test_gelu_of_large_numbers_is_the_number_or_nothing(device):
    x = torch.tensor([[1e15, -1e15, 30.0, 0.0]])
    found = gelu.gelu_quantize(x.to(device))
    assert found.codes.tolist() == [[255, 0, 0, 0]] and found.zero.item() == 0


def test_refusals(device):
    x = torch.zeros(2, 7, device=device)
    with pytest.raises(ValueError, match="no Hadamard matrix of size 7"):
        hadamard.hadamard(x)
    with pytest.raises(ValueError, match="does not fit into one program; at most 32768"):
        quantize_rows.quantize_rows(torch.zeros(1, 40000, device=device))
    with pytest.raises(ValueError, match=r"want x \[B, N, C\] with shift and scale \[B, C\]; got \[2, 7\]"):
        adaln.adaln_quantize(x, x, x)
