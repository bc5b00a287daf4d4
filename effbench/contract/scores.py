"""What ``Task.score`` and ``Task.summariser`` must return: a number, or a declared reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from effbench.api import Metric, Sample, Scores

RTOL = 1e-6
"""How far two summaries of the same weighted samples may differ: rounding, also that of a root of a tiny eigenvalue."""


def score_problems(
    metrics: Sequence[Metric],
    scores: object,
    batch: Sequence[Sample],
    *,
    with_reference: bool,
    random_weights: bool = False,
) -> Iterator[str]:
    """Yield what is wrong with the form of the scores of a batch; ``random_weights``: no score can mean anything."""
    call, count = f"score with {'a' if with_reference else 'no'} reference", len(batch)
    if not isinstance(scores, Scores):
        yield f"{call} returned {type(scores).__name__}; return effbench.api.Scores"
        return
    if not isinstance(scores.scalars, Mapping) or not isinstance(scores.arrays, Mapping):
        yield f"{call} returned Scores whose scalars or arrays are no mapping from names"
        return
    per_sample = {metric.name: metric for metric in reversed(metrics) if metric.per == "sample"}.values()
    for metric in per_sample:
        if metric.name not in scores.scalars:
            yield f"{call} lacks the per-sample metric {metric.name!r}; give NaN where it is undefined"
    for name, values in scores.scalars.items():
        if not (isinstance(values, np.ndarray) and values.shape == (count,) and values.dtype.kind == "f"):
            form = f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else type(values).__name__
            yield f"{call} gives {name!r} as {form}; expected a float64 array [{count}]"
    for metric in per_sample:
        scored = scores.scalars.get(metric.name)
        if not (isinstance(scored, np.ndarray) and scored.shape == (count,) and scored.dtype.kind == "f"):
            continue
        may_be_nan = random_weights or metric.undefined or (metric.needs_reference and not with_reference)
        if np.isnan(scored).any() and not may_be_nan:
            where = batch[int(np.isnan(scored).argmax())].id
            yield (
                f"{call} gives NaN for {metric.name!r} of sample {where!r}; only needs_reference metrics without a "
                "reference may be NaN, and those that say why they may be `undefined`"
            )
        if np.isinf(scored).any():
            where = batch[int(np.isinf(scored).argmax())].id
            yield f"{call} gives infinity for {metric.name!r} of sample {where!r}; a mean would not exist, bound it"
    for name, arrays in scores.arrays.items():
        if isinstance(arrays, str) or not (hasattr(arrays, "__len__") and hasattr(arrays, "__iter__")):
            yield f"{call} gives the arrays {name!r} as {type(arrays).__name__}; give {count} numpy arrays, one per sample"
        elif len(arrays) != count or not all(isinstance(array, np.ndarray) for array in arrays):
            yield f"{call} gives the arrays {name!r} in another form than {count} numpy arrays; give one per sample"
        elif any(array.dtype.kind not in "biuf" for array in arrays):
            yield f"{call} gives the arrays {name!r} with a dtype that has no file format; use booleans, integers or floats"


def mean_problems(
    metrics: Sequence[Metric], scores: Scores, weights: np.ndarray[Any, Any], summary: Mapping[str, float]
) -> Iterator[str]:
    """Yield a violation per metric declared per sample whose summary is not the weighted mean [n] of its scores.

    Methods are compared by their scores, so that a value which is something else would contradict its own differences.
    A metric with samples where it is undefined is left out: what its mean is of is the task's to say.
    """
    for metric in metrics:
        found = scores.scalars.get(metric.name)
        if metric.per != "sample" or metric.key not in summary or found is None or np.isnan(found).any():
            continue
        within = scores.within(metric)
        if not weights[within].sum() > 0:
            continue
        value, mean = summary[metric.key], float(np.average(found[within], weights=weights[within]))
        if not math.isclose(value, mean, rel_tol=RTOL, abs_tol=RTOL):
            yield f"{metric.key!r} is {value:g}, the weighted mean of its scores {mean:g}; declare it per='set'"


def summary_problems(
    metrics: Sequence[Metric], summary: object, *, with_reference: bool = True, random_weights: bool = False
) -> Iterator[str]:
    """Yield violations unless a summary maps declared metrics to finite floats, with every computable one among them."""
    if not isinstance(summary, Mapping):
        yield f"the summary is {type(summary).__name__}; return a dict from metric key to float"
        return
    declared = {metric.key: metric for metric in metrics}
    for name, value in summary.items():
        if name not in declared:
            yield f"the summary gives {name!r}, which is not among the metrics; declare it"
        elif not isinstance(value, float | int) or isinstance(value, bool):
            yield f"the summary gives {name!r} as {type(value).__name__}; convert it to float"
        elif math.isnan(value):
            yield f"the summary gives {name!r} as NaN; leave out what cannot be computed"
        elif math.isinf(value):
            yield f"the summary gives {name!r} as infinity; leave out what cannot be computed"
        elif not declared[name].range[0] - RTOL <= value <= declared[name].range[1] + RTOL:
            least, most = declared[name].range
            yield f"the summary gives {name!r} as {value:g}, outside of its bounds {least:g} to {most:g}"
    for metric in metrics:
        excused = random_weights or metric.undefined or metric.slice or (metric.needs_reference and not with_reference)
        if metric.key not in summary and not excused and (metric.per == "sample" or metric.primary):
            what = "per-sample metric" if metric.per == "sample" else "primary metric"
            yield (
                f"the summary leaves out the {what} {metric.key!r}; compute it, say why it may be `undefined`, "
                "or give it more samples"
            )
