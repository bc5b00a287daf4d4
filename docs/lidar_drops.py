"""The section "drops" of docs/lidar.md: what is lost where voxels go at random, or outside of boxes alone.

``make lidar-drops``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from effbench.api import Context
from effbench.arrays import Array
from effbench.lidar.ap.curves import ApCurves
from effbench.lidar.ap.matching import count_frame
from effbench.lidar.ap.rules import STRICT_IOU, ApRule
from effbench.lidar.frames import CLASSES, Frame
from effbench.lidar.oracle import POLICIES, thin
from effbench.section import replace_section
from effbench.stats.bootstrap import Interval, cluster_weights, interval_of
from effbench.tasks.lidar_detection.scoring import as_judged
from effbench.tasks.lidar_detection.system import LidarSystem
from effbench.tasks.lidar_detection.task import LidarDetection

SHARES = (0.3, 0.5, 0.7)
"""Of all voxels, those that go: the paper's."""
PUBLISHED = {
    ("random", 0.3): "-0.2",
    ("random", 0.5): "-1.3",
    ("random", 0.7): "-3.2",
    ("outside-boxes", 0.3): "about 0",
    ("outside-boxes", 0.5): "about 0",
    ("outside-boxes", 0.7): "about 0 (-0.05 to +0.1)",
}
"""Changes of AP read off a curve on Ada3D's project page: KITTI, a detector on a grid of 0.05 m."""
NEARLY_NOTHING = 1.0
"""Points of average precision up to which a loss is called none: more than the curve of the paper can be read to."""
RESAMPLES, LEVEL = 500, 0.95
"""Of the frames: enough for ends that are read to half a point."""
COLUMNS = ("mean of the three", *CLASSES)
"""What is compared: the plain area of each class at KITTI's limits, and their mean before them."""


def curves_of(system: LidarSystem, frames: Sequence[Frame], policy: str, share: float) -> ApCurves:
    """Return what is found after a share of the voxels has gone, judged by the whole frames' labels."""
    voxel = system.detector.config.grid.voxel
    rules = [ApRule(name, "3d", STRICT_IOU[name]) for name in CLASSES]
    counts = []
    for frame in frames:
        thinned = thin(frame, share, policy, seed=0, voxel=voxel) if share else frame
        counts.append(count_frame(rules, as_judged(frame), system.detect([system.shown(thinned)])[0]))
    return ApCurves(counts)


def reached(curves: ApCurves, weights: Array) -> Array:
    """Return [4]: the mean of the classes that occur, then the plain area of each."""
    area = curves.values(weights).area
    return np.array([np.nanmean(area), *area])


def lost(curves: ApCurves, whole: ApCurves, frames: int, resamples: int) -> tuple[Array, list[Interval | None]]:
    """Return the change [4] against whole frames, and its intervals over the same resamples of frames."""
    weights = [np.ones(frames), *cluster_weights([str(i) for i in range(frames)], resamples, 0)]
    drawn = np.array([reached(curves, one) - reached(whole, one) for one in weights])
    return drawn[0], [interval_of(column, LEVEL, frames) for column in drawn[1:].T]


def table(system: LidarSystem, frames: Sequence[Frame], resamples: int) -> Iterator[str]:
    """Yield a table: a row per rule and share, the paper's loss beside ours; then whether order and size are the same."""
    head, *classes = COLUMNS
    yield f"| voxels dropped | where | {head} | change | of AP, paper | {' | '.join(classes)} |"
    yield "|--:|---|" + "--:|" * (len(COLUMNS) + 2)
    whole = curves_of(system, frames, POLICIES[0], 0.0)
    before = reached(whole, np.ones(len(frames)))
    yield f"| 0% | | {before[0]:.1f} | | | {' | '.join(f'{value:.1f}' for value in before[1:])} |"
    changes = {}
    for policy in POLICIES:
        for share in SHARES:
            change, intervals = lost(curves_of(system, frames, policy, share), whole, len(frames), resamples)
            changes[policy, share] = float(change[0])
            told = [
                f"{value:+.1f}" + (f" [{ends.low:+.1f}, {ends.high:+.1f}]" if ends else "")
                for value, ends in zip(change, intervals, strict=True)
            ]
            values = [f"{b + c:.1f} ({text})" for b, c, text in zip(before[1:], change[1:], told[1:], strict=True)]
            cells = [f"{before[0] + change[0]:.1f}", told[0], PUBLISHED[policy, share], *values]
            yield f"| {share:.0%} | {policy.replace('-', ' ')} | {' | '.join(cells)} |"
    yield ""
    yield (
        f"{system.name} on {len(frames)} generated frames: plain area under the curve, moderate, IoU 0.7 / 0.5 / 0.5, "
        "objects in the area that the task judges; in brackets the change and its "
        f"{LEVEL:.0%} interval over the same {resamples} resamples of frames. The paper's changes were read off a curve "
        "(KITTI). The detector never saw a thinned frame in its training."
    )
    yield ""
    yield verdict(changes)


def verdict(changes: dict[tuple[str, float], float]) -> str:
    """Return whether the paper's observation holds here, in order and in size, of the changes by rule and share."""
    in_order = all(changes["outside-boxes", share] > changes["random", share] for share in SHARES)
    random = [changes["random", share] for share in SHARES]
    outside = [changes["outside-boxes", share] for share in SHARES]
    told = " / ".join(f"{value:+.1f}" for value in random)
    order = (
        "The paper's observation holds here in its order: at every share, dropping outside of boxes costs less than dropping "
        "at random."
        if in_order
        else "The paper's observation does **not** hold here: at some share dropping outside of boxes costs as much as at "
        "random."
    )
    size = (
        f"It does not hold in size: at random {told} points are lost where the paper loses 0.2 / 1.3 / 3.2, and outside of "
        f"boxes up to {-min(outside):.1f} where the paper loses none."
        if min(outside) < -NEARLY_NOTHING or min(random) < 2 * float(PUBLISHED["random", 0.7])
        else f"Its size is the paper's too, about: at random {told}, outside of boxes at most {-min(outside):.1f}."
    )
    return f"{order} {size}"


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", default="zoo:lidar-detectors/dense")
    parser.add_argument("--frames", type=int, help="evaluated frames; all by default")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--page", type=Path, help="a page with the section drops; printed where none is given")
    given = parser.parse_args()
    task = LidarDetection(LidarDetection.Params(system=given.system, frames=given.frames))
    task.check()
    frames = [task.source.frame(sample.data["frame"]) for sample in task.samples("evaluation")]
    text = "\n".join(table(task.load(Context()), frames, given.resamples))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "drops", text)


if __name__ == "__main__":
    main()
