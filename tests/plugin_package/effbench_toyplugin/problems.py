"""Functions with known minima, and where a solver starts on them: the input of the task ``toy-minimise``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from effbench.api import Sample, noise_seed

Vector = np.ndarray[tuple[int], np.dtype[np.float64]]
START_RADIUS = 1.0


@dataclass(frozen=True)
class Problem:
    """A function of a vector x [dim] whose minimum is known.

    ``curvature`` bounds the largest Hessian eigenvalue where solvers go, so that one relative learning rate suits all.
    """

    value: Callable[[Vector], float]
    gradient: Callable[[Vector], Vector]
    minimiser: Vector
    minimum: float
    curvature: float


def quadratic(centre: Vector, hessian: np.ndarray[tuple[int, int], np.dtype[np.float64]], curvature: float) -> Problem:
    """Return f(x) = (x - c)' H (x - c) / 2, with f* = 0 at c."""
    return Problem(
        value=lambda x: float(0.5 * (x - centre) @ hessian @ (x - centre)),
        gradient=lambda x: hessian @ (x - centre),
        minimiser=centre,
        minimum=0.0,
        curvature=curvature,
    )


def random_quadratic(sample_id: str, dim: int, condition: float) -> Problem:
    """Return a convex quadratic of that condition number; its axes and centre are drawn from the sample's id."""
    rng = np.random.default_rng(noise_seed(f"shape of {sample_id}", seed=0))
    axes, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    eigenvalues = np.geomspace(1.0, condition, dim)
    return quadratic(rng.standard_normal(dim), (axes * eigenvalues) @ axes.T, condition)


def rosenbrock(dim: int) -> Problem:
    """Return sum_i 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2, a bent valley with f* = 0 at (1, ..., 1)."""

    def value(x: Vector) -> float:
        return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))

    def gradient(x: Vector) -> Vector:
        bend = x[1:] - x[:-1] ** 2
        slope = np.zeros_like(x)
        slope[:-1] = -400.0 * x[:-1] * bend - 2.0 * (1.0 - x[:-1])
        slope[1:] += 200.0 * bend
        return slope

    return Problem(value, gradient, np.ones(dim), 0.0, curvature=5200.0)


def himmelblau() -> Problem:
    """Return (x^2 + y - 11)^2 + (x + y^2 - 7)^2, whose four minima are all 0; solvers start near (3, 2)."""

    def residuals(x: Vector) -> tuple[float, float]:
        return x[0] ** 2 + x[1] - 11.0, x[0] + x[1] ** 2 - 7.0

    def value(x: Vector) -> float:
        a, b = residuals(x)
        return float(a**2 + b**2)

    def gradient(x: Vector) -> Vector:
        a, b = residuals(x)
        return np.array([4.0 * a * x[0] + 2.0 * b, 2.0 * a + 4.0 * b * x[1]])

    return Problem(value, gradient, np.array([3.0, 2.0]), 0.0, curvature=180.0)


def problem_of(sample: Sample) -> Problem:
    """Return the problem that a sample describes (``data``: family, dim and, for quadratics, condition)."""
    data = sample.data
    match data["family"]:
        case "quadratic":
            return random_quadratic(sample.id, data["dim"], data["condition"])
        case "rosenbrock":
            return rosenbrock(data["dim"])
        case "himmelblau":
            return himmelblau()
    raise ValueError(f"sample {sample.id!r} has the unknown family {data['family']!r}")


def start_of(sample: Sample, problem: Problem, seed: int) -> Vector:
    """Return the start [dim], ``START_RADIUS`` away from the minimiser in a direction that (sample id, seed) decide."""
    direction = np.random.default_rng(noise_seed(sample.id, seed)).standard_normal(problem.minimiser.shape)
    return problem.minimiser + START_RADIUS * direction / np.linalg.norm(direction)
