from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from effbench.parts import write_outputs
from effbench.report.gallery import Gallery, frames_of
from effbench.report.summarise import summarise_stores
from effbench.store import Store, read_store
from effbench_leaderboard.samples import picture

APP = Path(__file__).parent.parent.parent / "leaderboard" / "app.py"


@pytest.fixture
def store(write_store: Callable[..., Path], make: ModuleType) -> Path:
    """Return a store whose first two methods keep images, and the second one only of the first sample."""
    cells = make.typical_cells()
    path = write_store("pictures", cells)
    for number, cell in enumerate(cells[:2]):
        ids = ["a", "b"] if number == 0 else ["a"]
        outputs = [
            {"image": np.full((3, 4, 4), 0.2 * (i + 1), np.float32), "latent": np.zeros(2)} for i in range(len(ids))
        ]
        captions = [f"a *{name}* dog" for name in ids]
        write_outputs(Store(path).cell(cell.id).outputs, "s0-k", ids, 0, outputs, captions)
    return path


def test_samples_come_with_their_captions_and_what_each_method_made_of_them(store: Path) -> None:
    (workload,) = summarise_stores([read_store(store)]).workloads
    gallery = Gallery(workload)
    assert gallery.keys == [("a", 0), ("b", 0)] and len(gallery.methods) == 2
    first, second = gallery.show(gallery.keys, gallery.methods)
    assert first.caption == "a *a* dog" and set(first.pictures) == set(gallery.methods)
    assert set(second.pictures) == {gallery.methods[0]}
    assert (second.pictures[gallery.methods[0]] == 102).all()


def test_a_method_that_several_stores_hold_is_shown_from_each(
    store: Path, write_store: Callable[..., Path], make: ModuleType
) -> None:
    other = write_store("again", make.typical_cells())
    cell = make.typical_cells()[0]
    write_outputs(Store(other).cell(cell.id).outputs, "s0-k", ["a"], 0, [{"image": np.ones((3, 4, 4), np.float32)}])
    (workload,) = summarise_stores([read_store(store), read_store(other)]).workloads
    names = Gallery(workload).methods
    assert any(name.endswith("(pictures)") for name in names) and any(name.endswith("(again)") for name in names)


def test_frames_are_images_videos_and_grey_pictures() -> None:
    assert frames_of({"image": np.ones((1, 2, 2), np.float32)}).shape == (1, 2, 2, 3)  # type: ignore[union-attr]
    video = frames_of({"video": np.zeros((5, 3, 2, 4), np.float32)})
    assert video is not None and video.shape == (5, 2, 4, 3) and video.dtype == np.uint8
    assert frames_of({"boxes": np.zeros(3)}) is None


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
    store: Path, write_store: Callable[..., Path], make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EFFBENCH_BOARD_STORES", os.pathsep.join([str(store)]))
    board = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not board.exception
    assert any("dog** :gray[a, seed 0]" in m.value for m in board.markdown)
    assert any("not kept" in caption.value for caption in board.caption)
    board.multiselect("gallery_methods").set_value([]).run()
    assert any("nothing that can be looked at" in info.value for info in board.info)
    empty = write_store("empty", make.typical_cells())
    monkeypatch.setenv("EFFBENCH_BOARD_STORES", str(empty))
    board = AppTest.from_file(str(APP), default_timeout=30).run()
    assert any("keeps no pictures" in info.value for info in board.info)
