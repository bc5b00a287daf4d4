"""The demo's pictures: small ones are copied as they are, of large ones a few stay, made smaller and still readable."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from effbench.parts import KeptOutputs, write_outputs
from effbench.submission.manifest import is_known

CELLS = {"small": "0" * 16, "large": "1" * 16}
OURS = (60, 220, 110)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "docs"))
    yield importlib.import_module("demo_store")
    sys.modules.pop("demo_store", None)


@pytest.fixture
def store(tmp_path):
    """A store with a cell of small pictures and one of two files of large ones."""
    for cell, side, files in (("small", 32, 1), ("large", 614, 2)):
        for file in range(files):
            ids = [f"{file}-{row}" for row in range(2)]
            picture = np.full((side, side, 3), 16, np.uint8)
            picture[0, :] = OURS  # an outline, one pixel wide
            folder = tmp_path / "store" / "cells" / CELLS[cell] / "previews"
            folder.mkdir(parents=True, exist_ok=True)
            write_outputs(
                folder, f"s0-{file}", ids, 0, [{"from above": picture}] * 2, [f"frame {name}" for name in ids]
            )
    return tmp_path / "store"


def test_of_large_pictures_the_first_sample_stays_small_and_small_ones_stay_as_they_are(
    script, store, tmp_path, monkeypatch
):
    monkeypatch.setattr(script, "read_store", lambda _: SimpleNamespace(cells=(), unfinished=()))
    size = script.copy(store, tmp_path / "demo")
    copied = [file for file in (tmp_path / "demo").rglob("*") if file.is_file()]
    assert size == sum(file.stat().st_size for file in copied)
    assert all(is_known(file.relative_to(tmp_path / "demo").as_posix()) for file in copied)
    assert all(file.stat().st_size <= script.MOST_PREVIEW_BYTES for file in copied)
    own = [KeptOutputs(tmp_path / "demo" / "cells" / name / "previews") for name in CELLS.values()]
    assert [sorted(one.captions.values()) for one in own] == [["frame 0-0", "frame 0-1"], ["frame 0-0"]]
    as_it_was, made_small = ((one.batch(["0-0"], 0) or [])[0]["from above"] for one in own)
    assert as_it_was.shape == (32, 32, 3) and made_small.shape == (153, 153, 3)
    assert (made_small[0] == OURS).all() and (made_small[1:] == 16).all()


def test_videos_become_smaller_frame_by_frame_and_what_fits_stays(script):
    video = np.zeros((3, 400, 200, 3), np.uint8)
    assert script.smaller(video).shape == (3, 133, 66, 3)
    assert script.smaller(video[:, :160, :160]).shape == (3, 160, 160, 3)
