"""docs/submitting.md, followed literally: from an empty folder to a row on the board, and to a board repository."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from boards import IDENTITY, git

from effbench.repository.starting import start

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "submitting.md").read_text("utf-8")

PIP = """#!{python}
import subprocess, sys
wanted = sys.argv[-1].partition("[")[0]
command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
command += ["--target", "{site}"]
raise SystemExit(subprocess.call([*command, "./" + wanted]))
"""
"""Stands for pip: without a network, and into a folder of the test. Dependencies are those of the test's environment."""
EFFBENCH = """#!{python}
import os, sys
if __name__ == "__main__" and sys.argv[1] == "board":
    from streamlit.testing.v1 import AppTest
    os.environ["EFFBENCH_BOARD_STORES"], sys.argv = sys.argv[2], ["app.py"]
    board = AppTest.from_file("{app}", default_timeout=120)
    board.query_params["page"] = "Results"
    board.run()
    assert not board.exception
    page = " ".join(element.proto.body for element in board.get("html"))
    print("on the board:", *(name for name in ("reference", "half-steps") if f">{{name}}</a>" in page))
    raise SystemExit
from effbench.cli import main
if __name__ == "__main__":
    main()
"""
"""Stands for effbench: the real one, but that the board's page is drawn once and no browser opened."""


def blocks():
    return [part.partition("```")[0] for part in PAGE.split("```bash\n")[1:]]


@pytest.fixture
def follow(tmp_path):
    """Run lines of the page in a folder, with a pip and an effbench of the test."""
    tools, site = tmp_path / "tools", tmp_path / "site"
    tools.mkdir()
    fields = {"python": sys.executable, "site": site, "app": ROOT / "leaderboard" / "app.py"}
    for name, text in (("pip", PIP), ("effbench", EFFBENCH)):
        (tools / name).write_text(text.format(**fields))
        (tools / name).chmod(stat.S_IRWXU)
    env = {**os.environ, **IDENTITY, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(site)}

    def run(lines, folder):
        command = ["bash", "-e", "-c", lines]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_page_leads_from_an_empty_folder_to_a_row_on_the_board_and_into_a_repository(follow, tmp_path):
    start(tmp_path / "origin", "CC-BY-4.0")
    git(tmp_path / "origin", "init", "-q", "-b", "main")
    git(tmp_path / "origin", "add", "-A")
    git(tmp_path / "origin", "commit", "-q", "-m", "skeleton")
    git(tmp_path, "clone", "-q", str(tmp_path / "origin"), "board")
    empty = tmp_path / "empty"
    empty.mkdir()
    first, second = blocks()
    said = follow(first, empty)
    method = next((empty / "effbench-half-steps").glob("effbench_half_steps/method.py"))
    assert len(method.read_text().splitlines()) < 40
    assert "remeasure: passed" in said
    assert "on the board: reference half-steps" in said
    said = follow(second, empty)
    assert "**Passed**: 1 submission, 1 passed." in said
    assert "on the board: reference half-steps" in said
    assert "half-steps" in git(tmp_path / "origin", "branch")
