from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.cli.report import report
from effbench.errors import BadInput
from effbench.report.curve_panels import looks_of
from effbench.report.curve_table import NEVER, curve_rows
from effbench.report.curves import ABSENT, BELOW, curve_columns, curve_pictures, has_curves
from effbench.report.figures import draw_all_curves
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells, summarise

STEPS = np.arange(1.0, 2001)


def member(make: Any, name: str, order: int, curves: list[Any], seconds: list[Any], goal: float = 1.6) -> Any:
    """A cell whose only number is an error of two samples, with a curve of each."""
    number = make.number("energy_error_mha", 0.3, unit="mHa", higher_is_better=False, primary=True)
    cell = make.cell(name, [number], order, seeds=(0,))
    arrays = {"curve_s": seconds, "curve_energy_error_mha": curves, "goal_energy_error_mha": [[goal], [goal]]}
    return make.Raw(cell, {"energy_error_mha": [0.1, 0.2]}, samples=("lih", "h2o"), arrays=arrays)


@pytest.fixture
def workload(make: Any, tmp_path: Path) -> WorkloadCells:
    trained = member(make, "trained", 1, [100 / STEPS, 200 / STEPS], [0.5 * STEPS, STEPS])
    exact = member(make, "exact", 2, [[0.0], [0.0]], [[0.01], [0.2]])
    (found,) = summarise(
        make.raw_store(
            tmp_path,
            member(make, "ref", 0, [[20.0], [50.0]], [[0.001], [0.1]]),
            trained,
            exact,
            make.Raw(make.cell("bare", [], 3, seeds=(0,))),
        )
    ).workloads
    return found


def test_each_sample_has_a_picture_of_running_means(workload: WorkloadCells) -> None:
    (column,) = curve_columns(workload)
    assert has_curves(workload)
    assert column.name == "energy_error_mha" and column.unit == "mHa"
    by_sample = {picture.sample_id: picture for picture in curve_pictures(workload)}
    assert set(by_sample) == {"lih", "h2o"}
    picture = by_sample["lih"]
    assert picture.goal == 1.6 and picture.goal_text == "goal 1.6 mHa" and picture.is_logarithmic
    assert [curve.name for curve in picture.curves] == ["ref", "trained"]
    assert dict(picture.left_out) == {"exact": BELOW, "bare": ABSENT}
    reference, trained = picture.curves
    assert reference.values.tolist() == [20.0] and reference.seconds.tolist() == [0.001]
    assert trained.seconds[0] == 5.0 and trained.seconds[-1] == 1000.0 and len(trained.values) <= 400
    assert trained.values[0] == pytest.approx(np.mean(100 / STEPS[:10]))
    assert trained.values[-1] == pytest.approx(np.mean(100 / STEPS[-10:]))


def test_what_is_there_long_before_the_first_step_does_not_squeeze_the_curves(workload: WorkloadCells) -> None:
    first, last = curve_pictures(workload)[0].span_s
    assert 0.01 < first < 5.0 and last > 1000


def test_curves_that_pass_zero_have_a_linear_axis(make: Any, tmp_path: Path) -> None:
    view = make.raw_store(tmp_path, member(make, "ref", 0, [-STEPS, -STEPS], [STEPS, STEPS]))
    picture = curve_pictures(summarise(view).workloads[0])[0]
    assert not picture.is_logarithmic and len(picture.curves) == 1


def test_times_of_two_machines_are_not_drawn_together(make: Any, tmp_path: Path) -> None:
    first, second = (member(make, name, 0, [[1.0], [1.0]], [[1.0], [1.0]]) for name in "ab")
    second = second._replace(cell=make.cell("b", list(second.cell.numbers), 1, machine="bb" * 6, seeds=(0,)))
    (found,) = summarise(make.raw_store(tmp_path, first, second)).workloads
    assert curve_columns(found) and curve_pictures(found) == ()


def test_methods_beyond_the_colours_are_dashed(make: Any, tmp_path: Path) -> None:
    members = [member(make, f"m{place}", place, [9 / STEPS, 9 / STEPS], [STEPS, STEPS]) for place in range(10)]
    looks = looks_of(curve_pictures(summarise(make.raw_store(tmp_path, *members)).workloads[0]))
    assert len(set(looks.values())) == 10 and [look.is_dashed for look in looks.values()] == [False] * 8 + [True] * 2


def test_they_draw_the_same_each_time_and_go_beside_the_store(
    workload: WorkloadCells, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = curve_pictures(workload)
    svg = draw_all_curves(pictures, "svg")
    assert svg == draw_all_curves(pictures, "svg") and b"<svg" in svg
    report(tmp_path, curves=True)
    assert (tmp_path / "curves.svg").read_bytes() == svg and (tmp_path / "curves.png").is_file()
    report(tmp_path, curves=True, out=tmp_path / "one.pdf")
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(BadInput, match="holds one picture"):
        report(tmp_path, curves=True, pareto="quality,memory", out=tmp_path / "one.pdf")


def test_a_store_without_curves_says_so(make: Any, tmp_path: Path) -> None:
    make.raw_store(tmp_path, make.Raw(make.cell("ref")))
    with pytest.raises(BadInput, match="no cell keeps a curve over time"):
        report(tmp_path, curves=True)


def test_the_table_says_where_each_ended_and_when_it_reached_the_goal(workload: WorkloadCells) -> None:
    picture = next(picture for picture in curve_pictures(workload) if picture.sample_id == "lih")
    rows = {row.name: row for row in curve_rows(picture)}
    means = [float(np.mean(100 / STEPS[i : i + 10])) for i in range(len(STEPS) - 9)]
    first = next(i for i, mean in enumerate(means) if mean <= 1.6) + 9  # the last of the ten steps
    assert rows["trained"].reached == f"{0.5 * STEPS[first]:.3g} s"
    assert rows["trained"].last == rounded(means[-1], None, None)[0] and rows["trained"].seconds == "1000 s"
    assert rows["ref"].reached == NEVER and rows["ref"].last == "20"
    assert [row.name for row in curve_rows(picture)] == ["trained", "ref"]


def test_a_goal_that_is_better_when_higher_is_reached_from_below(make: Any, tmp_path: Path) -> None:
    number = make.number("energy_error_mha", 0.3, unit="", higher_is_better=True, primary=True)
    arrays = {"curve_s": [STEPS], "curve_energy_error_mha": [STEPS], "goal_energy_error_mha": [[100.0]]}
    raw = make.Raw(make.cell("a", [number], 0, seeds=(0,)), {"energy_error_mha": [0.1]}, samples=("x",), arrays=arrays)
    (picture,) = curve_pictures(summarise(make.raw_store(tmp_path, raw)).workloads[0])
    assert picture.curves[0].reached_s == 105.0  # the mean of the steps 96 to 105 is the first above 100
