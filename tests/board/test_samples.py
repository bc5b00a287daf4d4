from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from effbench.parts import write_outputs
from effbench.report.gallery import NOT_KEPT, Gallery, has_pictures
from effbench.report.summarise import names_of, summarise_stores
from effbench.store import Store, read_store
from effbench_leaderboard.pictures import (
    FRAME_MS,
    MOST_PIXELS_SENT,
    MOST_SIDE_SENT,
    Encoded,
    encoded,
    shown_width,
)

OLD = Path(__file__).parent.parent / "assets" / "store-v1"
APP = Path(__file__).parent.parent.parent / "leaderboard" / "app.py"


@pytest.fixture
def store(write_store: Callable[..., Path], make: ModuleType) -> Path:
    """Return a store whose first two methods have pictures, and the second one only of the first sample."""
    cells = make.typical_cells()
    path = write_store("pictures", cells)
    for number, cell in enumerate(cells[:2]):
        ids = ["a", "b"] if number == 0 else ["a"]
        pictures = [{"image": np.full((4, 4, 3), 51 * (i + 1), np.uint8)} for i in range(len(ids))]
        captions = [f"a *{name}* dog" for name in ids]
        write_outputs(Store(path).cell(cell.id).previews, "s0-k", ids, 0, pictures, captions)
        # What a method made is no picture, whatever its arrays are called: the task says what is seen of it.
        write_outputs(Store(path).cell(cell.id).outputs, "s0-k", ["c"], 0, [{"image": np.ones((3, 4, 4), np.float32)}])
    return path


def test_samples_come_with_their_captions_and_what_each_method_made_of_them(store: Path) -> None:
    (workload,) = summarise_stores([read_store(store)]).workloads
    assert has_pictures(workload)
    gallery = Gallery(workload)
    assert gallery.keys == [("a", 0), ("b", 0)] and len(gallery.methods) == 2
    first, second = gallery.show(gallery.keys, gallery.methods)
    assert first.caption == "a *a* dog" and set(first.previews) == set(gallery.methods)
    assert (first.previews[gallery.methods[1]].pictures["image"] == 51).all()
    assert (second.previews[gallery.methods[0]].pictures["image"] == 102).all()
    assert second.previews[gallery.methods[1]] == ({}, (NOT_KEPT,))


def test_a_method_that_several_stores_hold_is_shown_from_each(
    store: Path, write_store: Callable[..., Path], make: ModuleType
) -> None:
    cells = [cell.model_copy(update={"finished_utc": "2026-11-23T09:00:00Z"}) for cell in make.typical_cells()]
    other, cell = write_store("again", cells), cells[0]
    write_outputs(Store(other).cell(cell.id).previews, "s0-k", ["a"], 0, [{"image": np.ones((4, 4, 3), np.uint8)}])
    (workload,) = summarise_stores([read_store(store), read_store(other)]).workloads
    gallery = Gallery(workload)
    references = [name for name in gallery.methods if name.startswith("reference")]
    assert len(references) == 2 and set(gallery.methods) < set(names_of(workload))
    values = {gallery.show([("a", 0)], [name])[0].previews[name].pictures["image"].max() for name in references}
    assert values == {51, 1}
    assert Gallery(workload, references[:1]).methods == references[:1]


def test_one_sample_has_several_pictures_images_and_videos(tmp_path: Path, make: ModuleType) -> None:
    seen = {"points": np.zeros((6, 8, 3), np.uint8), "turning": np.full((5, 2, 4, 3), 9, np.uint8)}
    view = make.raw_store(tmp_path, make.Raw(make.cell("ref"), previews={"a": seen, "b": {}}))
    gallery = Gallery(summarise_stores([view]).workloads[0])
    first, second = gallery.show(gallery.keys, gallery.methods)
    shapes = {name: frames.shape for name, frames in first.previews["ref"].pictures.items()}
    assert shapes == {"points": (1, 6, 8, 3), "turning": (5, 2, 4, 3)}
    assert second.previews["ref"] == ({}, (NOT_KEPT,))


def test_a_store_of_before_schema_3_has_no_pictures_and_is_still_read() -> None:
    (workload,) = summarise_stores([read_store(OLD)]).workloads
    assert Gallery(workload).keys == []
    assert not has_pictures(workload)


def test_pictures_are_sent_without_loss_and_videos_move() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    still, film = (Image.open(io.BytesIO(encoded(f).png)) for f in (frames[:1], frames))
    assert still.format == film.format == "PNG"
    assert still.size == (8, 8) and film.n_frames == 3  # type: ignore[attr-defined]
    assert film.info["duration"] == FRAME_MS and film.info["loop"] == 0
    for at, frame in enumerate(frames):
        film.seek(at)
        assert (np.asarray(film.convert("RGB")) == frame).all(), "every colour of every frame"


def test_what_is_too_large_for_a_browser_is_shrunk_by_a_whole_factor() -> None:
    large = encoded(np.zeros((1, 10, 2 * MOST_SIDE_SENT + 2, 3), np.uint8))
    assert (large.shrunk, large.width) == (3, -(-(2 * MOST_SIDE_SENT + 2) // 3))
    side = int((MOST_PIXELS_SENT / 16) ** 0.5) + 8
    film = encoded(np.zeros((16, side, side, 3), np.uint8))
    assert film.shrunk == 2 and abs(film.width - side / 2) <= 1


def test_a_row_of_pictures_has_one_width() -> None:
    small, larger = (Encoded(b"", width, 1) for width in (32, 64))
    assert shown_width([small, larger], 256) == 256
    assert shown_width([Encoded(b"", 28, 1)], 256) == 252
    assert shown_width([Encoded(b"", 700, 1), small], 256) == 700
    assert shown_width([], 256) > 0


def said(page: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error")
    return "\n".join(e.value for kind in kinds for e in page.get(kind)).replace("\\", "")


def titles(page: AppTest) -> list[str]:
    return re.findall(r"\*\*(\w+)\*\* :gray\[seed", said(page))


def test_the_page_shows_them_and_says_where_there_are_none(
    store: Path, write_store: Callable[..., Path], make: ModuleType, open_board: Callable[..., AppTest]
) -> None:
    board = open_board(store, tab="Samples")
    assert any("dog** :gray[a, seed 0]" in m.value for m in board.markdown)
    assert any(NOT_KEPT in caption.value for caption in board.caption)
    assert "No picture was kept of" not in said(board)
    board.multiselect("methods").set_value(["reference", "int8-simulated"]).run()
    assert "No picture was kept of int8-simulated" in said(board)
    board.multiselect("methods").set_value([]).run()
    assert any("Choose the methods" in info.value for info in board.info)
    board.multiselect("methods").set_value(["int8-simulated"]).run()
    assert any("nothing that can be looked at" in info.value for info in board.info)
    board = open_board(write_store("empty", make.typical_cells()), tab="Samples")
    assert "Samples" not in [tab.label for tab in board.tabs]


@pytest.fixture
def scored(make: ModuleType, tmp_path: Path) -> Path:
    """Two methods over 20 samples with pictures of 8 x 8 and 16 x 16 pixels; b is worse on s005, then s003."""
    names = [f"s{i:03d}" for i in range(20)]
    scores = np.linspace(0.2, 0.9, 20)
    others = scores + 0.05
    others[5], others[3] = scores[5] - 0.2, scores[3] - 0.1
    sliced = {"kind": {name: "even" if i % 2 == 0 else "odd" for i, name in enumerate(names)}}
    sizes = {"a": 8, "b": 8, "c": 16}
    members = []
    for order, (method, side) in enumerate(sizes.items()):
        cell = make.cell(method, [make.number("clip_score", 0.5)], order, n_samples=20, seeds=(0,))
        pixels = {name: {"image": np.full((side, side, 3), 100 + 7 * (order > 0), np.uint8)} for name in names}
        members.append(make.Raw(cell, {"clip_score": scores if order == 0 else others}, previews=pixels, slices=sliced))
    make.raw_store(tmp_path / "scored", *members)
    return tmp_path / "scored"


def test_samples_are_sorted_by_loss_and_filtered_and_the_address_says_so(
    scored: Path, open_board: Callable[..., AppTest]
) -> None:
    page = open_board(scored, tab="Samples")
    assert titles(page) == [f"s{i:03d}" for i in range(8)]
    page.pagination("samples_page").set_value(3).run()
    assert titles(page) == [f"s{i:03d}" for i in range(16, 20)]
    page.selectbox("sort").select("largest loss of b").run()
    page.pagination("samples_page").set_value(1).run()
    assert titles(page)[:2] == ["s005", "s003"]
    page.selectbox("within").select("kind=odd").run()
    assert titles(page)[:2] == ["s005", "s003"] and all(int(name[1:]) % 2 for name in titles(page))
    page.text_input("find").set_value("S01").run()
    assert titles(page) == ["s011", "s013", "s015", "s017", "s019"]
    page.text_input("find").set_value("nothing like it").run()
    assert "No sample matches." in said(page) and not page.exception
    address = {"sort": "largest loss of b", "within": "kind=odd", "find": "S01", "methods": ["a", "b"]}
    assert titles(open_board(scored, tab="Samples", **address)) == ["s011", "s013", "s015", "s017", "s019"]
    third = open_board(scored, tab="Samples", sort="by id", samples_page="3", page="Results")
    assert titles(third) == [f"s{i:03d}" for i in range(16, 20)]


def test_one_sample_stands_alone_by_its_address_and_a_mistyped_one_is_named(
    scored: Path, open_board: Callable[..., AppTest]
) -> None:
    page = open_board(scored, tab="Samples")
    alone = [e.proto.body for e in page.get("html") if "This sample alone" in e.proto.body]
    assert len(alone) == 8 and "sample=s004" in alone[4]
    page = open_board(scored, tab="Samples", sample="s004")
    assert titles(page) == ["s004"]
    assert not page.pagination
    page.text_input("sample").set_value("s0004").run()
    assert "No sample with a picture is called 's0004'; did you mean 's004'?" in said(page)
    page.button[-1].click().run()
    assert len(titles(page)) == 8


def test_scores_and_distances_stand_below_pictures_and_maps_are_said_to_be_amplified(
    scored: Path, open_board: Callable[..., AppTest]
) -> None:
    page = open_board(scored, tab="Samples")
    page.multiselect("methods").set_value(["a", "b", "c"]).run()
    page.text_input("sample").set_value("s005").run()
    text = said(page)
    scores = np.linspace(0.2, 0.9, 20)
    assert f"CLIP score {scores[5]:.4f}" in text and f"CLIP score {scores[5] - 0.2:.4f}, worse by 0.2000" in text
    assert f"PSNR {20 * np.log10(255 / 7):.1f} dB to the first." in text
    assert "No difference map: 16 x 16 pixels, the first method has 8 x 8." in text
    assert "×2" in text and any("128 of 255 or more" in e.proto.body for e in page.get("html"))
    assert len(page.get("image")) == 4 and all(
        url.endswith(".png") for image in page.get("image") for url in image.value
    )
    page.segmented_control("difference").set_value("off").run()
    assert len(page.get("image")) == 3 and "PSNR" in said(page)
    page = open_board(scored, tab="Samples", difference="×8", sample="s005")
    assert "×8" in said(page) and any("32 of 255 or more" in e.proto.body for e in page.get("html"))


def test_a_frame_shows_one_moment_of_every_video(
    make: ModuleType, tmp_path: Path, open_board: Callable[..., AppTest]
) -> None:
    film = np.stack([np.full((4, 4, 3), 60 * at, np.uint8) for at in range(4)])
    members = [make.Raw(make.cell(name, order=i), previews={"x": {"video": film}}) for i, name in enumerate("ab")]
    make.raw_store(tmp_path / "films", *members)
    page = open_board(tmp_path / "films", tab="Samples")
    slider = page.slider("frame")
    assert (slider.value, slider.max) == (0, 4)
    slider.set_value(3).run()
    assert not page.exception
    assert "Every pixel as of the first." in said(page)
