"""A cell as a run of MLflow, without MLflow: what stands where, and names that its rules allow."""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
import sys
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.export import run_content as content
from effbench.export.run_content import CONTENT, keys_of, milliseconds, run_content

RULE = re.compile(r"[/\w.\- ]+")
"""MLflow's own rule for names (its ``utils/validation.py``), the older form without colons; a path must stay what it is."""


def allowed(key: str) -> bool:
    return bool(RULE.fullmatch(key)) and len(key) <= 250 and posixpath.normpath(key) == key and not key.startswith("..")


def test_numbers_bounds_and_missing_ones_stand_where_they_should(make: ModuleType) -> None:
    numbers = [make.number("clip_score", 0.3, 0.29, 0.31), make.number("speedup@b4", 2.0, 1.9, 2.1),
               make.number("ap[class=car]", 0.5), make.number("latency_p50_ms", None, reason="simulated")]  # fmt: skip
    run = run_content(make.cell("m", numbers, 1), make.MACHINE)
    assert run.metrics == {"clip_score": 0.3, "clip_score.ci_low": 0.29, "clip_score.ci_high": 0.31, "speedup.b4": 2.0,
                           "speedup.b4.ci_low": 1.9, "speedup.b4.ci_high": 2.1, "ap.class.car": 0.5}  # fmt: skip
    assert {key: tag for key, tag in run.tags.items() if "missing" in key} == {
        "effbench.missing.latency_p50_ms": "simulated"
    }


def test_parameters_times_and_tags_say_what_was_run_and_where(make: ModuleType) -> None:
    cell = make.cell("w8a8", order=1, params={"steps": 20, "system": "zoo:a", "sizes": [1, 2]}, verified_by="mallory")
    run = run_content(cell, make.MACHINE, "recomputed by Ada")
    assert run.params == {
        "task.steps": "20", "task.system": "zoo:a", "task.sizes": "[1, 2]", "method": "w8a8", "method.bits": "8",
        "method.group": "64", "seeds": "[0, 1]", "samples": "64", "subset": "null", "system_revision": "rev1",
        "dtype": "float32",
    }  # fmt: skip
    tags = {key.removeprefix("effbench."): value for key, value in run.tags.items()}
    assert (run.name, run.is_failed, run.started_ms, run.ended_ms) == ("t2i/w8a8", False, 1795341600000, 1795341900000)
    assert (
        tags["badge"] == "real (not checked)"
        and tags["verification"] == "recomputed by Ada"
        and tags["suite"] == "quick"
    )
    assert tags["machine"] == "AMD EPYC 7B13, 2 cores, 8.3 GB [feedc0ffee12]" and tags["device"] == "cpu"
    assert tags["origin.task"] == "effbench 0.1.0" and tags["package.torch"] == "2.13.0" and tags["cell"] == cell.id


def test_a_chain_keeps_its_links_apart(make: ModuleType) -> None:
    cell = make.cell("a+b")
    first, second = (
        cell.identity.chain[0],
        cell.identity.chain[0].model_copy(update={"use": "b", "passed": {"bits": 4}}),
    )
    cell = cell.model_copy(update={"identity": cell.identity.model_copy(update={"chain": (first, second)})})
    params = run_content(cell, {}).params
    assert (params["method"], params["method.bits"], params["method1"], params["method1.bits"]) == (
        "a+b",
        "8",
        "b",
        "4",
    )


def test_the_content_changes_with_the_record_and_with_nothing_else(make: ModuleType) -> None:
    cell = make.cell("m")
    first = run_content(cell, make.MACHINE).content
    assert first == run_content(make.cell("m"), {}).content and re.fullmatch(rf"{cell.id}-[0-9a-f]{{16}}", first)
    assert run_content(cell.model_copy(update={"finished_utc": "later"}), {}).tags[CONTENT] != first


def test_a_failed_cell_is_a_failed_run_with_what_it_has(make: ModuleType) -> None:
    run = run_content(make.failed("w4"), {})
    assert run.is_failed and run.metrics == {} and run.tags["effbench.badge"] == "failed"


@pytest.mark.parametrize(
    ("utc", "ms"),
    [("1970-01-01T00:00:01Z", 1000), ("1970-01-01T01:00:01+01:00", 1000), ("1970-01-01T00:00:01", 1000),
     ("1960-01-01T00:00:00Z", 0), ("yesterday", None), ("", None)],
)  # fmt: skip
def test_times_that_are_none_are_left_out(utc: str, ms: int | None) -> None:
    assert milliseconds(utc) == ms


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(max_size=300), unique=True, max_size=20))
def test_keys_are_allowed_and_no_two_the_same(names: list[str]) -> None:
    keys = keys_of(names, content.BOUNDS)
    written = [keys[name] + bound for name in names for bound in content.BOUNDS]
    assert len({key.casefold() for key in written}) == len(written) == 3 * len(names)
    assert all(map(allowed, written)) and all(allowed(f"effbench.missing.{key}") for key in keys.values())


def test_a_bound_is_never_taken_for_a_number_of_that_name() -> None:
    keys = keys_of(["gap", "gap.ci_low", "Gap", "gap@ci_low", "gap[ci_low]", "..", "//", "é"], content.BOUNDS)
    assert keys["gap"] == "gap" and keys["é"] == "é" and len(set(keys.values())) == 8


def test_long_text_is_cut(make: ModuleType) -> None:
    run = run_content(make.cell("m" * 9000, params={"x": "y" * 9000}), {})
    assert max(map(len, (run.name, *run.params.values(), *run.tags.values()))) == 1000


def test_it_needs_no_mlflow_and_plain_values_stay_plain(make: ModuleType) -> None:
    assert json.loads(run_content(make.cell("m", params={"a": {"b": [1, None]}}), {}).params["task.a"]) == {
        "b": [1, None]
    }
    code = "import sys, effbench.export.run_content; print([m for m in sys.modules if m.startswith('mlflow')])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
