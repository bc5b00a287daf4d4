"""Checks of what ``Task.run`` returns, and the comparison of two such returns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from effbench.api import Output, Sample, reproducible


def output_problems(outputs: object, batch: Sequence[Sample], call: str) -> Iterator[str]:
    """Yield violations unless ``outputs`` is one mapping of storable, finite numpy arrays per sample."""
    if not isinstance(outputs, Sequence):
        yield f"{call} returned {type(outputs).__name__}; expected a list with one mapping of numpy arrays per sample"
        return
    if len(outputs) != len(batch):
        yield f"{call} returned {len(outputs)} outputs for {len(batch)} samples; return one per sample, in their order"
        return
    for output, sample in zip(outputs, batch, strict=True):
        if not (isinstance(output, Mapping) and output):
            yield f"{call} returned {type(output).__name__} for {sample.id!r}; expected a mapping of numpy arrays"
            return
        if output.keys() != outputs[0].keys():
            yield f"{call} names the arrays of {sample.id!r} {sorted(output)} and others {sorted(outputs[0])}; agree"
            return
    for name in outputs[0]:
        yield from _array_problems([output[name] for output in outputs], f"{call}: array {name!r}")


def _array_problems(values: Sequence[Any], what: str) -> Iterator[str]:
    """Yield the first violation among the arrays of one name."""
    for value in values:
        if not isinstance(value, np.ndarray):
            yield f"{what} is {type(value).__name__}; convert it to a numpy array"
            return
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            yield f"{what} has dtype {value.dtype}, which has no file format; use booleans, integers or floats up to 64 bits"
            return
        if not np.isfinite(value).all():
            yield f"{what} holds NaN or infinity; a system must give finite outputs on the samples of its task"
            return


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
            return f"{name!r} differs by a vector of norm {distance:.3g}, its own norm is {norm:.3g}"
    return ""


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
