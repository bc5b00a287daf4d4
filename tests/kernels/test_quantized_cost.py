"""Operations and bytes of the quantized kernels against hand counts, as a run counts them."""

import pytest
import torch

from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.hadamard import hadamard
from effbench.kernels.linear_w4a8 import linear_w4a8, pack_w4a8
from effbench.kernels.linear_w4a16 import linear_w4a16, pack_w4a16
from effbench.kernels.linear_w8a8 import linear_w8a8, pack_w8a8, quantize_weight
from effbench.kernels.quantize_rows import quantize_rows
from effbench.measure.compute import measure_compute

F32 = 4


@pytest.fixture
def x():
    return torch.randn(3, 64, generator=torch.Generator().manual_seed(0))


def test_an_integer_layer_counts_its_products_and_its_packed_weight(machine, x):
    packed, bias = pack_w8a8(quantize_weight(torch.ones(64, 64))), torch.ones(64)
    seen = measure_compute(lambda: linear_w8a8(x, packed, bias))
    assert seen.flops_by_dtype == {"int8": 2 * 3 * 64 * 64}
    assert seen.bytes_moved == seen.least_bytes == F32 * (3 * 64 + 64 + 3 * 64) + packed.packed_bytes()


def test_rows_that_are_made_inside_are_not_what_it_must_read(machine, x):
    packed = pack_w8a8(quantize_weight(torch.ones(64, 64)))
    seen = measure_compute(lambda: linear_w8a8(quantize_rows(x, 7), packed))
    rows = 3 * 64 + 3 * (4 + 4 + 4)
    assert seen.flops_by_dtype["int8"] == 2 * 3 * 64 * 64
    assert seen.least_bytes == F32 * (3 * 64 + 3 * 64) + packed.packed_bytes()
    looked_at = 0 if machine.activation_bits == 8 else 3 * 64 + 2  # whether any code has an eighth bit
    assert seen.bytes_moved == seen.least_bytes + 2 * rows + looked_at


def test_four_bit_layers(machine, x):
    weight = QuantizedWeight(
        torch.ones(64, 64, dtype=torch.int8), torch.ones(64, 2), torch.zeros(64, 2, dtype=torch.int8)
    )
    packed = pack_w4a8(weight)
    seen = measure_compute(lambda: linear_w4a8(x, packed))
    assert seen.flops_by_dtype == {"int8": 2 * 3 * 64 * 64}
    assert seen.bytes_moved == 2 * F32 * 3 * 64 + packed.packed_bytes()
    nibbles = pack_w4a16(weight)
    assert measure_compute(lambda: linear_w4a16(x, nibbles)).flops_by_dtype == {"float32": 2 * 3 * 64 * 64}


def test_a_rotation_moves_rows_and_multiplies_nothing(machine, x):
    seen = measure_compute(lambda: hadamard(x))
    assert seen.flops == 0 and seen.bytes_moved == 2 * F32 * 3 * 64
