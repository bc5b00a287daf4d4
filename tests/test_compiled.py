"""Compiled code on disk never outlives the sources that it was made from, also those of functions that it calls."""

import os
import subprocess
import sys

import pytest

from effbench.compiled import STAMP, folders_with_compiled_code, forget_stale

CALLEE = "from numba import njit\n@njit(cache=True)\ndef step(x):\n    return x + {}\n"
CALLER = "from numba import njit\nfrom callee import step\n@njit(cache=True)\ndef twice(x):\n    return step(step(x))\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "callee.py").write_text(CALLEE.format(1))
    return tmp_path


def called(folder, environment):
    done = subprocess.run(
        [sys.executable, "-c", "from caller import twice; print(twice(0))"],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_callee_that_changes_is_compiled_into_its_callers_anew(folder, is_elsewhere):
    elsewhere = folder / "caches" if is_elsewhere else None
    environment = {"NUMBA_CACHE_DIR": str(elsewhere or "")}
    assert called(folder, environment) == 2
    assert forget_stale([folder], elsewhere), "of sources that nobody had stamped"
    assert called(folder, environment) == 2 and not forget_stale([folder], elsewhere)
    (folder / "callee.py").write_text(CALLEE.format(50))
    assert called(folder, environment) == 2, "what numba does by itself, for which all this is here"
    assert forget_stale([folder], elsewhere)
    assert called(folder, environment) == 100
    assert not forget_stale([folder], elsewhere)


def test_all_our_compiled_code_is_watched():
    names = {path.name for path in folders_with_compiled_code()}
    assert {"local_energy", "subset", "vmc_energy", "nqs_rbm"} <= names
    assert all((path / "__pycache__" / STAMP).is_file() for path in folders_with_compiled_code())
