from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FACTORY = Path(__file__).parent.parent / "report" / "conftest.py"


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """The record factories of the report tests; a conftest cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("record_factory", FACTORY)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
