"""Schemes refuse what no layer can be, and say which kernel computes the rest."""

import pytest
from pydantic import BaseModel, ValidationError

from effbench.quantization.recipe import Recipe, execution_of
from effbench.quantization.schemes import BITS, ActivationScheme, Bits, WeightScheme, group_count, kernel_of


@pytest.mark.parametrize("bits", [0, 1, 7, 9, 12, 32, -8])
def test_other_bits_are_refused_with_the_nearest(bits):
    for scheme in (WeightScheme, lambda b: ActivationScheme("dynamic-token", b)):
        with pytest.raises(ValueError, match=rf"bits are one of 2, 3, 4, 5, 6, 8, 16; got {bits}, the nearest is \d"):
            scheme(bits)

    class Params(BaseModel):
        bits: Bits = 8

    with pytest.raises(ValidationError, match="the nearest is"):
        Params(bits=bits)
    assert [Params(bits=each).bits for each in BITS] == list(BITS)


def test_an_eight_bit_weight_with_a_zero_point_is_refused():
    with pytest.raises(ValueError, match="8-bit weights are symmetric"):
        WeightScheme(8, symmetric=False)
    with pytest.raises(ValueError, match="at least 1 channel, got 0"):
        WeightScheme(4, group=0)
    with pytest.raises(ValueError, match="dynamic-token"):
        ActivationScheme("static-tensor", group=64)


@pytest.mark.parametrize(
    ("inputs", "group", "count"),
    [(192, None, 1), (192, 128, 2), (768, 128, 6), (1152, 128, 9), (7, 3, 7), (64, 64, 1), (5, 8, 1)],
)
def test_groups_are_equal_and_no_larger_than_asked(inputs, group, count):
    assert group_count(inputs, group) == count
    assert inputs % count == 0 and (group is None or inputs // count <= group)


def test_what_kernels_compute():
    token, static = ActivationScheme(), ActivationScheme("static-tensor")
    assert [kernel_of(bits, token) for bits in BITS] == [None, None, "w4a8", None, None, "w8a8", None]
    assert kernel_of(8, static) == "w8a8" and kernel_of(4, static) == "w4a8"
    assert kernel_of(8, token, group=64) is None and kernel_of(4, token, group=64) == "w4a8"
    assert kernel_of(4, ActivationScheme("none")) == kernel_of(4, ActivationScheme(bits=16)) == "w4a16"
    assert kernel_of(8, ActivationScheme("none")) is None  # there is no weight-only kernel of 8 bits
    assert kernel_of(8, ActivationScheme(bits=6)) is None and kernel_of(8, ActivationScheme(group=64)) is None


def test_a_recipe_is_real_only_where_all_of_it_is():
    static = ActivationScheme("static-tensor")
    assert execution_of(Recipe()) == "real"
    assert execution_of(Recipe(), (4, 8)) == "real" and execution_of(Recipe(), (2, 8)) == "simulated"
    assert execution_of(Recipe(activation=static, convolutions=True)) == "real"
    assert execution_of(Recipe(WeightScheme(4), static, convolutions=True)) == "simulated"
    assert execution_of(Recipe(convolutions=True)) == "simulated"  # a range for each sample has no kernel
