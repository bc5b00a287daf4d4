"""The one reader of raw rows: those that a record's numbers are of, and what its setting declares of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from effbench.raw import RawCell, how_of, metric_of, ratio_interval
from effbench.report.compare import compare
from effbench.setting import Asked, Declared, DeclaredMetric, Place, Setting
from effbench.store import CellFolder, StoreView

IDS = ["a", "b", "c", "d", "e", "f", "g", "h"]
FACTORY = Path(__file__).parent / "report" / "conftest.py"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """The record factories of the report tests; a conftest cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("raw_factory", FACTORY)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_setting(view: StoreView, record: Any, samples: tuple[str, ...], per: Any = "sample") -> None:
    """Write that a cell was asked for some samples, of a metric per sample or per set."""
    metric = DeclaredMetric(
        name="clip_score", unit="", higher_is_better=True, per=per, primary=True, needs_reference=False, undefined="",
        least=None, most=None,
    )  # fmt: skip
    asked = Asked(
        seeds=record.seeds, ci=0.95, resamples=100, batch_sizes=(1,), memory=False, flops=False, inspect=False, energy=False
    )  # fmt: skip
    setting = Setting(
        id=record.id, suite="quick", task_id="t2i", method_id=record.method_id, role=record.role, order=record.order,
        execution="real", unsupported=None, identity=record.identity, plan_sha256="ba" * 32, asked=asked,
        declared=Declared(
            metrics=(metric,), kernels=(), claims=(), random_weights=False, deterministic=True, prepares=False, trainings=()
        ),
        place=Place(device="cpu", machine=record.provenance.machine, threads=1), samples=samples, pool=len(samples),
        weights=None, subset=None, certificate=(), resolutions={}, stopping=None, reference_cell=None, scored_against="",
    )  # fmt: skip
    CellFolder(view.path / "cells" / record.id).write_setting(setting)


def member(make: Any, name: str, order: int, scores: list[float], seeds: tuple[int, ...] = (0,), **rest: Any) -> Any:
    number = make.number("clip_score", float(np.mean(scores)), ci_method="bootstrap_percentile", n=len(scores))
    cell = make.cell(name, [number], order, seeds=seeds, n_samples=len(scores) // len(seeds))
    return make.Raw(cell, {"clip_score": scores}, samples=IDS[: len(scores) // len(seeds)], **rest)


def test_rows_are_those_that_the_suite_asks_for_now(make: Any, tmp_path: Path) -> None:
    """A store keeps what an earlier, wider suite ran; neither numbers nor comparisons are of that."""
    theirs = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 99.0]
    ours = [0.2, 0.3, 0.3, 0.5, 0.7, 0.6, 0.8, -50.0]
    view = make.raw_store(tmp_path, member(make, "ref", 0, theirs), member(make, "x", 1, ours))
    cells = tuple(cell.model_copy(update={"n_samples": 7}) for cell in view.cells)
    (before,) = compare(StoreView(view.path, "quick", view.lock, cells), "x", "ref").rows
    assert before.reason == "on all 8 pairs in the store, of which the suite now asks for 7"
    for cell in cells:
        write_setting(view, cell, tuple(IDS[:7]))
    (row,) = compare(StoreView(view.path, "quick", view.lock, cells), "x", "ref").rows
    assert (row.n, row.reason) == (7, "")
    assert row.value == pytest.approx(np.mean(ours[:7]) - np.mean(theirs[:7]))
    rows = RawCell(cells[0], view.path / "cells" / cells[0].id).rows()
    assert rows is not None and rows.ids == tuple(IDS[:7]) and rows.scores.scalars["clip_score"].tolist() == theirs[:7]


def test_rows_of_seeds_that_are_no_longer_asked_for_are_left_out(make: Any, tmp_path: Path) -> None:
    view = make.raw_store(tmp_path, member(make, "ref", 0, [0.1, 0.2, 0.3, 0.4], (0, 1)))
    record = view.cells[0].model_copy(update={"seeds": (1,)})
    rows = RawCell(record, view.path / "cells" / record.id).rows()
    assert rows is not None and rows.seeds == (1, 1) and rows.scores.scalars["clip_score"].tolist() == [0.3, 0.4]
    assert rows.groups == rows.ids == ("a", "b")  # a table without groups: each sample stands alone


def test_what_the_task_declares_of_a_metric_decides_how_it_is_compared(make: Any, tmp_path: Path) -> None:
    view = make.raw_store(tmp_path, member(make, "ref", 0, [0.1, 0.2]))
    (number,) = view.cells[0].numbers
    path = view.path / "cells" / view.cells[0].id
    assert not RawCell(view.cells[0], path).is_of_set(number)
    write_setting(view, view.cells[0], ("a", "b"), per="set")
    assert RawCell(view.cells[0], path).is_of_set(number)  # although its interval is called a percentile


@pytest.mark.parametrize(
    ("method", "how", "is_set"),
    [
        ("bootstrap_centred", "bootstrap_centred", True),
        ("bootstrap_centred_root", "bootstrap_centred_root", True),
        ("bootstrap_centred_root_and_trainings", "bootstrap_centred_root", True),
        ("bootstrap_percentile_and_trainings", "bootstrap_percentile", False),
        ("wilson", "wilson", False),
        ("", "", False),
    ],
)
def test_a_record_alone_says_so_by_how_the_interval_was_made(
    make: Any, tmp_path: Path, method: str, how: str, is_set: bool
) -> None:
    number = make.number("fid", 3.0, ci_method=method)
    assert how_of(number) == how
    assert RawCell(make.cell("ref", [number]), tmp_path / "cells" / "0").is_of_set(number) is is_set


def test_a_slice_is_no_part_of_the_name_that_scores_stand_under(make: Any) -> None:
    number = make.number("accuracy[kind=a[b]]", 0.5, slice="kind=a[b]", axis="quality")
    assert metric_of(number).name == "accuracy" and metric_of(number).key == number.name
    assert metric_of(make.number("odd[name]", 0.5)).name == "odd[name]"


def test_a_ratio_stays_above_zero_and_on_the_ratio_measured(make: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    base = np.exp(generator.normal(0.0, 0.4, 1000))

    def cell(name: str, order: int, value: float, replicates: Any) -> Any:
        number = make.number("clip_score", value, ci_method="bootstrap_centred")
        return make.Raw(make.cell(name, [number], order, seeds=(0,), n_samples=40), draws={"clip_score": replicates})

    noisy = 0.5 * base * np.exp(generator.normal(0.3, 0.5, 1000))  # moved upwards, as draws of a set are
    view = make.raw_store(tmp_path, cell("ref", 0, 1.0, base), cell("a", 1, 0.5, noisy))
    beside, ours = (RawCell(record, view.path / "cells" / record.id) for record in view.cells)
    found = ratio_interval(ours, beside, ours.record.numbers[0], beside.record.numbers[0], 0.95)
    assert found is not None and 0 < found.low < 0.5 < found.high
    assert np.log([found.low, found.high]).mean() == pytest.approx(np.log(0.5), abs=0.1)
    assert np.log(found.high / found.low) / 2 == pytest.approx(1.96 * 0.5, rel=0.12)
