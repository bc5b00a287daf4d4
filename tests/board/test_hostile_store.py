"""A board over stores of strangers: damaged ones are named beside the others, and text draws nothing."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import effbench.report.gallery
from effbench.cli.board import board
from effbench.errors import StoreError
from effbench.parts import write_outputs
from effbench.report.gallery import MOST_FRAMES, MOST_SIDE, Gallery
from effbench.report.summarise import summarise
from effbench.store import CellFolder, Store, read_store
from effbench_leaderboard.text import code, escape, plain_label

APP = Path(__file__).parent.parent.parent / "leaderboard" / "app.py"
HOSTILE = "![p](http://evil.example/p.png) <img src=x> :red[a] `b` www.evil.example $x$"
PIXELS = np.full((4, 4, 3), 255, np.uint8)
OPEN = re.compile(r"(?<!\\)(!\[|\]\(|:\w+\[|\$|www\.|<img)")


def test_the_board_shows_the_other_stores_and_names_each_damaged_one(
    open_board: Callable[..., AppTest],
    table_on: Callable[[AppTest], list[dict[str, str]]],
    write_store: Callable[..., Path],
    make: ModuleType,
) -> None:
    good, *bad = (write_store(name, [make.cell("ref")]) for name in ("good", "machine", "plan", "lock", "utf8", "cell"))
    next((bad[0] / "machine").iterdir()).write_bytes(b"")
    (bad[1] / "plan.json").write_text('[{"id": "x"}]')
    (bad[2] / "suite.lock.yaml").write_text("schema: effbench/store/1\n")
    (bad[3] / "suite.lock.yaml").write_bytes(b"\xff\xfe")
    next(bad[4].glob("cells/*/cell.json")).write_bytes(b"{")
    page = open_board(*bad, good)
    assert [row["method"] for row in table_on(page)] == ["ref reference"]
    said = [error.value.replace("\\", "") for error in page.error]
    files = [".json", "plan.json", "suite.lock.yaml", "suite.lock.yaml", "cell.json"]
    assert len(said) == 5
    for sentence, store, file in zip(said, bad, files):
        assert store.name in sentence and file in sentence and "damaged" in sentence


def test_the_command_starts_the_board_beside_a_damaged_store_and_not_over_damaged_ones_alone(
    monkeypatch: pytest.MonkeyPatch,
    write_store: Callable[..., Path],
    make: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Started(Exception):
        pass

    def start(*_: object, **__: object) -> None:
        raise Started

    for name in ("subprocess.run", "os.execv"):
        monkeypatch.setattr(name, start)
    good, bad = (write_store(name, [make.cell("ref")]) for name in ("good", "bad"))
    (bad / "plan.json").write_text("{")
    with pytest.raises(Started):
        board([bad, good])
    assert "warning:" in capsys.readouterr().err
    with pytest.raises(StoreError, match=r"plan\.json: damaged"):
        board([bad])


def test_names_of_strangers_draw_no_picture_link_or_colour(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    numbers = [
        make.number("clip_score", 0.3),
        make.number(HOSTILE, 1.0, unit=HOSTILE),
        make.number("latency_p50_ms", None),
    ]
    cells = [make.cell(HOSTILE, numbers, task=HOSTILE, certificate=(HOSTILE,), suite=HOSTILE, device=HOSTILE),
             make.failed("b", message=HOSTILE, task=HOSTILE)]  # fmt: skip
    path = write_store("hostile", cells)
    write_outputs(Store(path).cell(cells[0].id).previews, "s0-k", ["a"], 0, [{HOSTILE: PIXELS, "b": PIXELS}], [HOSTILE])
    texts: list[str] = []
    tabs = [tab.label for tab in open_board(path).tabs]
    assert len(tabs) == 4  # no curves, no claims, nothing to compare
    for tab in tabs:
        page = open_board(path, tab=tab)
        texts += [e.value for kind in ("title", "caption", "info", "warning", "error") for e in page.get(kind)]
        texts += [element.label for element in page.expander]
        texts += [re.sub(r"(`+) .*? \1", "", m.value).replace(":gray[", "") for m in page.markdown]
    assert sum("evil" in text for text in texts) >= 4
    assert not [text for text in texts if OPEN.search(text)]


MEANT = (
    re.compile(r"(https?://|www(?=\.))([-.\w]+)([^ \t\r\n]*)", re.IGNORECASE),
    re.compile(r"([-.\w+]+)@([-\w]+(?:\.[-\w]+)+)"),
    re.compile(r":[a-z+-][\w+/-]*:", re.IGNORECASE),
)
"""What Streamlit's page looks for in text once escapes are undone (``mdast-util-gfm-autolink-literal``, emoji, icons)."""


@pytest.mark.parametrize(
    "text",
    ["https://evil.example/x", "see HTTP://evil.example", "www.evil.example", "http://www.a.b", "a@evil.example",
     ":material/verified: real (checks passed)", ":skull:", ":streamlit:", ":a:b:c:", "a@b@c.d"],
)  # fmt: skip
def test_no_address_and_no_icon_comes_of_a_name_once_escapes_are_undone(text: str) -> None:
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escape(text))
    assert any(form.search(text) for form in MEANT)
    assert not any(form.search(shown) for form in MEANT)
    assert shown.replace("\u2060", "") == text


def test_texts_are_escaped_for_what_shows_them() -> None:
    assert not OPEN.search(escape(HOSTILE)) and escape("a\n# b") == r"a \# b"
    assert code("a`b``c") == "``` a`b``c ```" and code("plain") == "`plain`"
    assert (
        plain_label("<a href='javascript:x'>%{x}</a> & $") == "&lt;a href='javascript:x'>%&#123;x}&lt;/a> &amp; &#36;"
    )


def test_a_damaged_file_of_pictures_costs_its_own_method(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    cells = make.typical_cells()[:3]
    path = write_store("pictures", cells)
    files = [write_outputs(Store(path).cell(c.id).previews, "k", ["a"], 0, [{"image": PIXELS}]) for c in cells]
    files[1].write_bytes(files[1].read_bytes()[:50])  # the header is cut
    files[2].write_bytes(files[2].read_bytes()[:-1] + b"X")  # a pixel is changed
    gallery = Gallery(summarise(read_store(path)).workloads[0])
    (sample,) = gallery.show(gallery.keys, gallery.methods)
    seen, refused = sample.previews["reference"], sample.previews["int8-simulated"]
    assert (seen.pictures["image"] == 255).all() and not seen.missing
    assert not refused.pictures and "not what its name says" in refused.missing[0]
    assert files[1].name in gallery.damaged["fewer-steps"]
    page = open_board(path, tab="Samples", methods=[cell.method_id for cell in cells])
    assert any(files[1].name in w.value.replace("\\", "") for w in page.warning)
    assert any("not what its name says" in c.value for c in page.caption)


@pytest.mark.parametrize(
    ("shape", "said"),
    [((1, MOST_SIDE + 1, 3), "too large"), ((3,), "no picture"), ((4, 4, 2), "no picture"), ((0, 4, 3), "no picture"),
     ((9000, 128, 64, 3), "too large"), ((2, 40_000, 3), "too large"), ((MOST_FRAMES + 1, 1, 1, 3), "too large")],
)  # fmt: skip
def test_an_array_that_is_no_picture_or_too_large_is_named_and_not_read(
    tmp_path: Path, make: ModuleType, shape: tuple[int, ...], said: str
) -> None:
    view = make.raw_store(tmp_path, make.Raw(make.cell("ref")))
    folder = CellFolder(tmp_path / "cells" / view.cells[0].id)
    write_outputs(folder.previews, "k", ["a"], 0, [{"image": np.zeros(shape, np.uint8), "small": PIXELS}])
    gallery = Gallery(summarise(view).workloads[0])
    (sample,) = gallery.show(gallery.keys, gallery.methods)
    found = sample.previews["ref"]
    assert said in found.missing[0] and found.missing[0].startswith("image: ") and list(found.pictures) == ["small"]


def test_what_is_refused_takes_no_memory(tmp_path: Path, make: ModuleType) -> None:
    """A strip of 2 x 40,000 took 2.4 GB when it was enlarged; what is no picture of bytes is not even read."""
    view = make.raw_store(tmp_path, make.Raw(make.cell("ref")))
    folder = CellFolder(tmp_path / "cells" / view.cells[0].id)
    strip, depth = np.zeros((2, 40_000, 3), np.uint8), np.zeros((1000, 1000, 3), np.float64)
    write_outputs(folder.previews, "k", ["a"], 0, [{"strip": strip, "depth": depth}])
    gallery = Gallery(summarise(view).workloads[0])
    tracemalloc.start()
    (sample,) = gallery.show(gallery.keys, gallery.methods)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sample.previews["ref"].missing) == 2 and not sample.previews["ref"].pictures
    assert peak < 200_000 < strip.nbytes


def test_pictures_of_one_page_are_bounded_together(
    tmp_path: Path, make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effbench.report.gallery, "MOST_AT_ONCE", 2 * PIXELS[..., 0].size)
    pictures = {name: {"image": PIXELS, "other": PIXELS} for name in "abc"}
    view = make.raw_store(tmp_path, make.Raw(make.cell("ref"), previews=pictures))
    gallery = Gallery(summarise(view).workloads[0])
    shown = gallery.show(gallery.keys, gallery.methods)
    assert [len(sample.previews["ref"].pictures) for sample in shown] == [2, 0, 0]
    assert shown[1].previews["ref"].missing[0] == "image: 4x4x3 is too large beside the others; show fewer at once"
    assert len(gallery.show(gallery.keys[1:2], gallery.methods)[0].previews["ref"].pictures) == 2


def test_pixels_that_are_no_bytes_are_not_drawn(tmp_path: Path, make: ModuleType) -> None:
    pictures = {"a": {"depth": np.full((4, 4, 3), np.nan, np.float32)}}
    view = make.raw_store(tmp_path, make.Raw(make.cell("ref"), previews=pictures))
    gallery = Gallery(summarise(view).workloads[0])
    (sample,) = gallery.show(gallery.keys, gallery.methods)
    assert sample.previews["ref"] == ({}, ("depth: float32 is no picture",))
