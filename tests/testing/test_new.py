"""``effbench new`` writes packages that pass their checker as they are, and refuses what it cannot name or write."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from effbench import registry
from effbench.cli.new import new, starter_fields, starter_files
from effbench.diffusion import DiffusionSystem
from effbench.errors import BadInput


def python(*arguments, path, cwd):
    """Run the interpreter in a process of its own with packages on its path; fail with what it printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def own_tests_pass(folder, *path):
    python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests", path=[folder, *path], cwd=folder)


def test_the_task_starter_passes_its_own_test(tmp_path, capsys):
    new("task", "pi-guess", into=tmp_path)
    folder = tmp_path / "effbench-pi-guess"
    own_tests_pass(folder)
    assert f"cd {folder}" in capsys.readouterr().out
    assert len((folder / "effbench_pi_guess" / "task.py").read_text().splitlines()) < 60


def test_the_method_starter_for_another_task_passes_its_own_test(tmp_path, toy_plugin):
    call = "from pathlib import Path; from effbench.cli.new import new; new('method', 'idle', Path(), 'toy-minimise')"
    python("-c", call, path=[toy_plugin], cwd=tmp_path)
    own_tests_pass(tmp_path / "effbench-idle", toy_plugin)
    project = tomllib.loads((tmp_path / "effbench-idle" / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["effbench", "effbench-toyplugin"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", registry.tasks.names())
def test_the_method_starter_for_every_task_passes_its_own_test(task, tmp_path):
    """The case starter-package-for-t2v; denoiser, at full size once 444 s, takes 17 s of one core."""
    new("method", "idle-idea", into=tmp_path, for_task=task)
    own_tests_pass(tmp_path / "effbench-idle-idea")


@pytest.mark.parametrize("task", registry.tasks.names())
def test_the_starter_is_tried_on_what_the_task_calls_small(task, tmp_path):
    of_class = registry.tasks.get(task)
    small = of_class.Params(**of_class.small)
    of_class(small).check()
    fields = starter_fields("method", "idle-idea", task)
    assert eval(fields["task_params"] or "Small.Params()", {of_class.__name__: of_class, "Small": of_class}) == small
    assert "check_method(IdleIdea, task=task)" in starter_files("method", fields, task)["tests/test_idle_idea.py"]


def test_the_method_starter_for_t2i_halves_the_steps(tmp_path, monkeypatch):
    new("method", "fewer-by-half", into=tmp_path, for_task="t2i")
    monkeypatch.syspath_prepend(tmp_path / "effbench-fewer-by-half")
    method = importlib.import_module("effbench_fewer_by_half.method").FewerByHalf()
    system = DiffusionSystem(None, steps=21, guidance=1.0, height=8, width=8, max_sequence_length=4)
    assert method.apply(system, method.prepare(system, None)).steps == 10
    assert len((tmp_path / "effbench-fewer-by-half/effbench_fewer_by_half/method.py").read_text().splitlines()) < 40


@pytest.mark.parametrize("kind", ["method", "task"])
def test_the_entry_point_names_the_class(kind, tmp_path, monkeypatch):
    new(kind, f"named-{kind}", into=tmp_path)
    folder = tmp_path / f"effbench-named-{kind}"
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    (name, value), *others = project["project"]["entry-points"][f"effbench.{kind}s"].items()
    monkeypatch.syspath_prepend(folder)
    module, attribute = value.split(":")
    assert getattr(importlib.import_module(module), attribute).name == name == f"named-{kind}"
    assert not others
    assert project["tool"]["setuptools"]["packages"] == [f"effbench_named_{kind}"]
    assert project["project"]["dependencies"] == ["effbench"]


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("metod", "half", "did you mean 'method'?"),
        ("method", "Half_Steps", "is not lower-case words joined by hyphens"),
        ("method", "reference", "is registered already, by effbench"),
        ("task", "t2i", "is registered already, by effbench"),
        ("method", "true", "would make the class True"),
        ("task", "task", "would make the class Task"),
        ("method", "diffusion-system", "would make the class DiffusionSystem"),
        ("method", "baselines", "would make the package effbench_baselines"),
    ],
)
def test_unusable_names_are_refused_in_one_sentence(kind, name, words, tmp_path):
    with pytest.raises(BadInput) as refused:
        new(kind, name, into=tmp_path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_task_is_refused_with_the_nearest_and_what_may_be_missing(tmp_path):
    with pytest.raises(BadInput, match=r"did you mean 'workload'.*found once it is installed"):
        new("method", "half", into=tmp_path, for_task="wrkload")


def test_a_task_serves_no_other_task(tmp_path):
    with pytest.raises(BadInput, match="leave it out for a task"):
        new("task", "own-system", into=tmp_path, for_task="t2i")
    assert list(tmp_path.iterdir()) == []


def test_every_split_of_the_task_starter_has_samples_of_its_own(tmp_path, monkeypatch):
    new("task", "three-splits", into=tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "effbench-three-splits")
    task = importlib.import_module("effbench_three_splits.task").ThreeSplits()
    ids = [sample.id for split in ("calibration", "validation", "evaluation") for sample in task.samples(split)]
    assert len(set(ids)) == len(ids) == 30


def test_nothing_is_overwritten(tmp_path):
    new("task", "once", into=tmp_path)
    (tmp_path / "effbench-once" / "README.md").write_text("mine")
    with pytest.raises(BadInput, match="exists already"):
        new("task", "once", into=tmp_path)
    assert (tmp_path / "effbench-once" / "README.md").read_text() == "mine"


def test_an_unwritable_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written: Not a directory"):
        new("task", "once", into=Path(tmp_path / "file"))
