"""What counts as what, written down a second time from KITTI's label lines: nothing of ``ap`` is used here but how much boxes
overlap in space and from above, which ``test_boxes`` holds to closed forms.

A label line is TYPE TRUNCATION OCCLUSION LEFT TOP RIGHT BOTTOM, that of a detection TYPE LEFT TOP RIGHT BOTTOM SCORE.
"""

from dataclasses import replace

import numpy as np
import pytest
from frames_for_tests import drawn, found_of, frame_of

from effbench.lidar.ap.matching import count_frame, frame_overlaps
from effbench.lidar.ap.rules import ApRule
from effbench.lidar.frames import CLASSES, Detections

LEVELS = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.3), "hard": (25, 2, 0.5)}
ALIKE = {"Car": "Van", "Pedestrian": "Person_sitting", "Cyclist": ""}


def truth_counts(line, asked, level):
    """ "yes": is to be found; "excused": finding it changes nothing; "absent": is not there for this number."""
    kind, truncation, occlusion, _, top, _, bottom = line.split()
    if kind == ALIKE[asked]:
        return "excused"
    if kind != asked:
        return "absent"
    tall, hidden, cut = LEVELS[level]
    fits = float(bottom) - float(top) > tall and int(occlusion) <= hidden and float(truncation) <= cut
    return "yes" if fits else "excused"


def detection_counts(line, asked, level):
    """As of truths; KITTI excuses what is small in the picture before it asks for the class."""
    kind, _, top, _, bottom, _ = line.split()
    if float(bottom) - float(top) < LEVELS[level][0]:
        return "excused"
    return "yes" if kind == asked else "absent"


def picture(line, first):
    return [float(number) for number in line.split()[first : first + 4]]


def shared(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0) * max(high, 0)


def size(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def in_picture(a, b):
    return shared(a, b) / (size(a) + size(b) - shared(a, b))


def judged(truths, found, overlap, asked, level, view, above):
    """The scores of those that the first pass finds, and (found, false) at each distinct score."""
    wanted = [truth_counts(line, asked, level) for line in truths]
    kinds = [detection_counts(line, asked, level) for line in found]
    scores = [float(line.split()[-1]) for line in found]
    regions = [picture(line, 3) for line in truths if line.split()[0] == "DontCare"]

    def one_pass(least):
        used, hits = set(), []
        for m, want in enumerate(wanted):
            if want == "absent":
                continue
            taken = None
            for k, kind in enumerate(kinds):
                if kind == "absent" or k in used or overlap[k][m] <= above or (least is not None and scores[k] < least):
                    continue
                if taken is None:
                    better = True
                elif least is None:
                    better = scores[k] > scores[taken]
                elif kind == "yes":
                    better = kinds[taken] == "excused" or overlap[k][m] > overlap[taken][m]
                else:
                    better = False
                taken = k if better else taken
            if taken is not None:
                used.add(taken)
                if want == "yes" and kinds[taken] == "yes":
                    hits.append(scores[taken])
        false = 0
        for k, kind in enumerate(kinds):
            if kind != "yes" or k in used or (least is not None and scores[k] < least):
                continue
            own = picture(found[k], 1)
            over = any(shared(own, region) / size(own) > above for region in regions)
            false += not (view == "image" and over)
        return hits, false

    curve = {}
    for least in sorted(set(scores), reverse=True):
        hits, false = one_pass(least)
        curve[least] = (len(hits), false)
    return wanted.count("yes"), sorted(one_pass(None)[0]), curve


def at_the_limits(rng):
    """A drawn frame whose labels lie at KITTI's limits and beside them, as lines too, and where its detections are seen."""
    frame, found = drawn(rng)
    count = len(frame.boxes)
    tops, tall = rng.integers(100, 140, count), rng.choice([24.5, 25, 25.5, 40, 40.5, 90], count)
    lefts = rng.integers(0, 400, count)
    regions = np.array([kind == "DontCare" for kind in frame.classes], bool)
    wide = np.where(regions, 120, 60)
    boxes = np.column_stack([lefts, tops, lefts + wide, tops + tall]).astype(np.float64)
    frame = replace(
        frame,
        truncation=rng.choice([0, 0.15, 0.16, 0.3, 0.31, 0.5, 0.51], count, p=[0.4] + [0.1] * 6),
        occlusion=rng.choice(4, count, p=[0.5, 0.2, 0.2, 0.1]),
        height_px=tall.astype(np.float64),
        image_boxes=boxes,
    )
    seen = []
    for _ in found.boxes:
        if count and rng.random() < 0.7:
            left, top, _, bottom = boxes[rng.integers(count)] + rng.integers(-4, 5) * np.array([1, 0, 0, 0])
        else:
            left, top, bottom = rng.integers(0, 400), 100, 100 + rng.choice([24.5, 25, 39.5, 40, 60])
        seen.append([left, top, left + 60, bottom])
    seen = np.array(seen, np.float64).reshape(-1, 4)
    truths = [
        " ".join(map(str, (*values[:3], *values[3])))
        for values in zip(frame.classes, frame.truncation, frame.occlusion, boxes.tolist())
    ]
    shown = [
        " ".join(map(str, (CLASSES[label], *box, score)))
        for label, box, score in zip(found.labels, seen.tolist(), found.scores)
    ]
    return frame, found, seen, truths, shown


@pytest.mark.parametrize("seed", range(3))
def test_drawn_frames_are_judged_as_the_rules_read(seed):
    rng = np.random.default_rng([24, seed])
    rules = [
        ApRule(name, view, above, level)
        for name in CLASSES
        for level in LEVELS
        for view, above in (("3d", 0.5), ("bev", 0.6), ("image", 0.5))
    ]
    compared = dict.fromkeys(("truths", "hits", "false"), 0)
    for _ in range(40):
        frame, found, seen, truths, shown = at_the_limits(rng)
        counts = count_frame(rules, frame, found, image_boxes=seen)
        spatial = frame_overlaps(frame, found, seen)
        flat = [[in_picture(picture(a, 1), picture(b, 3)) for b in truths] for a in shown]
        for number, rule in enumerate(rules):
            overlap = flat if rule.view == "image" else spatial[rule.view]
            wanted, hits, curve = judged(
                truths, shown, overlap, rule.class_name, rule.difficulty, rule.view, rule.min_iou
            )
            assert counts.truths[number] == wanted, rule
            assert sorted(counts.hits[counts.hits[:, 0] == number, 1]) == hits, rule
            steps = counts.steps[counts.steps[:, 0] == number]
            for least, expected in curve.items():
                assert tuple(steps[steps[:, 1] >= least, 2:].sum(0)) == expected, (rule, least)
            compared["truths"] += wanted
            compared["hits"] += len(hits)
            compared["false"] += sum(false for _, false in list(curve.values())[-1:])
    assert min(compared.values()) > 50


def test_what_is_small_in_the_picture_is_excused_whatever_its_class():
    frame = frame_of(("Pedestrian", 30, 0))
    both = found_of(("Pedestrian", 30, 0, 0.5), ("Cyclist", 30, 0, 0.9))
    both = Detections(np.repeat(both.boxes[:1], 2, 0), both.scores, both.labels)
    rule = ApRule("Pedestrian", "3d", 0.5)
    for height, hits in (
        (25.0, [0.5]),
        (24.9, []),
    ):  # a small cyclist surer than the pedestrian takes the place of its hit
        seen = np.array([[0, 0, 10, 60.0], [0, 0, 10, height]])
        counts = count_frame([rule], frame, both, image_boxes=seen)
        assert counts.hits[:, 1].tolist() == hits
        assert counts.steps[:, 1:].tolist() == [[0.5, 1, 0]]  # at a threshold what is not excused comes first
