"""Any text at any place of a store: every way of showing it still gives one whole, harmless document."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutants import TEXTS
from seeds import write_seeds
from showing import draw_all, show_all, unsafe

SIGNS = "$\\{}%&#_^~<>|[]()`*\"'=+-@;:,./!?\n\t\r\x1b\x07\x9b\u202e\u2028\ufeff\ud800é×🙂a1 "
TEXT = st.one_of(st.text(st.sampled_from(SIGNS), max_size=12), st.sampled_from(TEXTS), st.text(max_size=20))
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), TEXT), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_seeds(tmp_path_factory.mktemp("text"))[1]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return (holder, key) of every text in nested data; what an id or a hash stands for is left alone."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, item in inner:
        if isinstance(item, str) and key not in (
            "id",
            "reference_cell",
            "record_schema",
            "status",
            "role",
            "execution",
        ):
            found.append((value, key))
        elif key != "files":
            found += places(item)
    return found


def with_texts(store: Path, folder: Path, changes: list[tuple[int, str]]) -> Path:
    """Return a copy of a store in which some texts are others, wherever its schema allows any."""
    copy = Path(shutil.copytree(store, folder / "store", dirs_exist_ok=True))
    files = sorted([*copy.glob("cells/*/cell.json"), copy / "plan.json", *copy.glob("machine/*.json")])
    content = {file: json.loads(file.read_bytes()) for file in files}
    every = places(list(content.values()))
    for at, text in changes:
        holder, key = every[at % len(every)]
        holder[key] = text
    for file, data in content.items():
        file.write_text(json.dumps(data))
    return copy


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_any_text_is_harmless_in_every_format(store: Path, tmp_path: Path, changes: list[tuple[int, str]]) -> None:
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
    copy = with_texts(store, tmp_path, changes)
    for what, text in show_all(copy, store):
        assert not (why := unsafe(what, text)), f"{what}: {why}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_any_text_is_harmless_in_every_format_and_picture(
    store: Path, tmp_path: Path, changes: list[tuple[int, str]]
) -> None:
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
    copy = with_texts(store, tmp_path, changes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that a font lacks
        for what, text in (*show_all(copy, store), *draw_all(copy)):
            assert not (why := unsafe(what, text)), f"{what}: {why}"
