"""A method that games the clock, for the tests of the honesty checks: it remembers answers instead of computing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from effbench.api import Artifact, Method, System
from effbench_toyplugin.problems import Problem, Vector
from effbench_toyplugin.solver import Solution, Solver


@dataclass(frozen=True)
class RememberingSolver(Solver):
    """A solver that solves each start once and then answers from memory."""

    answers: dict[bytes, Solution] = field(default_factory=dict)

    def solve(self, problems: Sequence[Problem], starts: Sequence[Vector]) -> list[Solution]:
        """Return one solution per problem, remembered where the same start was solved before."""
        found = []
        for problem, start in zip(problems, starts, strict=True):
            key = start.tobytes()
            if key not in self.answers:
                self.answers[key] = super().solve([problem], [start])[0]
            found.append(self.answers[key])
        return found


class Remembers(Method):
    """Answer a repeated sample from memory: right every time, and fast only for a benchmark that repeats itself."""

    name = "toy-remembers"
    accepts = (Solver,)

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the solver with a memory."""
        return RememberingSolver(**{f.name: getattr(system, f.name) for f in fields(Solver)})
