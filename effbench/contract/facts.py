"""What ``Method.facts`` and ``Task.thresholds`` must return: finite numbers under well-formed names."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from effbench.api import Fact, Task
from effbench.catalogue import is_ours
from effbench.contract.declarations import METRIC_NAME, unit_problems


def fact_problems(facts: object, known: Collection[str], task: Task) -> Iterator[str]:
    """Yield what is wrong with facts; ``known`` are the names that links before have given."""
    if not isinstance(facts, Mapping):
        yield f"facts returned {type(facts).__name__}; return a mapping from name to effbench.api.Fact or a number"
        return
    metrics = {metric.name for metric in task.metrics}
    for name, fact in facts.items():
        if not (isinstance(name, str) and METRIC_NAME.fullmatch(name)):
            yield f"the fact {name!r} is not lower-case words joined by underscores, such as 'mean_bits'"
        elif is_ours(name) or name in metrics:
            yield f"the fact {name!r} has the name of a number that is measured; choose another"
        elif name in known:
            yield f"the fact {name!r} is given by an earlier method of the chain too; choose another name"
        else:
            value: Any = fact.value if isinstance(fact, Fact) else fact
            yield from _number_problems(f"the fact {name!r}", value)
            yield from unit_problems(f"the fact {name!r}", fact.unit if isinstance(fact, Fact) else "")
            if isinstance(fact, Fact) and fact.before_preparing and fact.unit != "s":
                yield f"the fact {name!r} was spent before preparing, in {fact.unit or 'no unit'}; give seconds (unit 's')"


def threshold_problems(found: object) -> Iterator[str]:
    """Yield what is wrong with what ``thresholds`` returned."""
    if not isinstance(found, Mapping):
        yield f"thresholds returned {type(found).__name__}; return a mapping from name to number"
        return
    for name, value in found.items():
        if not (isinstance(name, str) and METRIC_NAME.fullmatch(name)):
            yield f"the threshold {name!r} is not lower-case words joined by underscores"
        else:
            yield from _number_problems(f"the threshold {name!r}", value)


def _number_problems(what: str, value: Any) -> Iterator[str]:
    try:
        is_finite = not isinstance(value, bool | str) and math.isfinite(float(value))
    except (TypeError, ValueError):
        is_finite = False
    if not is_finite:
        yield f"{what} is {value!r}; give a finite number"
