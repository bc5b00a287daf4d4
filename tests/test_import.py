"""Importing stays cheap: no torch, pandas or streamlit before they are needed."""

import os
import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "pandas", "streamlit", "diffusers", "transformers")
METHODS = ["reference", "bf16", "fewer_steps", "guidance_off", "int8_dynamic", "int8_simulated"]
MODULES = [
    "effbench",
    "effbench.api",
    "effbench.registry",
    "effbench.suite",
    "effbench.runner.plan",
    "effbench.diffusion",
]
MODULES += ["effbench.tasks.t2i.task", *(f"effbench_baselines.{name}.method" for name in METHODS)]


def fresh(code):
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, time.perf_counter() - started


@pytest.mark.parametrize("module", MODULES)
def test_no_heavy_module_comes_in(module):
    out, _ = fresh(f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])")
    assert out.strip() == "[]"


def _quiet():
    return os.getloadavg()[0] < 1.0


@pytest.mark.timing
def test_help_imports_nothing_heavy_and_is_quick():
    code = "import sys; sys.argv=['effbench','--help']; from effbench.cli.app import run_app; run_app(); "
    out, _ = fresh(code + f"print([m for m in {HEAVY} + ('numpy', 'pyarrow') if m in sys.modules])")
    assert out.strip().splitlines()[-1] == "[]"
    fastest = min(fresh(code)[1] for _ in range(5))
    if _quiet():
        assert fastest < 0.5


@pytest.mark.timing
def test_import_effbench_is_quick():
    code = "import time; t=time.perf_counter(); import effbench, effbench.api; print(time.perf_counter()-t)"
    assert min(float(fresh(code)[0]) for _ in range(5)) < (0.3 if _quiet() else 1.0)
