"""The schema of what a cell leaves on disk (``cells/<id>/cell.json``), versioned and readable for ever.

A number that could not be measured is ``value: null`` with a ``reason`` from a closed list, never 0 and never absent.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

SCHEMA = "effbench/cell/3"
"""Version of the record. 2 added ``checks``, ``noise``, replicates among the files, and threads and cores of a provenance; 3
groups, trainings, slices, facts, who verified it, and a setting beside it."""

IDENTITY_SCHEMA = "effbench/cell/1"
"""Version of what a cell's id hashes; a new field of the record does not make another cell of it."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Integer = Annotated[int, Field(ge=-(2**63), lt=2**64)]

Reason = Literal[
    "simulated",
    "unsupported",
    "oom",
    "timeout",
    "signal",
    "error",
    "not_requested",
    "too_few_samples",
    "random_weights",
    "no_reference",
    "no_device",
    "not_reached",
    "unverified",
    "noisy_machine",
]
AxisName = Literal["quality", "latency", "memory", "compute", "energy", "preparation", "facts"]


class Record(BaseModel):
    """Base of everything written to disk: unknown keys are kept out, values are never changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Number:
    """One measured number, or the reason why there is none. ``ci_low``/``ci_high`` bound it at the suite's level.

    Most of a record is its numbers: slotted they are a third of the objects of a model, read in three quarters of the time.
    """

    name: str
    axis: AxisName
    unit: str
    value: float | None
    n: Count = 0
    ci_low: float | None = None
    ci_high: float | None = None
    ci_method: str = ""
    higher_is_better: bool
    primary: bool = False
    reason: Reason | None = None
    flags: tuple[str, ...] = ()
    slice: str = ""
    """``attribute=value`` where it is of those samples alone, ``""`` where it is of all."""
    units: str = ""
    """What ``n`` counts, where it is not plain samples or calls: ``groups`` of samples that depend on each other."""

    def without_value(self, reason: Reason) -> Number:
        """Return the number with its value withheld for ``reason``."""
        return replace(self, value=None, n=0, ci_low=None, ci_high=None, ci_method="", reason=reason)


class Link(Record):
    """One method of a chain, with the parameters that the suite passed apart from those left at their default."""

    use: str
    passed: dict[str, Any] = {}
    defaulted: dict[str, Any] = {}


class Identity(Record):
    """What a cell is: the fields that its id hashes, and nothing else."""

    schema_version: str = IDENTITY_SCHEMA
    task: str
    task_params: dict[str, Any]
    system_revision: str
    chain: tuple[Link, ...]
    device_class: str
    dtype: str

    @property
    def cell_id(self) -> str:
        """Return the id of a cell; whether a parameter was passed or defaulted to the same value makes no difference."""
        content = self.model_dump(mode="json")
        content["chain"] = [[link.use, {**link.defaulted, **link.passed}] for link in self.chain]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class PublishedClaim(Record):
    """A number that a method's paper published (``effbench.api.Claim``), as a record holds it."""

    metric: str
    value: float
    unit: str
    setting: str
    source: str
    number: str = ""
    as_ratio: bool = False
    holds_for: dict[str, Any] = {}
    not_comparable: str = ""


class Attempt(Record):
    """One try at one job of the cell, successful or not."""

    job: str
    status: Literal["done", "failed"]
    reason: Reason | None = None
    message: str = ""
    started_utc: str
    seconds: float


class Provenance(Record):
    """Where the numbers come from."""

    effbench_version: str
    git_commit: str | None
    git_dirty: bool | None
    code_version: str
    origins: dict[str, str]
    packages: dict[str, str]
    python: str
    machine: str
    device: str
    command: str
    threads: Count | None = None
    cpus: tuple[Count, ...] = ()


class Check(Record):
    """One honesty check of a cell: ``fail`` where the evidence contradicts the method, ``unknown`` where there is none."""

    name: Literal["same_object", "kernels", "resident_bytes", "repeats"]
    status: Literal["pass", "fail", "unknown"]
    message: str


class Noise(Record):
    """How quiet the machine was during the latency rounds of a cell; shares are of all processor time, worst round first.

    ``grade`` is A, B or C; ``clock_spread`` is the spread of a fixed piece of work timed between turns; None: unreadable.
    """

    grade: Literal["A", "B", "C"]
    foreign_share: float | None = None
    steal_share: float | None = None
    clock_spread: float | None = None
    load: float | None = None
    throttled: bool | None = None
    reasons: tuple[str, ...] = ()


class Stopping(Record):
    """How sampling ended under ``stop: when_resolved``: the difference of ``metric`` to the reference after ``n`` samples.

    ``value`` is method - reference; its interval holds whenever one stops, for all ``comparisons`` of the task together at
    ``level``. None where nothing can be said.
    """

    metric: str
    verdict: Literal["better", "worse", "within resolution", "undecided"]
    n: Count
    pool: Count
    value: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    comparisons: Count
    how: Literal["betting", "asymptotic"]
    resolution: float | None = None


class CellRecord(Record):
    """A finished cell (or one that failed and says why); the only file that reports read."""

    record_schema: str = SCHEMA
    id: str
    status: Literal["complete", "failed"]
    suite: str
    task_id: str
    method_id: str
    role: Literal["reference", "method"]
    order: Count
    execution: Literal["real", "simulated"]
    identity: Identity
    plan_sha256: str
    seeds: tuple[Integer, ...]
    n_samples: Count
    n_groups: Count = 0
    """Independent units among the samples (scenes, identities); 0 in records of before schema 3, where each was one."""
    trainings: tuple[Integer, ...] = ()
    """Seeds that were prepared each by itself; empty where one artifact serves all."""
    subset: str | None
    certificate: tuple[str, ...] = ()
    """What is certified of the subset, a sentence per metric and kind of split."""
    resolutions: dict[str, float | None] = {}
    """Metric -> the difference below which the subset cannot be trusted with an order; None: whatever the difference."""
    has_weights: bool = False
    """Whether the subset's samples weigh differently in the quality numbers."""
    stopping: Stopping | None = None
    """What was decided, where the suite stops when it is resolved; ``n_samples`` is then what the cell ran on."""
    numbers: tuple[Number, ...]
    reference_cell: str | None
    files: dict[str, str]
    artifact_sha256: str | None
    probe_sha256: dict[str, str]
    claims: tuple[PublishedClaim, ...] = ()
    checks: tuple[Check, ...] = ()
    noise: Noise | None = None
    kernels: tuple[str, ...] = ()
    """Kernels of ours that were seen to run in a call, ``op/engine`` each: what ``auto`` chose here."""
    attempts: tuple[Attempt, ...]
    provenance: Provenance
    finished_utc: str
    verified_by: str = "self-reported"
    """Who made the numbers again from the parts, or ran the method again; the word where nobody did."""
