"""Triton kernels run here in the interpreter, or on a GPU where there is one; ``make test-gpu-kernels`` sets this up."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
RUNS = INTERPRETED or DEVICE == "cuda"

if importlib.util.find_spec("triton") is None:
    WHY_NOT = "Triton is not installed here; make test-gpu-kernels runs these in a venv of its own"
elif not RUNS:
    WHY_NOT = "no GPU, and Triton's interpreter is off (TRITON_INTERPRET=1 turns it on)"
else:
    WHY_NOT = ""


def pytest_ignore_collect(collection_path):
    """Leave unread what imports Triton where it cannot be used; test_without_triton.py says why."""
    return True if WHY_NOT and collection_path.name != "test_without_triton.py" else None


@pytest.fixture
def why_not():
    return WHY_NOT


@pytest.fixture
def device():
    return DEVICE


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Fill memory that is asked for with NaN and absurd integers, so that what no kernel writes is seen."""
    original = torch.empty

    def empty(*arguments, **keywords):
        memory = original(*arguments, **keywords)
        return memory.fill_(float("nan") if memory.is_floating_point() else 99)

    monkeypatch.setattr(torch, "empty", empty)
