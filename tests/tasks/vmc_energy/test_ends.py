"""What stands beside an energy whose training had not ended, on curves whose answer is known."""

import numpy as np
import pytest
from typer.testing import CliRunner

from effbench.api import Scores
from effbench.cli.app import app
from effbench.stats.curves import last_fall
from effbench.store import read_store
from effbench.tasks.vmc_energy.ends import STILL_FALLS, STILL_HOT, TOO_SHORT, remarks_on
from effbench.tasks.vmc_energy.settings import TrainingSettings
from effbench.tasks.vmc_energy.task import VmcEnergy

EXACT = -2.0


def plateau(rng, steps, spread, memory=0.0):
    """Return a converged curve whose noise has an autocorrelation of ``memory`` between steps."""
    noise = rng.normal(0, spread, steps + 100)
    for step in range(1, len(noise)):
        noise[step] += memory * noise[step - 1]
    return EXACT + noise[100:]


@pytest.mark.parametrize(("steps", "memory"), [(60, 0.0), (100, 0.5), (800, 0.0), (800, 0.8)])
def test_a_noisy_plateau_hardly_ever_counts_as_falling(steps, memory):
    rng = np.random.default_rng(steps)
    curves = [plateau(rng, steps, 2e-3, memory) for _ in range(400)]
    assert np.mean([STILL_FALLS in remarks_on(curve, None) for curve in curves]) < 0.05
    assert np.mean([last_fall(curve, 0.5).at_least > 0 for curve in curves]) == pytest.approx(
        0.5, abs=0.13
    )  # five sigma


@pytest.mark.parametrize("steps", [200, 800])
def test_a_decay_that_is_not_over_is_found_in_the_noise(steps):
    rng = np.random.default_rng(1)
    decay = 0.05 * np.exp(
        -np.arange(steps) / (steps / 3)
    )  # 2.5 mHa are left at the end, 2.8 mHa fell in the last quarter
    found = [remarks_on(plateau(rng, steps, 5e-4) + decay, None) for _ in range(100)]
    assert sum(said == [STILL_FALLS] for said in found) >= 97
    assert last_fall(EXACT + decay).value == pytest.approx(0.05 * (np.exp(-2.25) - np.exp(-3)), rel=0.2)


def test_a_fall_that_matters_to_nobody_and_a_rise_are_not_said():
    steps = np.arange(2000)
    assert remarks_on(EXACT + 1e-5 * np.exp(-steps / 500), 0.0) == []
    assert remarks_on(EXACT + 1e-5 * steps, None) == []


def test_a_temperature_that_has_not_died_is_said():
    flat = np.full(100, EXACT)
    assert remarks_on(flat, 1e-3) == [STILL_HOT] and remarks_on(flat, 1e-6) == [] == remarks_on(flat, 0.0)
    assert TrainingSettings(steps=300, temperature_ha=1.0, cooling=0.99).temperature_at(299) > 0.04
    for steps in (1, 10, 300, 2000):
        assert all(
            TrainingSettings(steps=steps).temperature_at(step) == 0 for step in range((steps + 1) // 2, steps)
        ), steps


def test_a_solver_without_steps_has_none_and_a_few_steps_cannot_tell():
    assert remarks_on(np.array([EXACT]), None) == []
    assert remarks_on(EXACT - np.arange(10.0), 0.0) == [TOO_SHORT]


def test_the_energies_of_a_task_carry_it_with_how_many_solutions_it_holds_of():
    flat, falling = np.full(100, EXACT), EXACT - np.linspace(0, 1, 100)
    task = VmcEnergy()
    one = Scores({}, {"curve_energy_ha": [falling], "temperature_ha": [np.array([0.5])]})
    of_energies = ("energy_error_mha", "energy_ha", "correlation_percent")
    assert task.remarks(one) == {name: [STILL_FALLS, STILL_HOT] for name in of_energies}
    of_an_older_store = Scores({}, {"curve_energy_ha": [flat, falling, flat]})
    assert task.remarks(of_an_older_store)["energy_ha"] == [f"{STILL_FALLS} (1 of 3)"]
    assert task.remarks(Scores({}, {"curve_energy_ha": [flat]})) == {}


SUITE = """schema: effbench/suite/1
name: ends
tasks: [{id: h2, use: vmc-energy, with: {molecules: [h2]}, batch_size: 1}]
methods:
  - {id: hartree-fock, use: reference, role: reference}
  - {id: hot, use: nqs-made, with: {steps: 100, temperature_ha: 1.0, cooling: 0.999}}
measure: {latency: null, memory: false, flops: false, inspect: false, energy: "off"}
"""


@pytest.mark.slow  # processes; that remarks travel is tested with the toy tasks
def test_a_table_says_it_beside_the_number(tmp_path):
    """The whole way: solver, store, record, footnote."""
    (tmp_path / "suite.yaml").write_text(SUITE)
    store = tmp_path / "store"
    done = CliRunner().invoke(app, ["run", str(tmp_path / "suite.yaml"), "--store", str(store)])
    assert done.exit_code == 0, done.output
    cells = {cell.method_id: cell for cell in read_store(store).cells}
    flags = {name: {n.name: n.flags for n in cell.numbers} for name, cell in cells.items()}
    assert STILL_HOT in flags["hot"]["energy_error_mha"] and STILL_HOT in flags["hot"]["energy_ha"]
    assert flags["hot"]["determinants"] == () == flags["hartree-fock"]["energy_error_mha"]
    shown = CliRunner().invoke(app, ["report", str(store), "--format", "md"]).output
    assert STILL_HOT in " ".join(shown.split())
