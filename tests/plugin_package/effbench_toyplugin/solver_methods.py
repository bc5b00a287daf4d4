"""Methods for solvers; they chain in any order, as in ``toy-momentum+toy-half-steps``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from effbench.api import Artifact, Claim, Context, Method, PluginError, StrictParams, System
from effbench_toyplugin.problems import Vector, problem_of, start_of
from effbench_toyplugin.solver import Solver, State


def heavy_ball(state: State, gradient: Vector, step_size: float, *, beta: float) -> State:
    """Return x + v with v = beta * (last v) - step_size * gradient (Polyak 1964)."""
    velocity = beta * state.velocity - step_size * gradient
    return State(state.x + velocity, velocity)


class Momentum(Method):
    """Heavy-ball momentum in place of plain gradient descent."""

    name = "toy-momentum"
    accepts = (Solver,)
    claims = (
        Claim(
            metric="contraction per step on a quadratic of condition 100, best step size and beta",
            value=0.818,
            unit="",
            setting="(sqrt(k) - 1) / (sqrt(k) + 1) with k = 100",
            source="B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964",
        ),
    )

    class Params(StrictParams):
        """Parameters of the method."""

        beta: Annotated[float, Field(ge=0, lt=1, description="Share of the last move that is kept.")] = 0.7

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the solver with the heavy-ball rule."""
        return replace(system, rule=partial(heavy_ball, beta=self.params.beta))


class HalfSteps(Method):
    """Half the steps, at least one: the honest control of every acceleration."""

    name = "toy-half-steps"
    accepts = (Solver,)

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the solver with half the steps."""
        return replace(system, steps=max(1, system.steps // 2))


class TunedStep(Method):
    """The learning rate that closes the gap best on the calibration problems, with the system's own rule and steps."""

    name = "toy-tuned-step"
    accepts = (Solver,)

    class Params(StrictParams):
        """Parameters of the method."""

        factors: Annotated[
            tuple[float, ...],
            Field(min_length=1, description="Multiples of the system's learning rate that are tried."),
        ] = (0.25, 0.5, 1.0, 1.5, 1.9)

    def prepare(self, system: Solver, ctx: Context) -> Artifact:
        """Return the chosen ``learning_rate`` and, per factor, the mean log10 gap that it left."""
        samples = ctx.calibration()
        if not samples:
            raise PluginError("toy-tuned-step needs calibration problems, and the context has none")
        problems = [problem_of(sample) for sample in samples]
        starts = [start_of(sample, problem, ctx.seed) for sample, problem in zip(samples, problems, strict=True)]
        rates = [system.learning_rate * factor for factor in self.params.factors]
        solutions = [replace(system, learning_rate=rate).solve(problems, starts) for rate in rates]
        gaps = np.array([np.mean([np.log10(s.trace[-1] + 1e-12) for s in solved]) for solved in solutions])
        tensors = {"learning_rates": np.array(rates), "mean_log10_gaps": gaps}
        return Artifact(tensors, {"learning_rate": rates[int(np.argmin(gaps))]})

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the solver with the learning rate of the artifact."""
        return replace(system, learning_rate=artifact.config["learning_rate"])


class PlantedCost(Method):
    """Each step sleeps ``factor`` times as long: a known latency ratio for tests of the measurement."""

    name = "toy-planted-cost"
    accepts = (Solver,)

    class Params(StrictParams):
        """Parameters of the method."""

        factor: Annotated[float, Field(ge=0, description="True ratio of step times, if step_cost_ms is large.")] = 0.5

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the solver with another cost per step."""
        return replace(system, step_cost_ms=system.step_cost_ms * self.params.factor)
