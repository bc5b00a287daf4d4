"""The numbers of ``lidar-detection``, and the rule that each is counted by."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from effbench.api import Metric
from effbench.lidar.ap.rules import LOOSE_IOU, STRICT_IOU, ApRule, View
from effbench.lidar.frames import CLASSES
from effbench.lidar.nds import NdsClass

Sum = Literal["r40", "r11", "area"]

RANGES_M = ((0.0, 20.0), (20.0, 40.0), (40.0, math.inf))
"""Distances from the sensor by which the average precision is told apart: a car has some 1,000, 100 and 20 points there."""

WELL_SEEN_POINTS = 50
"""Points in a box from which on a detector that was trained elsewhere is asked to find it."""

CENTRE_CLASSES = {
    "Car": NdsClass(50.0, ("ATE", "ASE", "AOE")),
    "Pedestrian": NdsClass(40.0, ("ATE", "ASE", "AOE")),
    "Cyclist": NdsClass(40.0, ("ATE", "ASE", "AOE")),
}
"""nuScenes' reaches; frames without time know no velocity and no attribute, so that there is no NDS of them."""

UNKNOWN_ERRORS = ("AVE", "AAE")
"""What NDS asks for beside, and no detector here says: velocities and attributes."""
CENTRE_SCORE = "nds_without_ave_aae"
CENTRE_ERRORS = {
    "centre_ate_m": ("ATE", "m", "distance between centres on the ground"),
    "centre_ase": ("ASE", "share", "1 - IoU of the boxes put on each other"),
    "centre_aoe_rad": ("AOE", "rad", "angle between headings"),
}
"""Metric -> NDS's error, its unit, and what it is."""


class Counted(NamedTuple):
    """One average precision: its metric's name, the rule, how the curve becomes a number, and what a reader is told."""

    name: str
    rule: ApRule
    how: Sum
    said: str


def _of(name: str) -> list[Counted]:
    short, strict, loose = name.lower(), STRICT_IOU[name], LOOSE_IOU[name]
    text = f"{name}, 3D IoU above {strict:g}"
    seen: dict[View, str] = {"3d": text, "bev": f"{name}, IoU from above over {strict:g}"}
    sums: dict[Sum, str] = {"r40": "R40", "r11": "R11: not to be compared with R40"}
    found = []
    for view, above in seen.items():
        for level in ("moderate", "easy", "hard"):
            rule = ApRule(name, view, strict, level)
            for how, note in sums.items():
                parts = ("bev" * (view == "bev"), "r11" * (how == "r11"), level * (level != "moderate"))
                called = "_".join((short, "ap", *filter(None, parts)))
                found.append(Counted(called, rule, how, f"{above}, {level}, {note}"))
    found += [
        Counted(f"{short}_ap_area", ApRule(name, "3d", strict), "area", f"{text}, moderate, the plain area under the curve"),
        Counted(
            f"{short}_ap_loose", ApRule(name, "3d", loose), "r40", f"{name}, 3D IoU above {loose:g}, moderate, R40"
        ),
    ]  # fmt: skip
    for near, far in RANGES_M:
        where = f"{near:.0f}_{far:.0f}m" if far < math.inf else f"from_{near:.0f}m"
        rule = ApRule(name, "3d", strict, "hard", (near, far))
        said = f"{text}, all that is labelled as hard or easier {where.replace('_', ' to ', 1)} away, plain area"
        found.append(Counted(f"{short}_ap_{where}", rule, "area", said.replace("from to", "from")))
    return found


COUNTED: tuple[Counted, ...] = tuple(one for name in CLASSES for one in _of(name))
RULES: tuple[ApRule, ...] = tuple(dict.fromkeys(one.rule for one in COUNTED))
"""Each once: a frame is matched by every rule, and several numbers may come of one."""

HEADLINE = tuple(f"{name.lower()}_ap" for name in CLASSES)
"""Whose mean ranks methods."""


def _precision(name: str, said: str, *, primary: bool = False) -> Metric:
    return Metric(
        name, "AP", higher_is_better=True, per="set", primary=primary, bounds=(0.0, 100.0), undefined="unsupported",
        description=said,
    )  # fmt: skip


def _dropped(name: str, said: str) -> Metric:
    return Metric(name, "share", higher_is_better=False, undefined="unsupported", description=said)


METRICS: tuple[Metric, ...] = (
    _precision("map_3d", "mean over classes of the 3D average precision: moderate, R40, IoU 0.7 / 0.5 / 0.5", primary=True),
    *(_precision(one.name, one.said) for one in COUNTED),
    _precision("map_centre", "nuScenes' mAP: centres on the ground within 0.5, 1, 2, 4 m, mean over the three classes"),
    *(
        Metric(
            name, unit, higher_is_better=False, per="set", undefined="unsupported",
            description=f"nuScenes' {error}: {said}, of what is found within 2 m, over recalls from a tenth on (1 where none "
            "is reached), mean over the three classes",
        )
        for name, (error, unit, said) in CENTRE_ERRORS.items()
    ),
    _precision(
        CENTRE_SCORE,
        "5 parts map_centre and one each of 1 - min(1, ATE), 1 - min(1, ASE), 1 - min(1, AOE); no NDS: velocities and "
        "attributes are not found, and classes are three instead of ten",
    ),
    Metric(
        "recall_50_points", "share", higher_is_better=True, per="set", undefined="unsupported",
        description=f"of labelled objects with at least {WELL_SEEN_POINTS} points, those that any detection of their class "
        "overlaps in 3D above 0.5 (Car) or 0.25",
    ),
    _dropped("r_inbox_voxels", "of occupied cells inside true boxes, the share whose voxels were dropped"),
    _dropped("r_inbox_cells", "of occupied cells inside true boxes, the share that was dropped in the 2D backbone"),
    Metric(
        "dropped_voxel_columns", "share", higher_is_better=True, undefined="unsupported",
        description="of occupied cells, the share whose voxels were dropped",
    ),
    Metric(
        "dropped_cells", "share", higher_is_better=True, undefined="unsupported",
        description="of occupied cells, the share that was dropped in the 2D backbone",
    ),
)  # fmt: skip
