"""KITTI's average precision on cases that can be counted by hand, and against the rules as they read."""

import numpy as np
import pytest
from frames_for_tests import box_of, cars, drawn, found_of, frame_of

from effbench.api import Scores
from effbench.lidar.ap.curves import ApCurves
from effbench.lidar.ap.matching import count_frame
from effbench.lidar.ap.reference import slow_average_precision
from effbench.lidar.ap.rules import ApRule
from effbench.lidar.camera import kitti_like
from effbench.lidar.frames import CLASSES, Detections
from effbench.tasks.lidar_detection.metrics import METRICS
from effbench.tasks.lidar_detection.scoring import frame_arrays, set_summariser

CAR = ApRule("Car", "3d", 0.7)


def measured(pairs, rule=CAR, weights=None):
    """R40, R11 and area of frames with their detections, which the slow reference confirms."""
    found = ApCurves([count_frame([rule], *pair) for pair in pairs]).values(
        np.ones(len(pairs)) if weights is None else weights
    )
    values = tuple(float(column[0]) for column in found)
    if weights is None:
        slow = slow_average_precision(rule, pairs)
        expected = (np.nan,) * 3 if slow is None else (slow["r40"], slow["r11"], slow["area"])
        np.testing.assert_allclose(values, expected, atol=1e-9)
    return values


def sure(places, score=0.9):
    return [(*place, score - 0.001 * i) for i, place in enumerate(places)]


@pytest.mark.parametrize(
    ("truths", "r11", "r40"),
    [(1, 9.09, 0.0), (10, 27.27, 22.5), (20, 45.45, 47.5), (40, 90.91, 97.5), (41, 100, 100), (90, 100, 100)],
)
def test_a_perfect_detector_scores_by_the_number_of_truths_and_100_without_interpolation(truths, r11, r40):
    places = cars(truths)
    found = measured([(frame_of(*places), found_of(*sure(places)))])
    assert found == pytest.approx((r40, r11, 100), abs=0.005)
    tied = measured([(frame_of(*places), found_of(*[(*place, 0.5) for place in places]))])
    assert tied == pytest.approx((r40, r11, 100), abs=0.005)


def test_one_sure_hit_and_then_misses():
    places = cars(50)
    wrong = [("Car", 40.0, 3.0 * i - 18, 0.5 - 0.01 * i) for i in range(7)]
    r40, r11, area = measured([(frame_of(*places), found_of((*places[0], 0.9), *wrong))])
    assert (r40, area) == (0.0, pytest.approx(2.0)) and r11 == pytest.approx(100 / 11)


def test_false_ones_before_hits_lower_the_precision():
    places = cars(2)
    found = measured([(frame_of(*places), found_of(("Car", 30, 0, 0.95), *sure(places)))])
    assert found[2] == pytest.approx(100 * (0.5 * 1 / 2 + 0.5 * 2 / 3))
    assert found[0] == pytest.approx(100 * (2 / 3) / 40)


def test_an_overlap_equal_to_the_limit_is_none():
    frame = frame_of(("Car", 10, 0))
    moved = np.array([box_of("Car", 10, 0)])
    moved[0, 2] += moved[0, 5] / 2  # half a height up: a third is common
    frame.boxes[0, 2] = 0
    moved[0, 2] = moved[0, 5] / 2
    found = Detections(moved, np.ones(1), np.zeros(1, np.int64))
    from effbench.lidar.boxes import iou_3d

    limit = float(iou_3d(found.boxes, frame.boxes)[0, 0])
    assert limit == pytest.approx(1 / 3)
    assert measured([(frame, found)], ApRule("Car", "3d", limit))[2] == 0
    assert measured([(frame, found)], ApRule("Car", "3d", np.nextafter(limit, 0)))[2] == 100


def test_levels_are_cumulative_and_their_limits_exact():
    truths = [
        ("Car", 10, -18, 0.0, 0, 100.0),  # easy
        ("Car", 10, -12, 0.15, 0, 41.0),  # easy, at the limit of truncation
        ("Car", 10, -6, 0.0, 0, 40.0),  # moderate: a height must be above the limit
        ("Car", 10, 0, 0.0, 1, 100.0),  # moderate
        ("Car", 10, 6, 0.3, 2, 100.0),  # hard
        ("Car", 10, 12, 0.5, 2, 25.1),  # hard
        ("Car", 10, 18, 0.0, 3, 100.0),  # none
        ("Car", 10, 24, 0.0, 0, 25.0),  # none
    ]
    rules = [ApRule("Car", "3d", 0.7, level) for level in ("easy", "moderate", "hard")]
    counts = count_frame(rules, frame_of(*truths), found_of(*[(*truth[:3], 0.5) for truth in truths]))
    assert counts.truths.tolist() == [2, 4, 6]
    assert [len(counts.hits[counts.hits[:, 0] == i]) for i in range(3)] == [2, 4, 6]
    assert (counts.steps[:, 3] == 0).all()  # what found an ignored truth is not a false one


def test_a_detection_too_small_in_the_picture_counts_neither_way():
    frame = frame_of(("Car", 50, 0))
    assert measured([(frame, found_of(("Car", 50, 0, 0.9)))])[2] == 0  # 22.5 px: it hides the truth that it finds
    far = found_of(("Car", 50, 0, 0.9), ("Car", 60, 8, 0.95))
    assert count_frame([CAR], frame, far).steps.size == 0


def test_neighbours_excuse_and_other_classes_do_not():
    van, truck = frame_of(("Car", 10, 0), ("Van", 10, 9)), frame_of(("Car", 10, 0), ("Cyclist", 10, 9))
    long = np.array([[*box_of("Car", 10, 0)], [*box_of("Van", 10, 9)]])
    found = Detections(long, np.array([0.8, 0.9]), np.zeros(2, np.int64))
    assert measured([(van, found)])[2] == 100
    assert measured([(truck, found)])[2] == 50
    sitting = frame_of(("Pedestrian", 10, 0), ("Person_sitting", 10, 9))
    boxes = np.array([box_of("Pedestrian", 10, 0), box_of("Person_sitting", 10, 9)])
    found = Detections(boxes, np.array([0.8, 0.9]), np.ones(2, np.int64))
    assert measured([(sitting, found)], ApRule("Pedestrian", "bev", 0.5))[2] == 100


def test_the_second_of_two_detections_of_one_truth_is_false():
    frame = frame_of(("Car", 10, 0), ("Car", 10, 9))
    counts = count_frame([CAR], frame, found_of(("Car", 10, 0, 0.9), ("Car", 10.1, 0, 0.8), ("Car", 10, 9, 0.7)))
    assert counts.steps[:, 1:].tolist() == [[0.9, 1, 0], [0.8, 0, 1], [0.7, 1, 0]]


def test_the_two_matchings_differ_as_they_should():
    """The surer of two takes the truth while thresholds are chosen, the better overlap once they are applied."""
    frame = frame_of(("Car", 10, 0), ("Car", 10.8, 0))
    found = found_of(("Car", 10.3, 0, 0.9), ("Car", 10, 0, 0.8))
    counts = count_frame([CAR], frame, found)
    assert counts.hits[:, 1].tolist() == [0.9]  # the first truth takes 0.9; 0.8 is too far from the second
    assert counts.steps[:, 1:].tolist() == [[0.9, 1, 0], [0.8, 1, 0]]


def test_a_region_of_no_concern_removes_false_ones_in_the_picture_alone():
    frame = frame_of(("Car", 10, 0), ("DontCare", 0, 0), image_boxes=[[0, 0, 100, 100], [200, 0, 300, 100]])
    found = found_of(("Car", 10, 0, 0.8), ("Car", 10, 9, 0.9), ("Car", 10, 18, 0.95))
    seen = np.array([[0.0, 0, 100, 100], [210, 0, 290, 90], [500, 0, 600, 90]])
    rules = [ApRule("Car", "image", 0.7), ApRule("Car", "bev", 0.7), ApRule("Car", "3d", 0.7)]
    counts = count_frame(rules, frame, found, image_boxes=seen)
    assert [counts.steps[counts.steps[:, 0] == i, 3].sum() for i in range(3)] == [1, 2, 2]


def test_empty_frames_and_no_truth_at_all():
    nothing, a_car = (frame_of(), found_of()), (frame_of(("Car", 10, 0)), found_of(("Car", 10, 0, 0.9)))
    assert np.isnan(measured([nothing])).all()
    assert measured([nothing, a_car, nothing])[2] == 100
    assert measured([(frame_of(("Car", 10, 0)), found_of())]) == (0, 0, 0)
    assert measured([a_car, (frame_of(), found_of(("Car", 10, 0, 0.95)))])[2] == 50
    assert np.isnan(ApCurves([count_frame([CAR], *a_car)]).values(np.zeros(1)).r40[0])


def test_range_bins_hold_their_own_truths_and_false_ones():
    frame = frame_of(("Car", 10, 0), ("Car", 25, 0))
    found = found_of(("Car", 10, 0, 0.8), ("Car", 15, 9, 0.9), ("Car", 25, 0, 0.7), ("Car", 24, 9, 0.6))
    near, far = (ApRule("Car", "3d", 0.7, within=bounds) for bounds in ((0.0, 20.0), (20.0, 40.0)))
    assert measured([(frame, found)], near)[2] == 50
    assert measured([(frame, found)], far)[2] == 100
    beyond = found_of(("Car", 19.9, 0, 0.8))  # just on this side of the border, of a truth just beyond
    assert measured([(frame_of(("Car", 20.1, 0)), beyond)], far)[2] == 100


RULES = [
    ApRule(name, view, limit, level, within)
    for name in CLASSES
    for view, limit in (("3d", 0.5), ("3d", 0.7), ("bev", 0.6))
    for level, within in (("easy", (0.0, np.inf)), ("hard", (0.0, np.inf)), ("moderate", (10.0, 30.0)))
]


@pytest.mark.parametrize("seed", range(4))
def test_drawn_frames_agree_with_the_slow_reference_under_whole_weights(seed):
    rng = np.random.default_rng(seed)
    pairs = [drawn(rng) for _ in range(15)]
    weights = rng.multinomial(15, np.full(15, 1 / 15))
    curves = ApCurves([count_frame(RULES, *pair) for pair in pairs])
    fast, again = curves.values(weights), curves.values(weights * 7.0)
    repeated = [pair for pair, count in zip(pairs, weights) for _ in range(count)]
    assert (weights == 1).any()
    seen = 0
    for number, rule in enumerate(RULES):
        slow = slow_average_precision(rule, repeated)
        for column, other, name in zip(fast, again, ("r40", "r11", "area")):
            expected = np.nan if slow is None else slow[name]
            assert column[number] == pytest.approx(expected, abs=1e-9, nan_ok=True), (rule, name)
            assert other[number] == pytest.approx(expected, abs=1e-9, nan_ok=True)
        seen += slow is not None and slow["area"] > 0
    assert seen >= 12


def test_a_curve_ends_where_all_detections_count():
    rng = np.random.default_rng(1)
    pairs = [drawn(rng) for _ in range(20)]
    rule = ApRule("Car", "bev", 0.5, "hard")
    curves = ApCurves([count_frame([rule], *pair) for pair in pairs])
    recall, precision = curves.curve(0, np.ones(20))
    steps = np.diff(np.concatenate([[0], recall]))
    assert float((steps * np.nan_to_num(precision)).sum()) * 100 == pytest.approx(curves.values(np.ones(20)).area[0])
    assert (steps >= 0).all() and recall[-1] <= 1


def test_more_overlap_is_never_easier_and_at_the_limit_of_the_task_it_is_the_tasks_number():
    from effbench.lidar.ap.over_iou import OVERLAPS, over_iou

    rng = np.random.default_rng(2)
    pairs = [drawn(rng) for _ in range(30)]
    reached = over_iou(pairs, "Car", difficulty="hard")
    assert (
        len(reached.area) == len(OVERLAPS)
        and (np.diff(reached.area) <= 1e-9).all()
        and reached.area[0] > reached.area[-1]
    )
    same = measured(pairs, ApRule("Car", "3d", 0.7, "hard"))
    assert reached.r40[OVERLAPS.index(0.7)] == pytest.approx(same[0])


@pytest.mark.parametrize(("raised", "from_space"), [(0.0, True), (0.5, False)])
def test_the_task_reports_both_views_all_levels_and_both_sums(raised, from_space):
    places = cars(40)
    truths = [(*place, 0.0, int(i >= 10) + int(i >= 20), 100.0) for i, place in enumerate(places)]
    found = found_of(*sure(places))
    found.boxes[:, 2] += raised  # 0.5 m up: nothing changes from above, and half of the volume is common in space
    arrays = frame_arrays(frame_of(*truths), found, kitti_like(), CLASSES)
    scores = Scores({}, {name: [array] for name, array in arrays.items()} | {"training": [np.zeros(1)]})
    values = set_summariser(scores)(np.ones(1))
    # Levels hold 10, 20 and 40 objects: what a perfect detector then reaches by R40 and by R11.
    for level, r40, r11 in (("_easy", 22.5, 27.27), ("", 47.5, 45.45), ("_hard", 97.5, 90.91)):
        in_space = (values[f"car_ap{level}"], values[f"car_ap_r11{level}"])
        above = (values[f"car_ap_bev{level}"], values[f"car_ap_bev_r11{level}"])
        assert above == pytest.approx((r40, r11), abs=0.005)
        assert in_space == pytest.approx((r40, r11) if from_space else (0, 0), abs=0.005)
    named = {metric.name for metric in METRICS}
    views, sums, levels = ("", "_bev"), ("", "_r11"), ("", "_easy", "_hard")
    kinds = (name.lower() for name in CLASSES)
    assert {f"{kind}_ap{v}{s}{lv}" for kind in kinds for v in views for s in sums for lv in levels} <= named
