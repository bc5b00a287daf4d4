"""Files are read and written as UTF-8 whatever the locale (case locale-not-utf8): no call leaves the encoding open."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
METHODS = {"read_text": 0, "write_text": 1, "fdopen": 2}
"""Name of a call -> place of its positional encoding."""


def open_ended(tree):
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if any(keyword.arg in ("encoding", None) for keyword in call.keywords):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in METHODS and len(call.args) <= METHODS[name]:
            yield call.lineno
        is_open = isinstance(call.func, ast.Name) and name == "open"
        modes = [a.value for a in call.args[1:2] if isinstance(a, ast.Constant)]
        if is_open and not any("b" in str(mode) for mode in modes):
            yield call.lineno


@pytest.mark.parametrize("folder", ["effbench", "baselines", "leaderboard"])
def test_no_text_is_read_or_written_in_the_locale_s_encoding(folder):
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line in open_ended(ast.parse(file.read_text("utf-8")))
    ]
    assert found == [], "give an encoding: " + ", ".join(found)
