"""The comparison of what ``Task.run`` returned with what it returned another time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from effbench.api import Output, Sample, reproducible


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
        distance = float(np.linalg.norm(a.astype(np.float64) - b.astype(np.float64)))
        norm = float(np.linalg.norm(b.astype(np.float64)))
        if rtol == 0 or not distance <= rtol * norm:
            return f"{name!r} differs by a vector of norm {distance:.3g}, its own norm is {norm:.3g}"
    return ""


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
