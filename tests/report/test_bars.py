from __future__ import annotations

import math
from typing import Any

import pytest

from effbench.report.bars import MARGIN, bars_of
from effbench.report.compare import Comparison, ComparisonRow


def comparison(make: Any, *rows: ComparisonRow) -> Comparison:
    return Comparison("quick", "t2i", make.cell("a"), make.cell("b"), 0.95, rows)


def row(number: str, kind: Any, higher: bool, value: float | None, *ends: float) -> ComparisonRow:
    low, high = ends or (None, None)
    return ComparisonRow(number, "quality", "", higher, True, kind, value=value, ci_low=low, ci_high=high)


def test_better_lies_right_of_the_middle_whatever_the_direction(make: Any) -> None:
    (bars,) = bars_of(
        [
            comparison(
                make,
                row("score", "difference", True, -0.2, -0.4, 0.1),
                row("error", "difference", False, -0.2, -0.4, 0.1),
                row("latency", "ratio", False, 0.5, 0.25, 1.0),
            )
        ]
    )
    worse, better, faster = bars["score"], bars["error"], bars["latency"]
    assert worse.low < worse.at < 0.5 < worse.high
    assert (better.at, better.low, better.high) == pytest.approx((1 - worse.at, 1 - worse.high, 1 - worse.low))
    assert worse.low == pytest.approx(0.5 - 0.5 / (1 + MARGIN)), "the longest end lies just inside"
    assert faster.low == pytest.approx(0.5), "a ratio of 1 is no difference"
    assert (faster.at - 0.5) / (faster.high - 0.5) == pytest.approx(math.log(2) / math.log(4))


def test_several_comparisons_of_a_number_share_its_scale(make: Any) -> None:
    near, far = bars_of(
        [comparison(make, row("score", "difference", True, value, value, value)) for value in (0.1, 0.4)]
    )
    assert (far["score"].at - 0.5) / (near["score"].at - 0.5) == pytest.approx(4)


def test_without_an_interval_there_is_no_bar(make: Any) -> None:
    rows = (
        row("alone", "ratio", False, 2.0),
        row("missing", "difference", True, None),
        row("negative", "ratio", True, 0.5, -0.1, 2.0),
        row("equal", "difference", True, 0.0, 0.0, 0.0),
    )
    (bars,) = bars_of([comparison(make, *rows)])
    assert bars == {"equal": (0.5, 0.5, 0.5)}
