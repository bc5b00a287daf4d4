"""The task ``local-energy`` and its engines keep the contract; samples are what they say; bad names are refused."""

from typing import get_args

import numpy as np
import pytest

from effbench.api import Artifact, Context, PluginError, Unsupported
from effbench.kernels.local_energy.engines import engines_of
from effbench.kernels.local_energy.policies import Policy
from effbench.measure.kernels_run import kernels_run, matches
from effbench.tasks.local_energy.clouds import cloud, integrals_of
from effbench.tasks.local_energy.system import EngineName, EngineSystem
from effbench.tasks.local_energy.task import LocalEnergy
from effbench.testing import check_method, check_task
from effbench_baselines.local_energy_engine.method import LocalEnergyEngine

SMALL = LocalEnergy.Params(molecule="h2o", determinants=150)


def test_the_task_keeps_the_contract():
    check_task(LocalEnergy, SMALL)


@pytest.mark.whole
@pytest.mark.parametrize(
    "engine", ["slater", *(pytest.param(name, marks=pytest.mark.proof) for name in ("all-pairs", "pauli"))]
)
def test_its_method_keeps_the_contract(engine):
    check_method(LocalEnergyEngine, task=LocalEnergy(SMALL), params=LocalEnergyEngine.Params(engine=engine), rtol=1e-9)


@pytest.mark.parametrize("molecule", [pytest.param("h2o", marks=pytest.mark.whole), "random-8-3-4", "random-70-3-2"])
def test_engines_agree_with_the_reference_and_a_wrong_one_would_not(molecule):
    task = LocalEnergy(LocalEnergy.Params(molecule=molecule, determinants=80))
    batch = task.samples("evaluation")
    known = task.run(EngineSystem(), batch, 0)
    for engine in ("all-pairs", "slater", "pauli"):
        if molecule == "random-70-3-2" and engine == "pauli":
            continue  # a table of 36 million strings
        scores = task.score(task.run(EngineSystem(engine), batch, 0), batch, known)
        assert scores.scalars["largest_difference"][0] < 1e-11
    wrong = [{"energies": output["energies"] + 1e-6 * np.abs(output["energies"]).max()} for output in known]
    assert task.score(wrong, batch, known).scalars["largest_difference"][0] > 1e-7
    assert np.isnan(task.score(known, batch, None).scalars["largest_difference"][0])


def test_a_sample_has_no_repetitions_and_the_electrons_of_the_molecule():
    integrals = integrals_of("random-66-4-3")
    alpha, beta = cloud(integrals, 500, 0)
    assert alpha.shape == beta.shape == (500, 2)
    assert (np.bitwise_count(alpha).sum(1) == 4).all() and (np.bitwise_count(beta).sum(1) == 3).all()
    assert len(np.unique(np.concatenate([alpha, beta], axis=1), axis=0)) == 500
    assert alpha[0].tolist() == [15, 0] and beta[0].tolist() == [7, 0]
    assert np.array_equal(cloud(integrals, 500, 0)[0], alpha) and not np.array_equal(cloud(integrals, 500, 1)[0], alpha)


@pytest.mark.parametrize(
    ("molecule", "message"),
    [
        ("li20", "no frozen molecule 'li20'; did you mean 'li2o'"),
        ("random-90-3-3", "with 2 to 80 orbitals"),
        ("random-4-5-1", "no more electrons of a spin"),
        ("random-4-0-0", "want random-ORBITALS-ALPHA-BETA"),
    ],
)
def test_a_molecule_that_cannot_be_had_is_refused(molecule, message):
    with pytest.raises(PluginError, match=message):
        LocalEnergy(LocalEnergy.Params(molecule=molecule)).check()


def test_more_determinants_than_there_are_is_refused():
    with pytest.raises(PluginError, match="5 determinants asked for, and the sector has 4"):
        cloud(integrals_of("h2"), 5, 0)


def test_the_names_of_engines_are_the_kernels():
    known = {engine for device in ("cpu", "cuda") for engine in engines_of(Policy(), device)}
    assert set(get_args(EngineName)) == known | {"auto"}
    assert set(get_args(LocalEnergyEngine.Params.model_fields["engine"].annotation)) == known


@pytest.mark.parametrize("engine", ["all-pairs", "slater", "pauli"])
def test_the_engine_that_was_asked_for_is_seen_to_run_and_another_one_is_not(engine):
    task, method = LocalEnergy(SMALL), LocalEnergyEngine(LocalEnergyEngine.Params(engine=engine))
    assert method.kernels == (f"local_energy/{engine}",) and LocalEnergyEngine.kernels == ("local_energy/*",)
    loaded = task.load(Context())
    for probe in task.probes(method.apply(loaded, Artifact()), 2):
        ran = kernels_run(probe)
        assert matches(method.kernels, ran) == [] and [k.calls for k in ran if "/" in k.name] == [2]
    others = {f"local_energy/{name}" for name in ("all-pairs", "slater", "pauli") if name != engine}
    assert set(matches(others, ran)) == others
    chosen = kernels_run(task.probes(loaded, 1)[0])
    assert matches(["local_energy/*"], chosen) == []  # what auto chose stands among what ran


@pytest.mark.parametrize(
    ("engine", "device", "message"),
    [
        (
            "cuda",
            "cpu",
            "engine 'cuda' does not compute policy sampled-only on device cpu; want all-pairs, slater, pauli",
        ),
        ("slater", "cuda", "engine 'slater' does not compute policy sampled-only on device cuda; want cuda or auto"),
        ("auto", "cuda", "engine 'cuda' needs a GPU of NVIDIA"),
        ("auto", "mps", "no engine on device 'mps'; want cpu or cuda"),
    ],
)
def test_an_engine_of_another_device_is_unsupported(engine, device, message):
    task = LocalEnergy(SMALL)
    with pytest.raises(Unsupported, match=message):
        task.run(EngineSystem(engine, device), task.samples("evaluation"), 0)


def test_probes_run_on_different_determinants_and_give_what_run_gives():
    task = LocalEnergy(SMALL)
    probes = task.probes(EngineSystem(), 1)
    (evaluated,), (calibrated,) = (probe() for probe in probes)
    assert np.array_equal(evaluated["energies"], task.run(EngineSystem(), task.samples("evaluation"), 0)[0]["energies"])
    assert not np.array_equal(evaluated["energies"], calibrated["energies"])


def test_the_default_summary_and_what_is_kept_are_what_scores_need():
    task = LocalEnergy(SMALL)
    batch = task.samples("evaluation")
    (output,) = task.run(EngineSystem("pauli"), batch, 0)
    (known,) = task.run(EngineSystem("slater"), batch, 0)
    alone = task.summariser(task.score([output], batch, None))(np.ones(1))
    assert set(alone) == {"connected_determinants"}  # without a reference there is no difference
    both = task.summariser(task.score([output], batch, [task.keep(known)]))(np.ones(1))
    assert both["largest_difference"] < 1e-11 and both["connected_determinants"] == alone["connected_determinants"]
