"""Task ``toy-minimise``: a sample is a problem with a known minimum, the system a solver, latency times one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, Sample, Scores, Split, StrictParams, Task
from effbench_toyplugin.problems import problem_of, start_of
from effbench_toyplugin.solver import Solver, resting

GAP_FLOOR = 1e-12
CALIBRATION_PROBLEMS = 8
CONDITIONS = (10, 30, 100, 300)


class ToyMinimise(Task):
    """Find the minimum of quadratics (condition 10 to 300), Rosenbrock's and Himmelblau's function in a few steps."""

    name = "toy-minimise"
    system_type = Solver
    metrics = (
        Metric("gap", "log10", higher_is_better=False, primary=True, description="log10 of f(x) - f*, at least -12"),
        Metric("solved", "share", higher_is_better=True, description="problems with f(x) - f* within the tolerance"),
        Metric(
            "distance_to_reference",
            "",
            higher_is_better=False,
            needs_reference=True,
            description="Euclidean distance to the reference's x",
        ),
    )

    class Params(StrictParams):
        """Parameters of the task."""

        steps: Annotated[int, Field(ge=0, description="Steps of the solver.")] = 40
        dim: Annotated[int, Field(ge=2, description="Dimension of the problems.")] = 4
        step_cost_ms: Annotated[float, Field(ge=0, description="Sleep in each step of each problem.")] = 0.0
        problems: Annotated[int, Field(ge=1, description="Number of evaluation problems.")] = 24
        tolerance: Annotated[float, Field(gt=0, description="Largest f(x) - f* that counts as solved.")] = 1e-3

    def load(self, ctx: Context) -> Solver:
        """Return plain gradient descent."""
        return Solver(steps=self.params.steps, step_cost_ms=self.params.step_cost_ms)

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the problems of a split; the same id is the same problem, whatever the parameters."""
        count = CALIBRATION_PROBLEMS if split == "calibration" else self.params.problems
        return [_sample(split, number, self.params.dim) for number in range(count)]

    def run(self, system: Solver, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return ``x`` [dim] and ``trace`` [steps + 1] of each problem."""
        problems = [problem_of(sample) for sample in batch]
        starts = [start_of(sample, problem, seed) for sample, problem in zip(batch, problems, strict=True)]
        return [{"x": solution.x, "trace": solution.trace} for solution in system.solve(problems, starts)]

    def probes(self, system: Solver, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return one step on ``batch_size`` calibration problems, as one item: what a step costs does not depend on it."""
        pool = self.samples("calibration")
        batch = [pool[i % len(pool)] for i in range(batch_size)]
        problems = [problem_of(sample) for sample in batch]
        states = [resting(start_of(sample, problem, seed=0)) for sample, problem in zip(batch, problems, strict=True)]
        return [lambda: [system.step(problem, state) for problem, state in zip(problems, states, strict=True)]]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the three metrics of each problem."""
        ends = np.array([output["trace"][-1] for output in outputs])
        distances = np.full(len(outputs), np.nan)
        if reference is not None:
            distances = np.array([np.linalg.norm(o["x"] - r["x"]) for o, r in zip(outputs, reference, strict=True)])
        solved = np.where(np.isnan(ends), np.nan, ends <= self.params.tolerance)
        scalars = {"gap": np.log10(np.maximum(ends, GAP_FLOOR)), "solved": solved, "distance_to_reference": distances}
        return Scores(scalars)

    def remarks(self, scores: Scores) -> dict[str, list[str]]:
        """Return that the solver was stopped before it was done, where it was."""
        return {} if (scores.scalars["solved"] == 1).all() else {"gap": ["a problem would need more steps"]}


def _sample(split: Split, number: int, dim: int) -> Sample:
    """Return problem ``number`` of a split: four quadratics of rising condition, then the two famous functions."""
    kind = number % (len(CONDITIONS) + 2)
    if kind < len(CONDITIONS):
        condition = CONDITIONS[kind]
        data = {"family": "quadratic", "dim": dim, "condition": condition}
        return Sample(f"{split}-{number}-quadratic-c{condition}-d{dim}", data)
    if kind == len(CONDITIONS):
        return Sample(f"{split}-{number}-rosenbrock-d{dim}", {"family": "rosenbrock", "dim": dim})
    return Sample(f"{split}-{number}-himmelblau", {"family": "himmelblau"})
