"""The pages on adding a method and a task are right: their code runs, their suites load, their starters are the real ones."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from effbench.cli.new import starter_fields, starter_files
from effbench.suite import load_suite

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = {"adding-a-method.md": ("method", "half-steps"), "adding-a-task.md": ("task", "ellipse-area")}


def blocks(page, language):
    """Return title -> code of a page's blocks in one language."""
    found = [(title, code) for kind, title, code in BLOCK.findall((DOCS / page).read_text()) if kind == language]
    assert found and all(title for title, _ in found), "a block without a title would not be tested"
    return dict(found)


def run_page(page, folder, extra_test):
    """Write a page's Python blocks as files, add a test, and run all of them in a process of its own."""
    for title, code in {**blocks(page, "python"), "tests/test_extra.py": extra_test}.items():
        (folder / title).parent.mkdir(exist_ok=True)
        (folder / title).write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_the_main_example_is_the_starter(page):
    kind, name = PAGES[page]
    fields = starter_fields(kind, name, "t2i")
    written, shown = starter_files(kind, fields, "t2i"), blocks(page, "python")
    for path in (f"{fields['package']}/{kind}.py", f"tests/test_{name.replace('-', '_')}.py"):
        assert shown[path] == written[path]


@pytest.mark.parametrize("page", PAGES)
def test_suites_load(page, tmp_path):
    for title, text in blocks(page, "yaml").items():
        (tmp_path / title).write_text(text)
        assert load_suite(tmp_path / title).suite.methods


def test_the_task_page_runs(tmp_path):
    run_page(
        "adding-a-task.md",
        tmp_path,
        "from effbench.testing import check_task\n"
        "from effbench.testing import check_method\n"
        "from effbench_ellipse_area.method import FewerPoints\n"
        "from effbench_ellipse_area.task import EllipseArea\n"
        "from effbench_ellipse_area.with_bias import WithBias\n\n"
        "def test_second_plugins():\n"
        "    assert 'order does not count' in check_task(WithBias).passed\n"
        "    assert not check_method(FewerPoints, task=EllipseArea()).notes, 'it changes outputs'\n",
    )


def test_the_second_entry_point_on_the_task_page_is_what_the_starter_writes():
    (shown,) = (code for kind, _, code in BLOCK.findall((DOCS / "adding-a-task.md").read_text()) if kind == "toml")
    points = tomllib.loads(shown)["project"]["entry-points"]
    assert set(points) == {"effbench.tasks", "effbench.methods"}
    own = tomllib.loads(starter_files("task", starter_fields("task", "ellipse-area", ""), "")["pyproject.toml"])
    assert own["project"]["entry-points"]["effbench.tasks"].items() <= points["effbench.tasks"].items()
    code = blocks("adding-a-task.md", "python")
    for registered, value in (pair for group in points.values() for pair in group.items()):
        module, name = value.split(":")
        assert f"class {name}(" in code[f"{module.replace('.', '/')}.py"]
        assert f'name = "{registered}"' in code[f"{module.replace('.', '/')}.py"]


@pytest.mark.slow
def test_the_method_page_runs(tmp_path):
    run_page(
        "adding-a-method.md",
        tmp_path,
        "from effbench.tasks.t2i.task import TextToImage\n"
        "from effbench.testing import check_method\n"
        "from effbench_rounded_weights.method import RoundedWeights\n\n"
        "def test_rounding():\n"
        "    task = TextToImage(TextToImage.Params(steps=1))\n"
        "    report = check_method(RoundedWeights, task=task, params=RoundedWeights.Params(bits=4), rtol=1e-3)\n"
        "    assert not report.notes\n",
    )


def test_the_method_page_imports_without_torch(tmp_path):
    for title, code in blocks("adding-a-method.md", "python").items():
        if title.endswith("method.py"):
            (tmp_path / title).parent.mkdir()
            (tmp_path / title).write_text(code)
    check = (
        "import sys, effbench_half_steps.method as a, effbench_rounded_weights.method as b\n"
        "assert 'torch' not in sys.modules\n"
        "assert a.HalfSteps().execution() == 'real' and b.RoundedWeights().execution() == 'simulated'\n"
    )
    subprocess.run([sys.executable, "-c", check], cwd=tmp_path, check=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_rounded_weights_of_the_page_are_rounded_and_survive_a_row_of_zeros(dtype):
    torch = pytest.importorskip("torch")
    scope = {}
    exec(blocks("adding-a-method.md", "python")["effbench_rounded_weights/method.py"], scope)
    method = scope["RoundedWeights"](scope["RoundedWeights"].Params(bits=3))
    layer = torch.nn.Linear(4, 3, bias=False).to(getattr(torch, dtype))
    given = torch.tensor([[3.0, -1.4, 0.6, 1.0], [0.0, 0.0, 0.0, 0.0], [6e-6, -3e-6, 0.0, 1e-6]])
    layer.weight.data.copy_(given)
    system = SimpleNamespace(linear_layers=lambda: [("a", layer)])
    changed = method.apply(system, method.prepare(system, None)).linear_layers()[0][1].weight
    assert changed[0].tolist() == [3.0, -1.0, 1.0, 1.0] and changed[1].tolist() == [0.0] * 4
    assert changed[2, 0] > 0 and changed[2, 1] < 0, "what float16 can just hold is no zero"


@pytest.mark.parametrize("title", ["effbench_half_steps/method.py", "effbench_rounded_weights/method.py"])
def test_methods_take_under_forty_lines(title):
    assert len(blocks("adding-a-method.md", "python")[title].splitlines()) < 40
