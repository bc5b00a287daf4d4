"""The picture of regret over trained architectures: means over repeats with intervals, from what the task keeps."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from effbench.stats.bootstrap import bootstrap_mean

SPEC = importlib.util.spec_from_file_location(
    "nas_search_curves", Path(__file__).parents[1] / "docs" / "nas_search_curves.py"
)
pictures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pictures)


def cell(method, curves, name="regret_by_trained"):
    ids = tuple(f"repeat-{i}" for i in range(len(curves)))
    rows = SimpleNamespace(scores=SimpleNamespace(arrays={name: list(curves)}), ids=ids)
    return SimpleNamespace(record=SimpleNamespace(task_id="made", method_id=method), rows=lambda: rows)


def test_a_line_is_the_mean_over_repeats_and_its_band_an_interval_of_it():
    curves = np.random.default_rng(0).exponential(size=(20, 5))
    found = pictures.regrets_of([cell("random", curves), cell("other", curves, "something")])
    assert set(found) == {"made"} and set(found["made"]) == {"random"}
    regret = found["made"]["random"]
    np.testing.assert_allclose(regret.value, curves.mean(0))
    for column, low, high in zip(curves.T, regret.low, regret.high):
        expected = bootstrap_mean(column)
        assert low == pytest.approx(expected.low, abs=0.15) and high == pytest.approx(expected.high, abs=0.2)
        assert low < column.mean() < high


def test_seeds_of_a_repeat_are_no_repeats_of_their_own():
    curves = np.repeat(np.random.default_rng(1).exponential(size=(20, 3)), 2, axis=0)
    ids = [f"repeat-{i // 2}" for i in range(40)]
    once = pictures.mean_regret(curves[::2], ids[::2])
    twice = pictures.mean_regret(curves, ids)
    np.testing.assert_allclose(twice.low, once.low)
    np.testing.assert_allclose(twice.high, once.high)


def test_the_picture_is_drawn_with_and_without_intervals(tmp_path):
    many = [cell(f"method-{i}", np.random.default_rng(i).random((20, 4))) for i in range(10)]
    pictures.draw(pictures.regrets_of([*many, cell("two", np.ones((2, 4)))]), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_a_store_without_searches_ends_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "read_store", lambda folder: SimpleNamespace(cells=[]))
    monkeypatch.setattr("sys.argv", ["nas_search_curves", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no finished cell of the task nas-search"):
        pictures.main()
