"""Telling methods where sampling is: when a call and a step begin, and which rows each run of the denoiser holds.

Steps are counted by the scheduler's own ``step``, never by calls of the denoiser: solvers of higher order and guidance in two
calls run it more than once a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from effbench.diffusion.guidance import DenoiserCall, Step
from effbench.diffusion.system import DiffusionSystem


@contextmanager
def observed(system: DiffusionSystem) -> Iterator[None]:
    """Tell a system's observers of the one sampling call that runs inside; without observers nothing is touched.

    The task that runs the system enters it. Afterwards pipeline, scheduler and denoiser are as they were.
    """
    if not system.observers:
        yield
        return
    progress, scheduler = _Progress(system), getattr(system.pipeline, "scheduler", None)
    with ExitStack() as stack:
        for observer in system.observers:
            stack.callback(observer.call_ends)
            observer.call_begins(system)
        if scheduler is not None:
            stack.enter_context(replaced(scheduler, "step", progress.counting(scheduler.step)))
        hook = system.denoiser.register_forward_pre_hook(lambda *_: progress.denoiser_runs(), prepend=True)
        stack.callback(hook.remove)
        yield


class _Progress:
    """How far one sampling call is."""

    def __init__(self, system: DiffusionSystem) -> None:
        self.system = system
        self.evaluations = 0
        """Ended evaluations of the solver: calls of ``scheduler.step``."""
        self.runs = 0
        """Runs of the denoiser since then."""
        self.timesteps: list[float] = []

    def counting(self, step: Any) -> Any:
        """Return a scheduler's ``step`` that counts; its signature stays, which pipelines look at."""

        @wraps(step)
        def counted(*args: Any, **kwargs: Any) -> Any:
            result = step(*args, **kwargs)
            self.evaluations, self.runs = self.evaluations + 1, 0
            return result

        return counted

    def denoiser_runs(self) -> None:
        step = self._step()
        if step.evaluation == self.runs == 0:
            for observer in self.system.observers:
                observer.step_begins(step)
        for observer in self.system.observers:
            observer.denoiser_runs(DenoiserCall(step, self.system.guidance_order, self.runs))
        self.runs += 1

    def _step(self) -> Step:
        scheduler = getattr(self.system.pipeline, "scheduler", None)
        if scheduler is None:  # a denoiser alone: one step, at no noise level in particular
            return Step(0, 1, 0, float("nan"))
        if not self.timesteps:
            self.timesteps = [float(timestep) for timestep in scheduler.timesteps.tolist()]
        per_step = int(scheduler.order)
        index, evaluation = divmod(self.evaluations, per_step)
        return Step(index, -(-len(self.timesteps) // per_step), evaluation, self.timesteps[self.evaluations])


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value for a while; what the instance did not hold itself is its class's again after."""
    held = vars(owner)
    is_held, before = name in held, held.get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before) if is_held else delattr(owner, name)
