"""What ``Task.remarks`` must return: sentences by metric, which become footnotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from effbench.api import Metric

LONGEST = 300
"""Characters of a remark; it stands under a table."""


def remark_problems(metrics: Sequence[Metric], said: object) -> Iterator[str]:
    """Yield what is wrong with the form of remarks, a sentence each."""
    if not isinstance(said, dict):
        yield f"remarks returned {type(said).__name__}; return a dict of metric name -> list of sentences"
        return
    names = {metric.key for metric in metrics}
    for name, sentences in said.items():
        if name not in names:
            yield f"remarks speaks of {name!r}, which is not among the metrics; declare it"
        elif not isinstance(sentences, list | tuple):
            yield f"remarks gives {name!r} as {type(sentences).__name__}; give a list of sentences"
        elif not all(isinstance(s, str) and s.strip() and s.isprintable() and len(s) <= LONGEST for s in sentences):
            yield f"remarks gives {name!r} what is no printable line of 1 to {LONGEST} characters; say it in one sentence"
