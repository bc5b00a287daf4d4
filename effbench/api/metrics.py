"""Numbers that plugins declare: metrics of a task, facts and published claims of a method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Axis = Literal["quality", "latency", "memory", "compute", "energy", "preparation", "facts"]


@dataclass(frozen=True)
class Metric:
    """One number that a task reports about quality.

    ``per="sample"`` metrics are the weighted mean of a per-sample scalar of the same name; ``per="set"`` metrics
    (a distance between distributions, a rank correlation) only exist for a whole set of samples. ``undefined`` says why a
    system that ran may have no such number (its score is NaN then): ``not_reached`` a goal, or ``unsupported``. A score that
    is NaN without it is an error of the cell. The unit is plain text of at most 24 characters. ``bounds`` are the least and
    the greatest value that it can have; no interval leaves them. A share lies within (0, 1) without saying so.

    ``slice`` is ``attribute=value``: the metric is then of those samples alone whose ``Sample.slices`` say so (one attack
    species, a class, a range), under the same name. A table shows what is not sliced; the board filters by slice.
    """

    name: str
    unit: str
    higher_is_better: bool
    per: Literal["sample", "set"] = "sample"
    primary: bool = False
    needs_reference: bool = False
    description: str = ""
    undefined: Literal["", "not_reached", "unsupported"] = ""
    bounds: tuple[float, float] | None = None
    slice: str = ""

    @property
    def key(self) -> str:
        """Return what a summary calls the metric: its name, and its slice in brackets where it has one."""
        return f"{self.name}[{self.slice}]" if self.slice else self.name

    @property
    def range(self) -> tuple[float, float]:
        """Return the least and the greatest value that the metric can have, infinite where nothing bounds it."""
        return self.bounds or ((0.0, 1.0) if self.unit == "share" else (-math.inf, math.inf))


class Fact(NamedTuple):
    """A number that a method computes about itself (mean bits, bytes by its own account, labels used): never measured.

    ``before_preparing``: seconds that were spent before the method was prepared and that its price includes (what others had
    computed for it). They are added to the measured ``preparation_s`` as ``preparation_whole_s``. Of a method with a random
    preparation the mean over trainings is shown.
    """

    value: float
    unit: str = ""
    higher_is_better: bool = False
    before_preparing: bool = False


@dataclass(frozen=True)
class Claim:
    """A number that a method's paper published, with the setting it holds in and where it stands.

    ``number`` names our own number that measures the same thing (``speedup``, ``parameter_mb``); ``as_ratio`` says that
    the claim is that number divided by the reference's. ``holds_for`` are the conditions under which the two are
    comparable: ``task``, ``device_class``, ``dtype``, a parameter of the task (``steps``) or of the method itself, or one
    of its ``facts``, each with the value that it must equal; a cell that differs in one of them is shown as not
    comparable, naming it. ``not_comparable`` says why no cell can be; ``holds_for`` then says which come nearest.
    """

    metric: str
    value: float
    unit: str
    setting: str
    source: str
    number: str = ""
    as_ratio: bool = False
    holds_for: Mapping[str, Any] = field(default_factory=dict)
    not_comparable: str = ""
