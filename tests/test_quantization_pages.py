"""What docs/quantization.md says is derived from stores: bounds hold or not by their numbers, advice follows tests."""

import itertools
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml

from effbench.store import read_store
from effbench.suite import find_suite, load_suite

ROOT = Path(__file__).parent.parent
SUITES = {
    "quantization_expected": ("quantization", "quantization-ablations", "quantization-speed"),
    "attention_expected": ("attention", "attention-architecture"),
}


def script(name):
    spec = spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def view():
    return read_store(ROOT / "tests" / "assets" / "store-v1")


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        ({"number": "gap", "at_least": -0.7}, "yes"),
        ({"number": "gap", "at_least": -0.6}, "no"),
        ({"number": "gap", "at_most": -0.6}, "yes"),
        ({"number": "gap", "at_most": 0, "at_least": -0.6}, "no"),
        ({"number": "gap", "b": "reference", "at_most": -0.08}, "yes"),
        ({"number": "gap", "b": "reference", "at_most": 0}, "not decided"),
        ({"number": "gap", "b": "reference", "undecided": True}, "yes"),
        ({"number": "p99", "at_least": 0}, "not measured: p99 was not recorded"),
        ({"a": "nobody", "number": "gap", "at_least": 0}, "not measured: no nobody on minimise in store-v1"),
    ],
)
def test_a_bound_holds_by_the_numbers_of_the_store(view, bound, verdict):
    expectations = script("expectations")
    check = expectations.Check.model_validate({"says": "x", "task": "minimise", "a": "toy-momentum", **bound})
    assert check.holds(expectations.measured([view], check)) == verdict


def test_advice_names_what_keeps_the_quality(view):
    text = script("advice").advice(view)
    assert text.startswith("**minimise**")
    assert "speed at the reference's quality: none of these is faster" in text  # 0.97 of it
    assert "worse than the reference" not in text


def labels(method):
    """Return the names of a suite's entry in a store, one for each combination of its matrix."""
    name = method.id or method.use
    for values in itertools.product(*method.matrix.values()):
        chosen = ", ".join(f"{key}={value}" for key, value in zip(method.matrix, values))
        yield f"{name}({chosen})" if chosen else name


@pytest.mark.parametrize("page", SUITES)
def test_every_expectation_is_about_a_cell_of_a_suite(page):
    cells = set()
    for name in SUITES[page]:
        suite = load_suite(find_suite(Path(f"suites/{name}.yaml"))).suite
        for method in suite.methods:
            for label in labels(method):
                cells |= {(task, label) for task in method.tasks or [task.id for task in suite.tasks]}
    checks = yaml.safe_load((ROOT / "docs" / f"{page}.yaml").read_text("utf-8"))
    for check in checks:
        for method in filter(None, (check["a"], check.get("b"))):
            assert (check["task"], method) in cells, check
