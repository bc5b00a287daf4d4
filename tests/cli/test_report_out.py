"""``report --out`` leaves an earlier report whole where the disk is full, and writes to devices as they are."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from effbench import atomic
from effbench.cli.report import write_out
from effbench.errors import BadInput, StoreError

STORE = Path(__file__).parent.parent / "assets" / "store-v1"


def test_a_full_disk_leaves_the_earlier_report(tmp_path, monkeypatch):
    file = tmp_path / "report.md"
    write_out(file, "earlier")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "_sync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_out(file, "half of it")
    assert file.read_text("utf-8") == "earlier" and [f.name for f in tmp_path.iterdir()] == ["report.md"]


SMALL_FILES = """\
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from effbench.cli.app import run_app
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sys.exit(run_app())
"""


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("report.md", ["-f", "md"]),
        ("report.html", ["-f", "html", "--pareto", "memory,quality"]),
        pytest.param("report.csv", ["-f", "csv"], marks=pytest.mark.proof),
        pytest.param("report.tex", ["-f", "latex"], marks=pytest.mark.proof),
        ("claims.md", ["--claims", "toy-momentum"]),
        ("picture.svg", ["--pareto", "memory,quality"]),
        pytest.param("picture.png", ["--pareto", "memory,quality"], marks=pytest.mark.proof),
        pytest.param("picture.pdf", ["--pareto", "memory,quality"], marks=pytest.mark.proof),
        ("", ["--pareto", "memory,quality"]),
    ],
)
def test_no_report_and_no_picture_is_ever_half_written(tmp_path, file, arguments):
    """The disk takes 100 bytes of a file; an earlier report of that name stays whole, and nothing else is left behind."""
    store = Path(shutil.copytree(STORE, tmp_path / "store"))
    target = tmp_path / file if file else store / "pareto-memory-quality.svg"
    target.write_text("earlier")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    line = [sys.executable, "-c", SMALL_FILES, "report", store, *(["--out", target] if file else []), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    (sentence,) = (text for text in done.stderr.splitlines() if text.startswith("error: "))
    assert f"{target}: cannot be saved: File too large" in sentence
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_file_s_name_cannot_make_a_terminal_obey(tmp_path, capsys):
    write_out(tmp_path / "a\x1b[2Jb\nc.md", "text")
    assert capsys.readouterr().err == f"wrote {tmp_path}/a\\x1b[2Jb\\nc.md\n"


def test_a_link_and_a_device_stay_what_they_are(tmp_path):
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    write_out(tmp_path / "link.md", "text")
    assert (tmp_path / "link.md").is_symlink() and (tmp_path / "real.md").read_text("utf-8") == "text"
    with pytest.raises(BadInput, match="No space left"):
        write_out(type(tmp_path)("/dev/full"), "text")
