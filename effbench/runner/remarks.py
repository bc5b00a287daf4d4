"""What a task says about its own numbers, put beside them as flags: reports print a flag as a footnote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from effbench.api import PluginError, Scores, Task
from effbench.record import Number

LONGEST = 300
"""Characters of a remark; it stands under a table."""


def remarked(numbers: Sequence[Number], task: Task, scores: Scores | None) -> list[Number]:
    """Return the numbers with the task's remarks among their flags; those without a value are left as they are.

    Raises ``PluginError`` where remarks are not what the contract says.
    """
    if scores is None or task.random_weights:
        return list(numbers)
    said = task.remarks(scores)
    for problem in remark_problems(task, said):
        raise PluginError(f"task {task.name!r}: {problem}")
    return [
        replace(number, flags=(*number.flags, *said.get(number.name, ()))) if number.value is not None else number
        for number in numbers
    ]


def remark_problems(task: Task, said: object) -> Iterator[str]:
    """Yield what is wrong with the form of remarks, a sentence each."""
    if not isinstance(said, dict):
        yield f"remarks(scores) returned {type(said).__name__}; return a dict of metric name -> list of sentences"
        return
    names = {metric.name for metric in task.metrics}
    for name, sentences in said.items():
        if name not in names:
            yield f"remarks(scores) speaks of {name!r}, which is not among the metrics; declare it"
        elif not isinstance(sentences, list | tuple):
            yield f"remarks(scores) gives {name!r} as {type(sentences).__name__}; give a list of sentences"
        elif not all(isinstance(s, str) and s.strip() and s.isprintable() and len(s) <= LONGEST for s in sentences):
            yield f"remarks(scores) of {name!r}: a remark is one printable line of 1 to {LONGEST} characters"
