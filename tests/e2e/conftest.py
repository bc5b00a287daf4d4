import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from boards import git, settle
from filelock import FileLock
from forging import METHOD
from support import Cli, suite_text

from effbench.repository.adding import add
from effbench.repository.starting import start
from effbench.store import read_store
from effbench.submission.packing import pack


@pytest.fixture
def cli(tmp_path, toy_plugin):
    return Cli(tmp_path, {**os.environ, "PYTHONPATH": str(toy_plugin)})


@pytest.fixture
def write_suite(tmp_path):
    def write(text, name="suite.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def ran(shared, toy_plugin):
    """Return the command line in a folder with a finished store, its outputs kept."""
    folder = shared / "submission-run"
    cli = Cli(folder, {**os.environ, "PYTHONPATH": str(toy_plugin)})
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            text = suite_text(
                methods=[f"{{use: {METHOD}}}", "{use: toy-half-steps}"],
                latency="{rounds: 3, budget_s: 0.02, warmup_s: 0.02}",
                extra="output: {outputs: all}\n",
            )
            (folder / "suite.yaml").write_text(text)
            result = cli("run", "suite.yaml", "--store", "store")
            assert result.code == 0, result.err
    return cli


@pytest.fixture
def sent(ran, tmp_path):
    """Return a submission of its own."""
    pack(read_store(ran.cwd / "store"), METHOD, tmp_path / "sent", licence="CC-BY-4.0", source="https://example.org")
    return tmp_path / "sent"


@pytest.fixture
def board(tmp_path):
    """Return a repository with its skeleton committed, on a branch for a pull request."""
    folder = tmp_path / "work" / "board"
    start(folder, "CC-BY-4.0")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "skeleton")
    git(folder, "checkout", "-q", "-b", "sent")
    return folder


@pytest.fixture
def theirs(board, sent):
    """Return a repository into which alice's submission was merged, and its place."""
    ((place, _),) = add(sent, board, by="alice")
    settle(board)
    return board, place
