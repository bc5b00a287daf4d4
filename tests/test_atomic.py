"""What waits in a stranger's folder under the name that a temporary file will have is not written to."""

import os

import pytest

from effbench.atomic import write_bytes, write_content_named


@pytest.mark.parametrize("kind", ["link", "hard link", "dangling"])
def test_a_link_that_waits_under_the_temporary_name_is_not_followed(tmp_path, kind):
    store, mine = tmp_path / "store", tmp_path / "mine"
    store.mkdir()
    mine.write_text("mine")

    def plant(name):
        place = store / f".{name}.{os.getpid()}.tmp"
        if kind == "hard link":
            place.hardlink_to(mine)
        else:
            place.symlink_to(mine if kind == "link" else tmp_path / "new")

    plant("report.md")
    plant("part")
    write_bytes(store / "report.md", b"theirs")
    file = write_content_named(store, "part", ".bin", lambda path: path.write_bytes(b"theirs"))
    assert mine.read_text() == "mine" and not (tmp_path / "new").exists()
    assert (store / "report.md").read_bytes() == file.read_bytes() == b"theirs"
    assert sorted(path.name for path in store.iterdir()) == sorted(["report.md", file.name])
    assert not (store / "report.md").is_symlink() and not file.is_symlink()
