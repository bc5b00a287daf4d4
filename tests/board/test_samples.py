from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from effbench.parts import write_outputs
from effbench.report.gallery import NOT_KEPT, Gallery
from effbench.report.summarise import summarise_stores
from effbench.store import Store, read_store
from effbench_leaderboard.samples import picture

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
    other = write_store("again", make.typical_cells())
    cell = make.typical_cells()[0]
    write_outputs(Store(other).cell(cell.id).previews, "s0-k", ["a"], 0, [{"image": np.ones((4, 4, 3), np.uint8)}])
    (workload,) = summarise_stores([read_store(store), read_store(other)]).workloads
    names = Gallery(workload).methods
    assert any(name.endswith("(pictures)") for name in names) and any(name.endswith("(again)") for name in names)


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


def test_small_pictures_are_enlarged_pixel_by_pixel_and_videos_move() -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[1, :4] = 255
    still, film = (Image.open(io.BytesIO(picture(f))) for f in (frames[:1], frames))
    assert still.format == "PNG" and still.size == (128, 128)
    assert film.format == "GIF" and film.n_frames == 2  # type: ignore[attr-defined]
    film.seek(1)
    pixels = np.asarray(film.convert("RGB"))
    assert (pixels[:64] == 255).all() and (pixels[64:] == 0).all()


def test_the_page_shows_them_and_says_where_there_are_none(
    store: Path, write_store: Callable[..., Path], make: ModuleType, open_board: Callable[..., AppTest]
) -> None:
    board = open_board(store, tab="Samples")
    assert any("dog** :gray[a, seed 0]" in m.value for m in board.markdown)
    assert any(NOT_KEPT in caption.value for caption in board.caption)
    board.multiselect("gallery_methods").set_value([]).run()
    assert any("nothing that can be looked at" in info.value for info in board.info)
    board = open_board(write_store("empty", make.typical_cells()), tab="Samples")
    assert "Samples" not in [tab.label for tab in board.tabs]
