"""A name that is written out means itself, whatever brackets it holds (case own-name-is-no-glob)."""

import pytest

from effbench.globs import meant

NAMES = ["knob(a=[1, 2])", "knob(a=1)", "knob(a=[3])", "other", "w/knob(a=[1, 2])", "a*b", "aXb"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("knob(a=[1, 2])", {"knob(a=[1, 2])"}),
        ("*/knob(a=[1, 2])", {"w/knob(a=[1, 2])"}),
        ("knob(a=[12])", {"knob(a=1)"}),
        ("a*b", {"a*b"}),
        ("knob*", {"knob(a=[1, 2])", "knob(a=1)", "knob(a=[3])"}),
        ("[ox]ther", {"other"}),
        ("none", set()),
    ],
)
def test_names_before_globs(pattern, found):
    assert meant(pattern, NAMES) == found
