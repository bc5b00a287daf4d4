"""The toy plugin is right: its mathematics by hand and by reference, its contract by the checkers, its faults by dying."""

import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from effbench_toyplugin import faults, predictor_methods, solver_methods
from effbench_toyplugin.minimise import ToyMinimise
from effbench_toyplugin.problems import START_RADIUS, problem_of, start_of
from effbench_toyplugin.rank import ToyRank
from effbench_toyplugin.weighted import weighted_kendall_tau
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from effbench.api import Context, PluginError
from effbench.registry import methods, tasks
from effbench.suite import load_suite
from effbench.testing import ConformanceError, check_method, check_task

PACKAGE = Path(__file__).parents[1] / "plugin_package"
MINIMISE = ToyMinimise(ToyMinimise.Params(steps=12, problems=12))
SAMPLES = [*MINIMISE.samples("calibration"), *MINIMISE.samples("evaluation")]


def gaps(*chain, task=MINIMISE, seed=0):
    """Return the summary of a chain of methods, each prepared on the system before it."""
    ctx = Context(calibration=lambda: task.samples("calibration"))
    system, batch = task.load(ctx), task.samples("evaluation")
    reference = task.run(system, batch, seed)
    for method in chain:
        system = method.apply(system, method.prepare(system, ctx))
    return task.summariser(task.score(task.run(system, batch, seed), batch, reference))(np.ones(len(batch)))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_problems_have_the_minimum_and_the_gradient_they_say(sample):
    problem, rng = problem_of(sample), np.random.default_rng(0)
    assert problem.value(problem.minimiser) == pytest.approx(problem.minimum, abs=1e-12)
    assert np.abs(problem.gradient(problem.minimiser)).max() < 1e-9
    x = problem.minimiser + 0.5 * rng.standard_normal(problem.minimiser.shape)
    step = 1e-6
    numeric = [(problem.value(x + step * e) - problem.value(x - step * e)) / (2 * step) for e in np.eye(len(x))]
    np.testing.assert_allclose(problem.gradient(x), numeric, rtol=1e-4, atol=1e-4)
    assert problem.value(x) > problem.minimum


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_curvature_bounds_the_hessian_where_solvers_start(sample):
    problem = problem_of(sample)
    for seed in range(20):
        x = start_of(sample, problem, seed)
        assert np.linalg.norm(x - problem.minimiser) == pytest.approx(START_RADIUS)
        hessian = np.stack(
            [(problem.gradient(x + 1e-5 * e) - problem.gradient(x - 1e-5 * e)) / 2e-5 for e in np.eye(len(x))]
        )
        assert np.abs(np.linalg.eigvalsh((hessian + hessian.T) / 2)).max() <= problem.curvature * (1 + 1e-4)


def test_gradient_descent_contracts_a_quadratic_as_theory_says():
    sample = next(s for s in SAMPLES if s.data.get("condition") == 30)
    problem = problem_of(sample)
    start = start_of(sample, problem, seed=0)
    (solution,) = MINIMISE.load(Context()).solve([problem], [start])
    eigenvalues, axes = np.linalg.eigh(np.stack([problem.gradient(problem.minimiser + e) for e in np.eye(len(start))]))
    coordinates = (1 - eigenvalues / problem.curvature) ** 12 * (axes.T @ (start - problem.minimiser))
    np.testing.assert_allclose(axes.T @ (solution.x - problem.minimiser), coordinates, atol=1e-9)
    assert len(solution.trace) == 13
    assert (np.diff(solution.trace) <= 0).all()


def test_the_start_depends_on_sample_and_seed_only():
    first, second = SAMPLES[:2]
    problem = problem_of(first)
    assert np.array_equal(start_of(first, problem, 3), start_of(first, problem, 3))
    assert not np.array_equal(start_of(first, problem, 3), start_of(first, problem, 4))
    direction = start_of(first, problem, 3) - problem.minimiser
    other = start_of(second, problem_of(second), 3) - problem_of(second).minimiser
    assert not np.allclose(direction, other)


def test_an_id_is_the_same_problem_whatever_the_parameters():
    more = ToyMinimise(ToyMinimise.Params(problems=30, steps=1)).samples("evaluation")
    assert more[:12] == MINIMISE.samples("evaluation")
    assert {s.id for s in ToyMinimise(ToyMinimise.Params(dim=7)).samples("evaluation") if s.data.get("dim")}.isdisjoint(
        s.id for s in SAMPLES
    )


def test_methods_change_what_they_say():
    momentum, half = solver_methods.Momentum(), solver_methods.HalfSteps()
    plain = gaps(task=ToyMinimise())
    assert plain["distance_to_reference"] == 0.0
    chains = [(momentum,), (), (momentum, half), (half,)]
    best_to_worst = [gaps(*chain, task=ToyMinimise())["gap"] for chain in chains]
    assert best_to_worst == sorted(best_to_worst)
    assert len(set(best_to_worst)) == len(chains)
    assert gaps(momentum, half) == gaps(half, momentum)
    assert gaps(solver_methods.PlantedCost()) == gaps()
    assert gaps(solver_methods.Momentum(solver_methods.Momentum.Params(beta=0.0))) == gaps()


def test_the_tuned_step_is_the_best_on_calibration_and_helps_on_evaluation():
    method, ctx = solver_methods.TunedStep(), Context(calibration=lambda: MINIMISE.samples("calibration"))
    artifact = method.prepare(MINIMISE.load(ctx), ctx)
    best = artifact.tensors["learning_rates"][artifact.tensors["mean_log10_gaps"].argmin()]
    assert artifact.config["learning_rate"] == best > 1.0
    assert gaps(method)["gap"] < gaps()["gap"]


def test_tuning_sees_the_system_of_the_methods_before_it():
    method, ctx = solver_methods.TunedStep(), Context(calibration=lambda: MINIMISE.samples("calibration"))
    plain = MINIMISE.load(ctx)
    fast = solver_methods.Momentum().apply(plain, None)
    tables = [method.prepare(system, ctx).tensors["mean_log10_gaps"] for system in (plain, fast)]
    assert not np.allclose(*tables)


def test_tuning_without_calibration_samples_is_one_sentence():
    with pytest.raises(PluginError, match="needs calibration problems"):
        solver_methods.TunedStep().prepare(MINIMISE.load(Context()), Context())


def test_a_planted_step_cost_is_slept_per_step_and_problem():
    task = ToyMinimise(ToyMinimise.Params(step_cost_ms=5.0))
    for size, factor in ((1, 1.0), (3, 1.0), (3, 2.0)):
        method = solver_methods.PlantedCost(solver_methods.PlantedCost.Params(factor=factor))
        (probe,) = task.probes(method.apply(task.load(Context()), None), size)
        begin = time.perf_counter()
        probe()
        assert time.perf_counter() - begin >= 0.005 * size * factor


def test_kendall_by_hand():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    # Pairs (1,2) and (1,3) agree, (2,3) does not: (w1 w2 + w1 w3 - w2 w3) / (w1 w2 + w1 w3 + w2 w3).
    assert weighted_kendall_tau(x, y)(np.ones(3)) == pytest.approx(1 / 3)
    assert weighted_kendall_tau(x, y)(np.array([2.0, 1.0, 3.0])) == pytest.approx((2 + 6 - 3) / (2 + 6 + 3))
    assert weighted_kendall_tau(x, x)(np.array([0.1, 5.0, 2.0])) == pytest.approx(1.0)
    assert weighted_kendall_tau(x, -x)(np.array([0.1, 5.0, 2.0])) == pytest.approx(-1.0)
    tied = np.array([1.0, 1.0, 2.0])  # (1,2) is tied in x: it leaves the numerator and x's factor, not y's
    assert weighted_kendall_tau(tied, y)(np.array([2.0, 1.0, 3.0])) == pytest.approx(
        (6 - 3) / np.sqrt((6 + 3) * (2 + 6 + 3))
    )
    assert np.isnan(weighted_kendall_tau(np.ones(3), y)(np.ones(3)))
    assert np.isnan(weighted_kendall_tau(x, y)(np.array([4.0, 0.0, 0.0])))


columns = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 4), min_size=n, max_size=n) for _ in range(3)))
)


@settings(max_examples=150, deadline=None)
@given(columns)
def test_kendall_agrees_with_scipy_and_with_replication(lists):
    x, y, counts = (np.array(values) for values in lists)
    ones = weighted_kendall_tau(x, y)(np.ones(len(x)))
    np.testing.assert_allclose(ones, kendalltau(x, y).statistic, atol=1e-12)
    copies = np.repeat(np.arange(len(x)), counts)
    replicated = kendalltau(x[copies], y[copies]).statistic if len(copies) > 1 else np.nan
    np.testing.assert_allclose(weighted_kendall_tau(x, y)(counts), replicated, atol=1e-12)


def test_worse_predictors_rank_worse():
    task = ToyRank(ToyRank.Params(items=200))
    batch, system = task.samples("evaluation"), task.load(Context())

    def tau(method, **params):
        changed = method(method.Params(**params)).apply(system, None)
        return task.summariser(task.score(task.run(changed, batch, 0), batch, None))(np.ones(len(batch)))["kendall_tau"]

    exact = tau(predictor_methods.Noisy, scale=0.0)
    assert exact > tau(predictor_methods.Noisy, scale=0.5) > tau(predictor_methods.Noisy, scale=3.0)
    assert exact > tau(predictor_methods.Rounded, bits=2) > tau(predictor_methods.Rounded, bits=1)
    assert tau(predictor_methods.Rounded, bits=16) == pytest.approx(exact, abs=1e-3)


def test_rounding_gives_no_more_values_than_its_bits_and_is_simulated():
    task, method = ToyRank(), predictor_methods.Rounded(predictor_methods.Rounded.Params(bits=2))
    scores = {
        round(float(o["score"][0]), 9)
        for o in task.run(method.apply(task.load(Context()), None), task.samples("evaluation"), 0)
    }
    assert scores <= {-4.0, round(-4 / 3, 9), round(4 / 3, 9), 4.0}
    assert len(scores) > 1
    assert method.execution() == "simulated"


@pytest.mark.parametrize("task", [ToyMinimise, ToyRank])
def test_tasks_keep_the_contract(task):
    check_task(task)


@pytest.mark.parametrize("method", ["Momentum", "HalfSteps", "TunedStep", "PlantedCost"])
def test_solver_methods_keep_the_contract(method):
    check_method(getattr(solver_methods, method), task=MINIMISE)


@pytest.mark.parametrize("method", ["Noisy", "Rounded"])
def test_predictor_methods_keep_the_contract(method):
    check_method(getattr(predictor_methods, method), task=ToyRank())


def test_faults_that_never_strike_keep_the_contract():
    params = faults.Raises.Params(after=10**6)
    report = check_method(faults.Raises, task=MINIMISE, params=params, fresh_process=False)
    assert report.notes == ("the outputs are those of the unchanged system, bit by bit",)


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        (faults.Raises, {}, "run on the changed system raised RuntimeError"),
        (faults.Raises, {"when": "prepare"}, "prepare(system, ctx) raised RuntimeError"),
        (faults.Raises, {"when": "apply"}, "apply(system, artifact) raised RuntimeError"),
        (faults.Raises, {"when": "probe", "after": 1}, "the second call of the task's probe raised RuntimeError"),
        (faults.WrongCount, None, "returned 2 outputs for 3 samples"),
        (faults.NotANumber, None, "holds NaN"),
        (faults.Hangs, {"bound_s": 0.01}, "was not stopped within 0.01 s"),
        (faults.Allocates, {"chunk_mb": 1, "bound_mb": 3}, "was not stopped within 3 MB"),
    ],
)
def test_faults_strike_where_they_are_told(method, params, words):
    with pytest.raises(ConformanceError) as caught:
        check_method(
            method, task=MINIMISE, params=None if params is None else method.Params(**params), fresh_process=False
        )
    assert any(words in violation for violation in caught.value.violations)


@pytest.mark.parametrize(("name", "death"), [("Segfault", signal.SIGSEGV), ("KillsItself", signal.SIGKILL)])
def test_faults_that_kill_do_kill(name, death):
    program = f"from effbench_toyplugin.faults import {name}; {name}().strike()"
    assert subprocess.run([sys.executable, "-c", program], cwd=PACKAGE, timeout=60).returncode == -death


def test_every_plugin_is_registered_under_its_own_name(toy_plugin):
    groups = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]
    assert set(groups["effbench.tasks"]) == {"toy-minimise", "toy-rank", "toy-spoof"}
    for group, registry in (("effbench.tasks", tasks), ("effbench.methods", methods)):
        fresh = type(registry)(registry.kind, group, registry.base)
        for name in groups[group]:
            assert fresh.get(name).name == name


@pytest.mark.parametrize("suite", ["toy", "faults"])
def test_suites_load(suite):
    assert load_suite(PACKAGE / "suites" / f"{suite}.yaml").suite.methods


def test_the_task_and_the_method_that_use_every_hook_keep_the_contract(toy_plugin):
    from effbench_toyplugin.spoof import ToySpoof
    from effbench_toyplugin.training import Rescaled, Trained

    small = ToySpoof.Params(subjects=6)
    passed = check_task(ToySpoof, small, n_samples=6).passed
    assert {"thresholds are numbers", "what is kept is what score reads", "previews are pictures"} <= set(passed)
    method = check_method(Trained, task=ToySpoof(small), params=Trained.Params(epochs=2, labels=6))
    assert {"facts are numbers", "preparing again gives the same"} <= set(method.passed)
    check_method(Rescaled, task=ToySpoof(small))
