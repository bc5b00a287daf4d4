"""A cell as MLflow would have it: parameters, metrics and tags under the names that its rules allow. Needs no MLflow.

A number is a metric, its bounds are ``NAME.ci_low`` and ``NAME.ci_high``. MLflow has no null: a number without a value is no
metric, and its reason is a tag.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from effbench.record import CellRecord
from effbench.report.caption import machine_text
from effbench.report.standing import SELF_REPORTED
from effbench.report.trust import badge_of

TAG = "effbench."
"""What our tags begin with, so that they stand apart from MLflow's and other people's."""
CONTENT = f"{TAG}content"
"""The tag that tells a cell with this very content: its id and the hash of its record."""
LONGEST_KEY = 200
"""Characters of a key; MLflow's databases hold 250, and bounds add a word."""
LONGEST_VALUE = 1000
"""Characters of a tag or a parameter: below MLflow's own limits (8000 and 6000), and ``mlflow_runs.MOST_ENTRIES`` of them
stay within the million bytes that it takes at a time, whatever letters they are of."""
BOUNDS = ("", ".ci_low", ".ci_high")

_REFUSED = re.compile(r"[^\w.\- ]+")


@dataclass(frozen=True)
class RunContent:
    """What one run holds; times are milliseconds since 1970, None where the record does not say."""

    name: str
    is_failed: bool
    started_ms: int | None
    ended_ms: int | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def content(self) -> str:
        """Return what tells it from every other cell and from the same cell measured anew."""
        return self.tags[CONTENT]


def run_content(cell: CellRecord, machine: Mapping[str, Any], verification: str = SELF_REPORTED) -> RunContent:
    """Return a cell as a run; ``machine`` is what the store knows of the machine that measured it.

    ``verification`` says who else made its numbers again (``report.standing``).
    """
    keys = keys_of((number.name for number in cell.numbers), BOUNDS)
    metrics: dict[str, float] = {}
    missing = {}
    for number in cell.numbers:
        key = keys[number.name]
        if number.value is None:
            missing[f"{TAG}missing.{key}"] = number.reason or "error"
            continue
        for bound, value in zip(BOUNDS, (number.value, number.ci_low, number.ci_high)):
            if value is not None:
                metrics[key + bound] = value
    starts = [ms for attempt in cell.attempts if (ms := milliseconds(attempt.started_utc)) is not None]
    return RunContent(
        name=_short(f"{cell.task_id}/{cell.method_id}"),
        is_failed=cell.status == "failed",
        started_ms=min(starts, default=None),
        ended_ms=milliseconds(cell.finished_utc),
        params=_params(cell),
        metrics=metrics,
        tags={**_tags(cell, machine, verification), **missing},
    )


def _params(cell: CellRecord) -> dict[str, str]:
    """Return what the cell was asked to do: the task's parameters, and those of each link of the method's chain."""
    given: dict[str, Any] = {f"task.{name}": value for name, value in cell.identity.task_params.items()}
    for place, link in enumerate(cell.identity.chain):
        before = f"method{place or ''}"
        given[before] = link.use
        given |= {f"{before}.{name}": value for name, value in {**link.defaulted, **link.passed}.items()}
    given |= {"seeds": list(cell.seeds), "samples": cell.n_samples, "subset": cell.subset}
    given |= {"system_revision": cell.identity.system_revision, "dtype": cell.identity.dtype}
    keys = keys_of(given)
    return {keys[name]: _short(value if isinstance(value, str) else json.dumps(value)) for name, value in given.items()}


def _tags(cell: CellRecord, machine: Mapping[str, Any], verification: str) -> dict[str, str]:
    origin = cell.provenance
    digest = hashlib.sha256(cell.model_dump_json().encode()).hexdigest()
    said = {
        "cell": cell.id,
        "suite": cell.suite,
        "task": cell.task_id,
        "method": cell.method_id,
        "role": cell.role,
        "badge": badge_of(cell),
        "execution": cell.execution,
        "verification": verification,
        "machine": machine_text(origin.machine, machine),
        "device": origin.device,
        "noise": cell.noise.grade if cell.noise else "not recorded",
        "version": origin.effbench_version,
        "code": origin.code_version,
        "commit": origin.git_commit or "unknown",
        "command": origin.command,
        "python": origin.python,
    }
    for what, versions in (("origin", origin.origins), ("package", origin.packages)):
        keys = keys_of(versions)
        said |= {f"{what}.{keys[name]}": version for name, version in versions.items()}
    return {CONTENT: f"{cell.id}-{digest[:16]}", **{TAG + key: _short(value) for key, value in said.items()}}


def keys_of(names: Iterable[str], endings: tuple[str, ...] = ("",)) -> dict[str, str]:
    """Return name -> key: MLflow's letters alone, no two the same, in any case, with any ending.

    ``speedup@b4`` becomes ``speedup.b4`` and ``ap[class=car]`` ``ap.class.car``; where two names would become one, or one is
    too long, the hash of the name stands behind it.
    """
    taken: set[str] = set()
    keys = {}
    for name in names:
        key = _REFUSED.sub(".", name).strip(". ") or "number"
        if len(key) > LONGEST_KEY or any((key + ending).casefold() in taken for ending in endings):
            key = f"{key[:LONGEST_KEY]}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        taken |= {(key + ending).casefold() for ending in endings}
        keys[name] = key
    return keys


def milliseconds(utc: str) -> int | None:
    """Return a time of a record as MLflow counts it; None where it is none."""
    try:
        time = datetime.fromisoformat(utc)
    except ValueError:
        return None
    return max(0, int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
