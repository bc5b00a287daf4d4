"""The table of paired differences: what is decided is bold, and what is missing says so."""

import importlib.util
from pathlib import Path

import pytest

from effbench.report.compare import ComparisonRow

SPEC = importlib.util.spec_from_file_location("nas_pairs", Path(__file__).parents[1] / "docs" / "nas_pairs.py")
nas_pairs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(nas_pairs)


def row(value, low, high, **rest):
    return ComparisonRow(
        "kendall_tau", "quality", "", True, True, "difference", value=value, ci_low=low, ci_high=high, **rest
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (row(0.12, 0.05, 0.19, p_holm=0.001), "**+0.12 [0.05, 0.19]**"),
        (row(-0.12, -0.19, -0.05, p_holm=0.001), "**-0.12 [-0.19, -0.05]**"),
        (row(0.02, -0.05, 0.09, p_holm=0.5), "+0.02 [-0.05, 0.09]"),
        (row(None, None, None, reason="no rows"), "n/a (no rows)"),
    ],
)
def test_a_difference_is_bold_where_it_is_decided(given, text):
    assert nas_pairs.text_of(given, 0.95) == text
