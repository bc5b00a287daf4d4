"""Checkpoints: a training that was stopped takes the same steps as one that was not; files that do not fit are refused."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from test_training import trainer

from effbench.api import WORK_VARIABLE, PluginError
from effbench.kernels.local_energy import local_energies
from effbench.tasks.vmc_energy import training
from effbench.tasks.vmc_energy.checkpoint import SCHEMA, Checkpoint
from effbench.tasks.vmc_energy.frozen import frozen_integrals
from effbench.tasks.vmc_energy.problems import load_problem
from effbench.tasks.vmc_energy.settings import TrainingSettings
from effbench.tasks.vmc_energy.symmetry import parities
from effbench.tasks.vmc_energy.training import Trainer
from effbench.tasks.vmc_energy.vmc import VariationalMonteCarlo
from effbench_baselines.nqs_made.made import Made

SHORT = {"steps": 12, "unique": 60}


@pytest.mark.parametrize(("optimiser", "stop"), [("adam", 4), ("minsr", 4), ("minsr", 10)])  # 3 to 5: the second start
def test_going_on_takes_the_same_steps(tmp_path, optimiser, stop):
    whole = trainer("lih", optimiser=optimiser, **SHORT)
    whole.run()
    half = trainer("lih", optimiser=optimiser, **SHORT)
    for _ in range(stop):
        half.step()
    Checkpoint(tmp_path / "c.safetensors", "lih").save(half)
    rest = trainer("lih", optimiser=optimiser, **SHORT)
    assert Checkpoint(tmp_path / "c.safetensors", "lih").resume(rest) and rest.done == stop
    rest.run()
    for name in ("energy_ha", "error_ha", "unique", "draws"):
        assert getattr(rest.trace, name) == getattr(whole.trace, name)
    assert rest.trace.time_s[stop - 1] == half.trace.time_s[stop - 1] < rest.trace.time_s[stop]
    assert sum(rest.trace.parts_s.values()) == pytest.approx(rest.trace.time_s[-1], rel=0.05)
    for name, value in whole.ansatz.state_dict().items():
        assert np.array_equal(value.numpy(), rest.ansatz.state_dict()[name].numpy())


def test_it_is_written_now_and_then_and_at_the_end(tmp_path):
    saved = []
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "h2", every_s=1e9)
    checkpoint.save = lambda trained: saved.append(trained.done)
    trainer(steps=5).run(checkpoint)
    assert saved == [5]
    checkpoint.every_s = 0.0
    trainer(steps=5).run(checkpoint)
    assert saved == [5, 1, 2, 3, 4, 5]


def test_no_file_is_a_fresh_start(tmp_path):
    assert not Checkpoint(tmp_path / "none.safetensors", "h2").resume(trainer())


def test_a_file_that_does_not_fit_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "c.safetensors"
    Checkpoint(path, "lih").save(trainer("lih", **SHORT))
    with pytest.raises(
        PluginError, match=r"c\.safetensors: checkpoint of another molecule: 'lih', not 'h2'; remove it"
    ):
        Checkpoint(path, "h2").resume(trainer("h2", **SHORT))
    with pytest.raises(PluginError, match=r"other integrals of that molecule: '[0-9a-f]{16}', not '[0-9a-f]{16}'"):
        Checkpoint(path, "lih").resume(trainer("lih-unit-bond", **SHORT))
    with pytest.raises(PluginError, match="other settings: unique 60, not unique 61; remove"):
        Checkpoint(path, "lih").resume(trainer("lih", steps=12, unique=61))
    with pytest.raises(PluginError, match="other settings: seed 0, not seed 1"):
        Checkpoint(path, "lih").resume(trainer("lih", 1, **SHORT))
    integrals = frozen_integrals("lih")
    symmetric = Made(integrals, np.arange(6)[::-1].copy(), 0, labels=parities(integrals))
    with pytest.raises(PluginError, match="another network: symmetries"):
        Checkpoint(path, "lih").resume(Trainer(symmetric, integrals, TrainingSettings(**SHORT), 0))
    other = Made(integrals, np.arange(6), 0)
    with pytest.raises(
        PluginError, match=r"another network: order \[5, 4, 3, 2, 1, 0\], not order \[0, 1, 2, 3, 4, 5\]"
    ):
        Checkpoint(path, "lih").resume(Trainer(other, integrals, TrainingSettings(**SHORT), 0))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    Checkpoint(path, "h2").save(trainer())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(PluginError, match="cannot be read as a checkpoint"):
        Checkpoint(path, "h2").resume(trainer())
    save_file({"x": np.zeros(1)}, path)
    with pytest.raises(PluginError, match=f"schema None, not '{SCHEMA}'"):
        Checkpoint(path, "h2").resume(trainer())


def made(integrals, seed):
    return Made(integrals, np.arange(integrals.orbitals)[::-1].copy(), seed)


def test_a_killed_solver_goes_on_in_the_folder_of_its_cell_and_leaves_nothing(tmp_path, monkeypatch):
    solver, problem = VariationalMonteCarlo(made, TrainingSettings(steps=10)), load_problem("h2")
    expected = solver.solve(problem, 3)
    monkeypatch.setenv(WORK_VARIABLE, str(tmp_path / "work"))
    steps, step = [], Trainer.step

    def killed(trained):
        steps.append(trained.done)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return step(trained)

    monkeypatch.setattr(Checkpoint.__init__, "__defaults__", (0.0, *Checkpoint.__init__.__defaults__[1:]))
    monkeypatch.setattr(Trainer, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        solver.solve(problem, 3)
    assert [file.name for file in (tmp_path / "work").iterdir()] == ["h2-3.safetensors"]
    found = solver.solve(problem, 3)
    assert steps == [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9]
    assert found.curve_ha == expected.curve_ha and found.energy_ha == expected.energy_ha
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("is_run", [False, True])
def test_an_energy_that_is_no_number_says_so_and_keeps_the_last_good_parameters(tmp_path, monkeypatch, is_run):
    if is_run:
        monkeypatch.setenv(WORK_VARIABLE, str(tmp_path))
    calls = []

    def broken(*arguments, **more):
        calls.append(1)
        found = local_energies(*arguments, **more)
        return found._replace(energies=found.energies * np.nan) if len(calls) == 5 else found

    monkeypatch.setattr(training, "local_energies", broken)
    solver = VariationalMonteCarlo(made, TrainingSettings(steps=10))
    kept = f" in {tmp_path / 'h2-0.safetensors'}" if is_run else ""
    with pytest.raises(
        PluginError, match=f"h2: training stopped: the energy of step 4 is not finite; .* are kept{kept}$"
    ):
        solver.solve(load_problem("h2"), 0)
    if is_run:
        fresh = trainer(steps=10)
        assert Checkpoint(tmp_path / "h2-0.safetensors", "h2").resume(fresh) and fresh.done == 4
        assert np.isfinite(fresh.step())
