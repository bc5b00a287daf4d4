"""The system of ``toy-minimise``: a first-order solver, which methods change by replacing its fields."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from effbench.api import System
from effbench_toyplugin.problems import Problem, Vector


class State(NamedTuple):
    """Where a solver stands: position x [dim] and velocity [dim]."""

    x: Vector
    velocity: Vector


class Solution(NamedTuple):
    """Where a solver ended: x [dim], and f(x) - f* before each step and after the last, [steps + 1]."""

    x: Vector
    trace: Vector


StepRule = Callable[[State, Vector, float], State]
"""From (state, gradient [dim], step size) to the next state."""


def gradient_descent(state: State, gradient: Vector, step_size: float) -> State:
    """Return x - step_size * gradient."""
    velocity = -step_size * gradient
    return State(state.x + velocity, velocity)


def resting(x: Vector) -> State:
    """Return the state at x with no velocity."""
    return State(x, np.zeros_like(x))


@dataclass(frozen=True)
class Solver(System):
    """A fixed number of steps of one rule.

    ``learning_rate`` is relative to the problem's curvature (above 2, plain gradient descent diverges on a quadratic);
    ``step_cost_ms`` is slept in each step of each problem, so that a test can plant a latency.
    """

    steps: int
    learning_rate: float = 1.0
    rule: StepRule = gradient_descent
    step_cost_ms: float = 0.0

    def step(self, problem: Problem, state: State) -> State:
        """Return the state one step later."""
        if self.step_cost_ms > 0:
            time.sleep(self.step_cost_ms / 1000)
        return self.rule(state, problem.gradient(state.x), self.learning_rate / problem.curvature)

    def solve(self, problems: Sequence[Problem], starts: Sequence[Vector]) -> list[Solution]:
        """Return one solution per problem; each is solved alone, so none depends on its neighbours."""
        return [self._solve(problem, start) for problem, start in zip(problems, starts, strict=True)]

    def _solve(self, problem: Problem, start: Vector) -> Solution:
        state = resting(start)
        trace = [problem.value(state.x) - problem.minimum]
        for _ in range(self.steps):
            state = self.step(problem, state)
            trace.append(problem.value(state.x) - problem.minimum)
        return Solution(state.x, np.array(trace))
