"""Ranges of timesteps: equal parts of the solver's steps, each with weights and scales of its own."""

from __future__ import annotations

from effbench.diffusion import SamplingObserver, Step


class TimestepRanges(SamplingObserver):
    """Which of ``count`` ranges sampling is in; range 0 holds the first steps, which are the noisiest."""

    def __init__(self, count: int = 1) -> None:
        if count < 1:
            raise ValueError(f"there is at least one range of timesteps, got {count}")
        self.count = count
        self.current = 0

    def of(self, step: Step) -> int:
        """Return the range that a step is in."""
        return min(step.index * self.count // step.count, self.count - 1)

    def step_begins(self, step: Step) -> None:
        """Enter the step's range."""
        self.current = self.of(step)

    def call_ends(self) -> None:
        """Return to the first range."""
        self.current = 0
