import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support import Cli


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
