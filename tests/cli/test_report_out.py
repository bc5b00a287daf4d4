"""``report --out`` leaves an earlier report whole where the disk is full, and writes to devices as they are."""

import pytest

from effbench import atomic
from effbench.cli.report import write_out
from effbench.errors import BadInput, StoreError


def test_a_full_disk_leaves_the_earlier_report(tmp_path, monkeypatch):
    file = tmp_path / "report.md"
    write_out(file, "earlier")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "_sync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_out(file, "half of it")
    assert file.read_text("utf-8") == "earlier" and [f.name for f in tmp_path.iterdir()] == ["report.md"]


def test_a_link_and_a_device_stay_what_they_are(tmp_path):
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    write_out(tmp_path / "link.md", "text")
    assert (tmp_path / "link.md").is_symlink() and (tmp_path / "real.md").read_text("utf-8") == "text"
    with pytest.raises(BadInput, match="No space left"):
        write_out(type(tmp_path)("/dev/full"), "text")
