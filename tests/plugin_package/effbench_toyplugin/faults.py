"""Methods that fail on purpose, for the tests of the runner. Each wraps a ``Solver`` and strikes where it is told to.

The faults that would never end by themselves have a bound, so that a runner that does not stop them fails its test and
not the machine.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from effbench.api import Artifact, Context, Method, StrictParams, System
from effbench_toyplugin.problems import Problem, Vector
from effbench_toyplugin.solver import Solution, Solver, State

When = Literal["prepare", "apply", "run", "probe"]
Distort = Callable[[list[Solution]], list[Solution]]


@dataclass(frozen=True, kw_only=True)
class FaultySolver(Solver):
    """A solver with a fault before each ``solve`` (what the task's run calls) or each timed ``step`` (its probe)."""

    before_solve: Callable[[], None] = lambda: None
    before_step: Callable[[], None] = lambda: None
    distort: Distort = lambda solutions: solutions

    def step(self, problem: Problem, state: State) -> State:
        """Return the next state, if the fault lets it."""
        self.before_step()
        return self._healthy().step(problem, state)

    def solve(self, problems: Sequence[Problem], starts: Sequence[Vector]) -> list[Solution]:
        """Return the solutions as the fault leaves them."""
        self.before_solve()
        return self.distort(self._healthy().solve(problems, starts))

    def _healthy(self) -> Solver:
        return Solver(**{field.name: getattr(self, field.name) for field in fields(Solver)})


def _faulty(system: Solver, **faults: object) -> FaultySolver:
    healthy = {field.name: getattr(system, field.name) for field in fields(Solver)}
    return FaultySolver(**healthy, **faults)  # type: ignore[arg-type]


class Fault(Method):
    """Base of the faults that strike at a moment: subclasses say what happens in ``strike``."""

    accepts = (Solver,)

    class Params(StrictParams):
        """Parameters of the fault."""

        when: Annotated[When, Field(description="The stage that fails.")] = "run"
        after: Annotated[int, Field(ge=0, description="Calls of run or probe that go well before, per process.")] = 0

    @abstractmethod
    def strike(self) -> None:
        """Fail."""

    def prepare(self, system: Solver, ctx: Context) -> Artifact:
        """Return nothing, if at all."""
        if self.params.when == "prepare":
            self.strike()
        return Artifact()

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the faulty solver, if at all."""
        if self.params.when == "apply":
            self.strike()
        countdown = iter(range(self.params.after))

        def strike_when_due() -> None:
            if next(countdown, None) is None:
                self.strike()

        hooks = {"run": "before_solve", "probe": "before_step"}
        return _faulty(system, **{hook: strike_when_due for when, hook in hooks.items() if when == self.params.when})


class Raises(Fault):
    """Raises RuntimeError."""

    name = "toy-raises"

    def strike(self) -> None:
        """Raise."""
        raise RuntimeError("toy-raises raised, as it was told to")


class Segfault(Fault):
    """Reads address 0, so that the process dies of SIGSEGV."""

    name = "toy-segfault"

    def strike(self) -> None:
        """Die."""
        ctypes.string_at(0)


class KillsItself(Fault):
    """Sends itself SIGKILL, as the kernel does to a process when memory runs out."""

    name = "toy-kills-itself"

    def strike(self) -> None:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Fault):
    """Sleeps until it is stopped."""

    name = "toy-hangs"

    class Params(Fault.Params):
        """Parameters of the fault."""

        bound_s: Annotated[float, Field(gt=0, description="When it gives up waiting to be stopped.")] = 600.0
        stubborn: Annotated[bool, Field(description="Ignore SIGTERM.")] = False

    def strike(self) -> None:
        """Sleep until stopped from outside."""
        if self.params.stubborn:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(self.params.bound_s)
        raise RuntimeError(f"toy-hangs was not stopped within {self.params.bound_s:g} s")


class Allocates(Fault):
    """Allocates memory and touches every page of it until it is stopped."""

    name = "toy-allocates"

    class Params(Fault.Params):
        """Parameters of the fault."""

        chunk_mb: Annotated[int, Field(ge=1, description="Size of one allocation.")] = 64
        bound_mb: Annotated[int, Field(ge=1, description="When it gives up waiting to be stopped.")] = 8192

    def strike(self) -> None:
        """Allocate until stopped from outside, or until numpy raises MemoryError."""
        chunks: list[np.ndarray[tuple[int], np.dtype[np.uint8]]] = []
        while len(chunks) * self.params.chunk_mb < self.params.bound_mb:
            chunks.append(np.ones(self.params.chunk_mb * 2**20, dtype=np.uint8))
        raise RuntimeError(f"toy-allocates was not stopped within {self.params.bound_mb} MB")


class WrongCount(Method):
    """Loses the last output of every batch."""

    name = "toy-wrong-count"
    accepts = (Solver,)

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the solver that loses outputs."""
        return _faulty(system, distort=lambda solutions: solutions[:-1])


class NotANumber(Method):
    """Gives NaN for every output, in the right shapes."""

    name = "toy-nan"
    accepts = (Solver,)

    def apply(self, system: Solver, artifact: Artifact) -> System:
        """Return the solver that gives NaN."""
        return _faulty(
            system,
            distort=lambda solutions: [Solution(s.x * np.nan, s.trace * np.nan) for s in solutions],
        )
