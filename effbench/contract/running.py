"""A task's run as every caller makes it: on samples whose targets the system cannot see, with outputs that are checked."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.api import Output, PluginError, Sample, System, Task, without_target
from effbench.contract.outputs import output_problems


def run_blind(task: Task, system: System, samples: Sequence[Sample], seed: int) -> Sequence[Output]:
    """Return the outputs of a system on samples whose targets it cannot see; raise ``PluginError`` where they are none."""
    blind = [without_target(sample) for sample in samples]
    outputs = task.run(system, blind, seed)
    for problem in output_problems(outputs, blind, "run"):
        raise PluginError(problem)
    return outputs
