"""What stands where a file or folder of a store should: it is not followed, not waited for, and never taken for nothing."""

import os
from pathlib import Path

import numpy as np
import pytest

from effbench.atomic import write_bytes, write_content_named
from effbench.errors import StoreError
from effbench.inside import files_inside, root_of
from effbench.parts import KeptOutputs, read_parts, write_outputs
from effbench.runner.holdings import damaged_files
from effbench.runner.worker import _redirect_output
from effbench.store import CellFolder, read_machines


@pytest.fixture
def cell(tmp_path):
    """Return the folder of a cell, and a file outside of its store."""
    folder = tmp_path / "store" / "cells" / "c"
    folder.mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    return CellFolder(folder), tmp_path / "mine"


@pytest.mark.parametrize("how", ["pipe", "link", "link to nothing", "folder"])
def test_a_log_that_is_no_plain_file_is_refused_without_waiting(cell, how):
    folder, mine = cell
    log = folder.path / "log.txt"
    make = {
        "pipe": lambda: os.mkfifo(log),
        "link": lambda: log.symlink_to(mine),
        "link to nothing": lambda: log.symlink_to(mine.with_name("new")),
        "folder": log.mkdir,
    }
    make[how]()
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK) if how == "pipe" else None
    with pytest.raises(StoreError, match=r"log\.txt: cannot be written: (a link, pipe|Is a directory)"):
        _redirect_output(log, "quality")
    if reader is not None:  # with a reader the pipe opens, and is told by what it is
        os.close(reader)
        with pytest.raises(StoreError, match="a link, pipe"):
            _redirect_output(log, "quality")
    assert mine.read_text() == "mine" and not mine.with_name("new").exists()


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(cell, monkeypatch):
    folder, _ = cell
    root = root_of(folder.path.parents[1])
    assert files_inside(folder.samples, root, "*.parquet") == []
    folder.samples.write_text("no folder")
    for read in (lambda: read_parts(folder.samples, ("seed",)), lambda: KeptOutputs(folder.samples)):
        with pytest.raises(StoreError, match="samples: cannot be read: Not a directory"):
            read()
    store = folder.path.parents[1]
    (store / "machine").mkdir()

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StoreError, match="machine: cannot be read: Permission denied"):
        read_machines(store)


def test_outputs_that_are_pipes_or_lead_out_are_damaged_and_not_opened(cell):
    folder, mine = cell
    kept = write_outputs(folder.outputs, "s0", ["a"], 0, [{"image": np.zeros(2)}])
    os.mkfifo(folder.outputs / "s0-pipe.0123456789abcdef.safetensors")
    (folder.outputs / "s0-link.0123456789abcdef.safetensors").symlink_to(mine)
    assert {file.name[:7] for file in damaged_files(folder)} == {"s0-pipe", "s0-link"} and kept.exists()


def test_a_file_where_a_folder_should_be_written_to_is_one_sentence(cell):
    folder, _ = cell
    folder.samples.write_text("no folder")
    with pytest.raises(StoreError, match="x: cannot be saved: Not a directory"):
        write_bytes(folder.samples / "deep" / "x", b"")
    with pytest.raises(StoreError, match=r"samples/s0: cannot be saved: (File exists|Not a directory)"):
        write_content_named(folder.samples, "s0", ".parquet", lambda path: path.write_bytes(b""))
