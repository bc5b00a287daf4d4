"""What is evaluated and what comes of it: samples, outputs, scores, and how scores become numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from effbench.api.metrics import Metric

Split = Literal["calibration", "validation", "evaluation"]

Output = Mapping[str, "np.ndarray[Any, Any]"]
"""What a system makes of one sample: named numpy arrays, so that any output can be hashed, stored and compared.

Arrays whose name ends in ``_s`` hold seconds: they are kept and scored, but two runs need not agree on them.
"""


@dataclass(frozen=True)
class Sample:
    """One unit of evaluation (a prompt, a frame, an architecture, a molecule) under an id that never changes meaning.

    ``group`` names what samples have in common that makes them depend on each other (a scene, an identity, a subject, a
    video); samples without one stand alone. Groups are what is resampled, permuted and counted, and no group is in two
    splits. ``target`` is the truth: scores see it, ``Task.run`` never does. ``slices`` are attribute -> value, by which
    sliced metrics choose their samples.
    """

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    target: Any = None
    slices: Mapping[str, str] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """Return the unit of independence that the sample belongs to: its group, else its own id."""
        return self.group or self.id


@dataclass(frozen=True)
class Scores:
    """Scores of n outputs: ``scalars[name]`` is float64 [n] (NaN where undefined), ``arrays[name]`` a list of n arrays.

    Arrays (features, boxes, series) may differ in shape from sample to sample; they feed the metrics of a whole set.
    The runner fills in the rest before it asks for a summary: ``thresholds[name]`` is float64 [n], for each row what
    ``Task.thresholds`` froze for the training that it comes from; ``slices[attribute]`` are n values, ``""`` for none.
    """

    scalars: Mapping[str, np.ndarray[Any, Any]]
    arrays: Mapping[str, Sequence[np.ndarray[Any, Any]]] = field(default_factory=dict)
    thresholds: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def within(self, metric: Metric) -> np.ndarray[Any, Any]:
        """Return which of the n rows a metric is of [n], all where it has no slice."""
        import numpy as np

        count = next((len(values) for values in (*self.scalars.values(), *self.arrays.values())), 0)
        if not metric.slice:
            return np.ones(count, bool)
        attribute, _, value = metric.slice.partition("=")
        return np.array([found == value for found in self.slices.get(attribute, [""] * count)], bool)


Summariser = Callable[["np.ndarray[Any, Any]"], dict[str, float]]
"""Weights [n], not normalised -> metric key -> value; what cannot be computed is left out."""


def weighted_means(metrics: Sequence[Metric], scores: Scores) -> Summariser:
    """Return what gives the weighted mean of every per-sample metric, over the samples of its slice where it is defined."""
    import numpy as np

    columns = {}
    for metric in metrics:
        if metric.per == "sample" and metric.name in scores.scalars:
            values = scores.scalars[metric.name]
            known = scores.within(metric) & ~np.isnan(values)
            columns[metric.key] = (known, values[known]) if not known.all() else (None, values)

    def summarise(weights: np.ndarray[Any, Any]) -> dict[str, float]:
        found = {}
        for key, (known, values) in columns.items():
            chosen = weights if known is None else weights[known]
            total = chosen.sum()
            if total > 0:
                found[key] = float((values * chosen).sum() / total)
        return found

    return summarise


def select(scores: Scores, rows: Sequence[int] | np.ndarray[Any, Any]) -> Scores:
    """Return the scores of some rows, in their order."""
    import numpy as np

    index = np.asarray(rows, np.intp)
    return Scores(
        {name: values[index] for name, values in scores.scalars.items()},
        {name: [arrays[i] for i in index] for name, arrays in scores.arrays.items()},
        {name: values[index] for name, values in scores.thresholds.items()},
        {name: [values[i] for i in index] for name, values in scores.slices.items()},
    )


def reproducible(output: Output) -> Output:
    """Return an output without its times, on which no two runs agree."""
    return {name: array for name, array in output.items() if not str(name).endswith("_s")}


def noise_seed(sample_id: str, seed: int) -> int:
    """Return the 63-bit seed of a sample's own random generator: a hash of (sample id, seed) and of nothing else."""
    digest = hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
