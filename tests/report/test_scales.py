from __future__ import annotations

import pytest

from effbench.report.scales import scale_of, spans_a_decade


def test_a_linear_axis_holds_all_bounds_with_room() -> None:
    scale = scale_of([1.0, 3.0], [(0.0, 2.0), (2.0, 10.0)], False)
    assert (scale.low, scale.high) == (pytest.approx(-1.2), pytest.approx(11.2))
    assert [scale.share(value) for value in (-1.2, 5.0, 11.2)] == pytest.approx([0, 0.5, 1])


def test_a_logarithmic_axis_takes_shares_of_powers_and_ends_above_zero() -> None:
    scale = scale_of([1.0, 100.0], [(1.0, 1.0), (10.0, 100.0)], True)
    assert scale.ends == pytest.approx((-0.24, 2.24))
    assert scale.share(10.0) == pytest.approx(0.5)
    bare = scale_of([1.0, 100.0], [(-5.0, 1.0), (10.0, 100.0)], True)
    assert bare.low == pytest.approx(10 ** (-1 - 0.36))
    assert bare.share(-5.0) == 0 and bare.shown(-5.0) == bare.low and bare.shown(7.0) == 7.0


def test_a_value_that_has_no_logarithm_leaves_the_axis_linear() -> None:
    assert not scale_of([0.0, 100.0], [(0.0, 0.0), (100.0, 100.0)], True).is_logarithmic


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-300, 1.7e308, -1.7e308])
@pytest.mark.parametrize("is_logarithmic", [True, False])
def test_a_single_value_stands_inside_whatever_its_size(value: float, is_logarithmic: bool) -> None:
    scale = scale_of([value], [(value, value)], is_logarithmic)
    assert scale.low < scale.high
    assert abs(value) > 1e300 or 0 < scale.share(value) < 1


def test_the_largest_numbers_have_an_axis_too() -> None:
    scale = scale_of([-1.7e308, 1.7e308], [(-1.7e308, -1.7e308), (1.7e308, 1.7e308)], False)
    assert scale.share(0.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("values", "does"),
    [([1.0, 10.0], False), ([1.0, 10.1], True), ([0.0, 10.1], False), ([-1.0, 50.0], False), ([], False)],
)
def test_a_decade_is_more_than_a_factor_of_ten_above_zero(values: list[float], does: bool) -> None:
    assert spans_a_decade(values) is does
