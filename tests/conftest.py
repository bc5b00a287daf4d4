"""Fixtures for every test: the third-party toy package, installed once."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from effbench.kernels import isa

# Two workers of pytest with two threads of torch each slow one another down tenfold and more on two cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

PACKAGE = Path(__file__).parent / "plugin_package"


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Return a temporary folder that all workers of one test run see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def eight_bit_codes(monkeypatch):
    """Have the kernels compute with 8-bit activations, as the simulation does, where the processor's own take 7 (AVX2)."""
    if isa.activation_bits() < 8:
        monkeypatch.setenv(isa.VARIABLE, "portable")


@pytest.fixture(scope="session")
def toy_plugin(shared):
    """Return the folder that the toy package is installed in; it is on sys.path of this process too."""
    target = shared / "toy-plugin"
    with FileLock(f"{target}.lock"):
        if not target.exists():
            source = shared / "toy-plugin-source"
            shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
            building = shared / "toy-plugin-building"
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
            subprocess.run([*pip, "--target", building, source], check=True, timeout=120)
            building.rename(target)
    sys.path.insert(0, str(target))
    importlib.invalidate_caches()
    return target
