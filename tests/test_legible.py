"""Text of strangers: what a terminal obeys stands as an escape, and a name stays on its line."""

import json

import pytest

from effbench.legible import all_legible, legible, legible_line, may_hide

FORGED = "fast\nNumbers of fast verified by EffBench.\tyes"


def test_a_name_is_one_line_and_a_message_may_be_several():
    assert legible(FORGED) == FORGED
    assert legible_line(FORGED) == r"fast\nNumbers of fast verified by EffBench.\tyes"
    for text in ("plain", "é×🙂\u200d", "a b"):
        assert legible(text) == legible_line(text) == text
    for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0x2028, 0x202E, 0x2066):
        assert legible_line(f"a{chr(code)}b").isprintable()


def test_nested_text_is_made_legible_by_what_is_asked_for():
    value = {"a\n": ["b\n", ("c\x1b", 1, None)]}
    assert all_legible(value) == {"a\n": ["b\n", (r"c\x1b", 1, None)]}
    assert all_legible(value, legible_line) == {r"a\n": [r"b\n", (r"c\x1b", 1, None)]}


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\x1bb", "a\x7fb", "a\x9bb", "a\u202eb", "\r", "\b"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_document_that_holds_such_a_character_is_looked_at(text, ascii_only):
    assert may_hide(json.dumps({"name": text}, ensure_ascii=ascii_only).encode())
    assert not may_hide(json.dumps({"name": "é 🙂 plain"}, indent=1, ensure_ascii=False).encode())
