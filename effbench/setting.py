"""The setting of a cell (``cells/<id>/setting.json``): what the suite asked and what its plugins declared, as plain data.

Together with a cell's raw parts it is all that its record follows from (``effbench.numbers``), so that every number can be
made again where the plugins are not installed.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from effbench.api import Metric
from effbench.record import Count, Identity, Integer, PublishedClaim, Reason, Record, Stopping

SCHEMA = "effbench/setting/1"


class DeclaredMetric(Record):
    """A metric that the suite asks for (``effbench.api.Metric``); a bound that is None is infinite."""

    name: str
    unit: str
    higher_is_better: bool
    per: Literal["sample", "set"]
    primary: bool
    needs_reference: bool
    undefined: Literal["", "not_reached", "unsupported"]
    least: float | None
    most: float | None
    slice: str = ""

    @classmethod
    def of(cls, metric: Metric) -> DeclaredMetric:
        """Return what a record needs of a metric."""
        least, most = (None if math.isinf(end) else float(end) for end in metric.range)
        return cls(
            name=metric.name,
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            per=metric.per,
            primary=metric.primary,
            needs_reference=metric.needs_reference,
            undefined=metric.undefined,
            least=least,
            most=most,
            slice=metric.slice,
        )

    @property
    def metric(self) -> Metric:
        """Return the metric as a task declares it."""
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        return Metric(
            self.name,
            self.unit,
            self.higher_is_better,
            per=self.per,
            primary=self.primary,
            needs_reference=self.needs_reference,
            undefined=self.undefined,
            bounds=(least, most),
            slice=self.slice,
        )


class Asked(Record):
    """What the suite asks to be measured, and at which level."""

    seeds: tuple[Integer, ...]
    ci: float
    resamples: Count
    batch_sizes: tuple[Count, ...] | None
    """Of latency, the primary one first; None: no latency."""
    memory: bool
    flops: bool
    inspect: bool
    energy: bool


class Place(Record):
    """Where a cell is measured; ``calibration`` are the machine's peaks, or ``no_calibration`` why there are none."""

    device: str
    machine: str
    threads: Count
    cpus: tuple[Count, ...] = ()
    calibration: dict[str, Any] | None = None
    no_calibration: Reason = "not_requested"


class Declared(Record):
    """What the plugins of a cell say of themselves."""

    metrics: tuple[DeclaredMetric, ...]
    kernels: tuple[str, ...]
    claims: tuple[PublishedClaim, ...]
    random_weights: bool
    deterministic: bool
    prepares: bool
    trainings: tuple[Integer, ...]
    """Seeds with an artifact of their own; empty where one serves all."""


class Setting(Record):
    """What a cell is, what was asked of it, what its plugins declared, and which rows its numbers are of."""

    setting_schema: str = SCHEMA
    id: str
    suite: str
    task_id: str
    method_id: str
    role: Literal["reference", "method"]
    order: Count
    execution: Literal["real", "simulated"]
    unsupported: str | None
    identity: Identity
    plan_sha256: str
    asked: Asked
    declared: Declared
    place: Place
    samples: tuple[str, ...]
    """Ids of the samples that count, of ``pool`` planned ones."""
    pool: Count
    weights: dict[str, float] | None
    subset: str | None
    certificate: tuple[str, ...]
    resolutions: dict[str, float | None]
    stopping: Stopping | None
    reference_cell: str | None
    scored_against: str
    """The cell whose outputs the scores need, or ``""``."""
