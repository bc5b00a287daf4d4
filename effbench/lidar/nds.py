"""nuScenes' detection score: boxes matched by how far their centres are apart on the ground (Caesar et al. 2020, CVPR).

The rules are those that the benchmark's devkit states. A detection, the surest first, takes the nearest free truth of its
class within 0.5, 1, 2 or 4 metres. Precision over recall is averaged where both exceed a tenth; mAP is the mean over classes
and distances. Errors (of translation, scale, orientation, velocity, attribute) are those of what was found within 2 m,
each averaged over recalls from a tenth to the highest reached. NDS = (5 mAP + sum of 1 - min(1, error)) / 10.

A frame is matched once and counted under any weights; of these only the relation to each other counts. What is equally sure
counts at once, so that no order of frames matters. A class without a truth is left out of every mean (the devkit gives it 0,
since its split has all ten). Velocities and attributes that nobody knows leave their errors, and so NDS, undefined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput, nearest
from effbench.lidar.ap.weights import ROUNDING, copies

DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
"""Between centres on the ground, up to which a detection finds a truth."""
ERRORS_AT = 2
"""Place among the distances of 2 m, at which errors are taken."""
LEAST = 0.1
"""Recall and precision below which nothing counts: what is there is mostly noise."""
RECALLS = np.linspace(0, 1, 101)
MOST_BOXES = 500
"""Per frame, beyond which the benchmark refuses a submission."""
ERRORS = ("ATE", "ASE", "AOE", "AVE", "AAE")
"""Of translation in m, scale (1 - IoU of aligned boxes), orientation in rad, velocity in m/s, attribute (1 - accuracy)."""


class NdsClass(NamedTuple):
    """How far from the sensor a class counts, which errors it has, and after what turn it looks the same."""

    reach_m: float
    errors: tuple[str, ...] = ERRORS
    period_rad: float = 2 * np.pi


NUSCENES = {
    **dict.fromkeys(("car", "truck", "bus", "trailer", "construction_vehicle"), NdsClass(50.0)),
    **dict.fromkeys(("pedestrian", "motorcycle", "bicycle"), NdsClass(40.0)),
    "traffic_cone": NdsClass(30.0, ("ATE", "ASE")),
    "barrier": NdsClass(30.0, ("ATE", "ASE", "AOE"), np.pi),
}


@dataclass(frozen=True)
class NdsBoxes:
    """Truths or detections of one frame.

    Args:
        boxes: float64 ``[n, 7]`` as in ``Frame``.
        classes: names ``[n]``.
        scores: float64 ``[n]`` of detections; of truths nothing is read.
        velocities: float64 ``[n, 2]`` along x and y in m/s, NaN where unknown; empty: all unknown.
        attributes: ``[n]`` such as "vehicle.parked", "" where unknown; empty: all unknown.
        points: int ``[n]``, the LiDAR and radar points of truths: those without any do not count; empty: all have some.
    """

    boxes: Array
    classes: Sequence[str]
    scores: Array = field(default_factory=lambda: np.zeros(0))
    velocities: Array = field(default_factory=lambda: np.zeros((0, 2)))
    attributes: Sequence[str] = ()
    points: Array = field(default_factory=lambda: np.zeros(0, np.int64))


class NdsCounts(NamedTuple):
    """What one frame gives: ``truths`` [C] by class; ``rows`` [K, 11], one per detection.

    Its class, its score, whether it finds a truth at each of the four distances, its five errors (NaN where it has none).
    """

    truths: Array
    rows: Array


def count_nds(truth: NdsBoxes, found: NdsBoxes, classes: Mapping[str, NdsClass] = NUSCENES) -> NdsCounts:
    """Match one frame; raise ``BadInput`` for more than 500 detections and for classes that are not among ``classes``."""
    if len(found.boxes) > MOST_BOXES:
        raise BadInput(
            f"{len(found.boxes)} detections in a frame; nuScenes takes {MOST_BOXES} at most: keep the surest"
        )
    unknown = next((name for name in found.classes if name not in classes), None)
    if unknown is not None:
        raise BadInput(f"detections of class {unknown!r}{nearest(unknown, classes)}")
    truths, rows = np.zeros(len(classes)), [np.zeros((0, 2 + len(DISTANCES_M) + len(ERRORS)))]
    for number, (name, rule) in enumerate(classes.items()):
        ours = _within(truth, name, rule)
        ours = [i for i in ours if not len(truth.points) or truth.points[i] > 0]
        theirs = sorted(_within(found, name, rule), key=lambda i: -found.scores[i])
        truths[number] = len(ours)
        rows.append(_matched(number, rule, truth, ours, found, theirs))
    return NdsCounts(truths, np.concatenate(rows))


def _within(boxes: NdsBoxes, name: str, rule: NdsClass) -> list[int]:
    return [i for i, own in enumerate(boxes.classes) if own == name and np.hypot(*boxes.boxes[i, :2]) < rule.reach_m]


def _matched(
    number: int, rule: NdsClass, truth: NdsBoxes, ours: Sequence[int], found: NdsBoxes, theirs: Sequence[int]
) -> Array:
    rows = np.full((len(theirs), 2 + len(DISTANCES_M) + len(ERRORS)), np.nan)
    rows[:, 0], rows[:, 1], rows[:, 2:6] = number, found.scores[theirs], 0.0
    apart = np.linalg.norm(found.boxes[theirs, None, :2] - truth.boxes[None, ours, :2], axis=2)  # [K, M]
    for place, limit in enumerate(DISTANCES_M):
        taken = np.zeros(len(ours), bool)
        for k in range(len(theirs)):
            free = np.where(taken, np.inf, apart[k])
            if not len(free) or free.min() >= limit:
                continue
            m = int(free.argmin())
            taken[m] = True
            rows[k, 2 + place] = 1.0
            if place == ERRORS_AT:
                rows[k, 6:] = _errors(rule, truth, ours[m], found, theirs[k])
    return rows


def _errors(rule: NdsClass, truth: NdsBoxes, m: int, found: NdsBoxes, k: int) -> list[float]:
    a, b = truth.boxes[m], found.boxes[k]
    common = np.prod(np.minimum(a[3:6], b[3:6]))
    turn = abs((a[6] - b[6] + rule.period_rad / 2) % rule.period_rad - rule.period_rad / 2)
    speed = float("nan")
    if len(truth.velocities) and len(found.velocities):
        speed = float(np.linalg.norm(truth.velocities[m] - found.velocities[k]))
    attribute = float("nan")
    if len(truth.attributes) and truth.attributes[m]:
        attribute = float(not len(found.attributes) or truth.attributes[m] != found.attributes[k])
    known = {
        "ATE": float(np.linalg.norm(a[:2] - b[:2])),
        "ASE": float(1 - common / (np.prod(a[3:6]) + np.prod(b[3:6]) - common)),
        "AOE": float(turn),
        "AVE": speed,
        "AAE": attribute,
    }
    return [known[name] if name in rule.errors else float("nan") for name in ERRORS]


class NdsResult(NamedTuple):
    """mAP and NDS, both from 0 to 1, NaN where undefined; errors by name; average precision by class [4 distances]."""

    mean_ap: float
    nds: float
    errors: dict[str, float]
    by_class: dict[str, Array]

    def without(self, *unknown: str) -> float:
        """Return the score that the weights of NDS make of mAP and the errors that are known, leaving some out, from 0 to 1.

        It is not NDS: what a detector would lose by the errors left out, nobody knows.
        """
        known = [error for name, error in self.errors.items() if name not in unknown]
        true = [1 - min(1.0, error) if error == error else error for error in known]
        return (5 * self.mean_ap + sum(true)) / (5 + len(true))


class NdsCurves:
    """Matched frames, in the order in which their weights come."""

    def __init__(self, frames: Sequence[NdsCounts], classes: Mapping[str, NdsClass] = NUSCENES) -> None:
        self.classes = classes
        self._truths = np.array([frame.truths for frame in frames]).reshape(len(frames), len(classes))
        rows = np.concatenate([frame.rows for frame in frames]) if frames else np.zeros((0, 11))
        frame = np.repeat(np.arange(len(frames)), [len(one.rows) for one in frames])
        order = np.lexsort((-rows[:, 1], rows[:, 0]))
        self._rows, self._frame = rows[order], frame[order]
        self._numbers = {name: number for number, name in enumerate(classes)}
        self._first = np.searchsorted(self._rows[:, 0], np.arange(len(classes) + 1))

    def values(self, weights: Array) -> NdsResult:
        """Return the scores of the frames under weights [F]."""
        by_class: dict[str, Array] = {}
        errors: dict[str, list[float]] = {name: [] for name in ERRORS}
        weights = copies(weights)
        for name in self.classes:
            counted, truths = self._counted(name, weights)
            if truths <= 0:
                continue
            by_class[name] = _over_distances(counted, truths)
            own = self.classes[name].errors
            means = _errors_of(counted, truths, [ERRORS.index(error) for error in own])
            for error, mean in zip(own, means, strict=True):
                errors[error].append(mean)
        mean_ap = float(np.mean([values.mean() for values in by_class.values()])) if by_class else float("nan")
        whole = {name: _mean(found) for name, found in errors.items()}
        true = sum(1 - min(1.0, error) if error == error else error for error in whole.values())
        return NdsResult(mean_ap, (5 * mean_ap + true) / 10, whole, by_class)

    def by_class(self, weights: Array) -> dict[str, Array]:
        """Return the average precision of every class that has a truth under weights [F], at each of the four distances."""
        weights, found = copies(weights), {}
        for name in self.classes:
            counted, truths = self._counted(name, weights)
            if truths > 0:
                found[name] = _over_distances(counted, truths)
        return found

    def _counted(self, name: str, weights: Array) -> tuple[_Counted, float]:
        """Return a class's detections under weights, the surest first, without those of weight 0, and its truths."""
        number = self._numbers[name]
        own = slice(*self._first[number : number + 2])
        weight, rows = weights[self._frame[own]], self._rows[own]
        rows, weight = rows[weight > 0], weight[weight > 0]
        last = np.append(rows[1:, 1] != rows[:-1, 1], np.ones(min(1, len(rows)), bool))
        truths = float(weights @ self._truths[:, number]) if len(weights) else 0.0
        return _Counted(weight, weight[:, None] * rows[:, 2:6], rows[:, 6:], last), truths


class _Counted(NamedTuple):
    weight: Array  # [K]
    hits: Array  # [K, 4], the weight where a truth was found
    errors: Array  # [K, 5]
    last: Array  # bool [K]: the last of its score


def _over_distances(counted: _Counted, truths: float) -> Array:
    """Return the average precision at each distance [4]."""
    return np.array([_precision(hits, counted.weight, counted.last, truths) for hits in counted.hits.T])


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def _precision(hits: Array, weight: Array, last: Array, truths: float) -> float:
    """Return the precision averaged over recalls above a tenth, less a tenth, and scaled so that 1 is the best."""
    if not hits.any():
        return 0.0
    found, all_of_them = hits.cumsum()[last], weight.cumsum()[last]
    at = np.interp(RECALLS, found / truths, found / all_of_them, right=0.0)
    above = at[round(100 * LEAST) + 1 :] - LEAST
    return float(np.maximum(above, 0.0).mean() / (1 - LEAST))


def _errors_of(counted: _Counted, truths: float, places: Sequence[int]) -> list[float]:
    """Return for some errors the running mean, the surest first, averaged over recalls from a tenth on.

    1 where recall stays below; NaN where an error is never known.
    """
    hits = counted.hits[:, ERRORS_AT]
    known = (hits > 0)[:, None] & (counted.errors[:, places] == counted.errors[:, places])
    never = bool(hits.any()) & ~known.any(0)
    recall = hits.cumsum()[counted.last] / truths
    reached = RECALLS[round(100 * LEAST) + 1 :]
    reached = reached[reached <= (recall[-1] if len(recall) else 0.0) + ROUNDING]
    if not len(reached):
        return [float("nan") if unknown else 1.0 for unknown in never]
    total = np.where(known, hits[:, None] * counted.errors[:, places], 0.0).cumsum(0)[counted.last]
    count = np.where(known, hits[:, None], 0.0).cumsum(0)[counted.last]
    found = []
    for own, times, unknown in zip(total.T, count.T, never, strict=True):
        some = times > 0
        found.append(
            float("nan") if unknown else float(np.interp(reached, recall[some], own[some] / times[some]).mean())
        )
    return found
