from __future__ import annotations

import math

import pytest

from effbench.report.rounding import rounded


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        # half-width 0.0294: leading digits 29 < 35, two digits kept, so thousandths
        (0.9563, 0.9213, 0.9801, ("0.956", "[0.921, 0.980]")),
        # half-width 0.39: one digit kept, so tenths
        (12.31, 11.92, 12.70, ("12.3", "[11.9, 12.7]")),
        # half-width 145: two digits kept, so tens
        (1234.0, 1100.0, 1390.0, ("1230", "[1100, 1390]")),
        # half-width 0.35 and 0.345 stand on the two sides of the rule's border (34.5 rounds up to 35)
        (5.0, 4.65, 5.35, ("5.0", "[4.7, 5.4]")),
        (5.0, 4.66, 5.34, ("5.00", "[4.66, 5.34]")),
        # an energy in hartree keeps all that its narrow interval resolves
        (-75.0126473, -75.0126491, -75.0126449, ("-75.0126473", "[-75.0126491, -75.0126449]")),
        # a value of zero and a bound below it: no negative zero
        (0.0, -0.001, 0.001, ("0.0000", "[-0.0010, 0.0010]")),
        (-0.00001, -0.02, 0.02, ("0.000", "[-0.020, 0.020]")),
        (1.234e-6, 1.10e-6, 1.39e-6, ("1.23e-6", "[1.10e-6, 1.39e-6]")),
        (2.0e-5, 0.0, 4.0e-5, ("2.0e-5", "[0, 4.0e-5]")),
        # exact by definition: the reference's own ratio
        (1.0, 1.0, 1.0, ("1", "[1, 1]")),
        # the same number on every resample, but for the rounding of its sums
        (431.902, 431.902 - 6e-14, 431.902 + 6e-14, ("431.9", "[431.9, 431.9]")),
        # reaches much further to one side: the nearer one counts, so that the lower bound does not read 0
        (900.0, 310.0, 20000.0, ("900", "[300, 20000]")),
        (900.0, 899.0, 20000.0, ("900", "[900, 20000]")),
        # one bound only
        (5.0, None, 5.3, ("5.00", "[n/a, 5.30]")),
    ],
)
def test_digits_follow_the_interval(value: float, low: float | None, high: float | None, text: tuple[str, str]) -> None:
    assert rounded(value, low, high) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.34567, "2.346"), (123.456, "123.5"), (1234567.0, "1234567"), (12345.67, "12346"), (0.0, "0"), (3e9, "3.000e9")],
)
def test_without_interval_four_digits_and_never_a_zeroed_integer(value: float, text: str) -> None:
    assert rounded(value, None, None) == (text, "")


def test_a_number_that_is_none_is_shown_as_such() -> None:
    assert rounded(math.nan, None, None) == ("nan", "")
    assert rounded(math.inf, 1.0, math.inf)[0] == "inf"
