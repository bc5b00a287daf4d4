"""The comparison of what ``Task.run`` returned with what it returned another time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from effbench.api import Output, Sample, reproducible

TIME = re.compile(
    r"(^|_)(times?|timings?|seconds|secs?|elapsed|durations?|took|wall|latency|runtime|ms|us|ns)(_|$)", re.IGNORECASE
)
"""Words of a name that suggest a time."""


def difference(ours: Output, theirs: Output, rtol: float) -> str:
    """Return "" where two outputs agree, else what differs; times are not compared.

    ``rtol=0`` demands equal bytes. Otherwise the Euclidean norm of the difference of an array may be ``rtol`` times
    that of the array in ``theirs``.
    """
    ours, theirs = reproducible(ours), reproducible(theirs)
    if ours.keys() != theirs.keys():
        return f"arrays {sorted(ours)} against {sorted(theirs)}"
    for name in ours:
        a, b = np.asarray(ours[name]), np.asarray(theirs[name])
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{name!r} is {a.dtype} {list(a.shape)} against {b.dtype} {list(b.shape)}"
        if a.tobytes() == b.tobytes():
            continue
        distance, norm = _distance(a, b)
        if rtol == 0 or not distance <= rtol * norm:
            return (
                f"{name!r} differs by a vector of norm {distance:.3g}, its own norm is {norm:.3g}{_named_as_time(name)}"
            )
    return ""


def _named_as_time(name: str) -> str:
    """Return what to do about an array that seems to hold times under a name that demands equal bytes, or ""."""
    if not TIME.search(name):
        return ""
    return "; if it holds times, give them in seconds under a name ending in _s, which two runs need not agree on"


def _distance(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the Euclidean norm of the difference of two arrays, and that of the second."""
    one, other = a.astype(np.float64), b.astype(np.float64)
    return float(np.linalg.norm(one - other)), float(np.linalg.norm(other))


def rounding(run: Any, batch: Sequence[Sample]) -> float:
    """Return how far an output depends on its batch mates at most, relative to its norm; 0: equal bytes.

    Infinity where outputs differ by more than numbers.
    """
    together = run(batch)
    others = [run([sample])[0] for sample in batch], list(reversed(run(list(reversed(batch)))))
    largest = 0.0
    for outputs in others:
        for mine, theirs in zip(outputs, together, strict=True):
            mine, theirs = reproducible(mine), reproducible(theirs)
            if {name: np.shape(mine[name]) for name in mine} != {name: np.shape(theirs[name]) for name in theirs}:
                return math.inf
            for name in mine:
                distance, norm = _distance(np.asarray(mine[name]), np.asarray(theirs[name]))
                largest = max(largest, distance / norm if norm else math.inf if distance else 0.0)
    return largest


def first_difference(ours: Sequence[Output], theirs: Sequence[Output], batch: Sequence[Sample], rtol: float) -> str:
    """Return "" where two runs on a batch agree, else the first sample and what differs there."""
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs against {len(theirs)}"
    for mine, other, sample in zip(ours, theirs, batch, strict=True):
        found = difference(mine, other, rtol)
        if found:
            return f"sample {sample.id!r}: {found}"
    return ""


def mates_matter(run: Any, batch: Sequence[Sample], together: Sequence[Output], rtol: float) -> str:
    """Return "" where ``run(batch)`` gives each sample alone, and all in reverse, what it gave ``together``."""
    reverse = list(reversed(run(list(reversed(batch)))))
    alone = [output for sample in batch for output in run([sample])]
    return first_difference(alone, together, batch, rtol) or first_difference(reverse, together, batch, rtol)
