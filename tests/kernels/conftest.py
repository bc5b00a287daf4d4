"""Instruction sets to test on, and memory that shows what was not written."""

import sys
from pathlib import Path

import pytest
import torch

from effbench.kernels import isa
from effbench.kernels.linear_w8a8 import cpu

sys.path.insert(0, str(Path(__file__).parent))

AVAILABLE = isa.LARGEST_FIRST[isa.LARGEST_FIRST.index(isa.detect()) :]


@pytest.fixture(params=isa.LARGEST_FIRST)
def machine(request, monkeypatch):
    """Run the test on each instruction set of this processor; the others are reported as skipped."""
    if request.param not in AVAILABLE:
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv(isa.VARIABLE, request.param)
    return isa.current()


@pytest.fixture
def poisoned():
    """Fill memory that torch sets apart with NaN, and with the largest integer, so that what is not written is seen."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    assert torch.empty(1000).isnan().all()
    cpu._scratch.memory = torch.empty(0, dtype=torch.uint8)
    yield
    torch.use_deterministic_algorithms(before)
