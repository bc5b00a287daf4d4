import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.lidar.nds import DISTANCES_M, ERRORS, NUSCENES, NdsBoxes, NdsCurves, count_nds


def truths_of(rng, each=2):
    classes = [name for name in NUSCENES for _ in range(each)]
    boxes = np.column_stack(
        [rng.uniform(-18, 18, (len(classes), 2)), np.zeros(len(classes)), rng.uniform(1, 3, (len(classes), 3)),
         rng.uniform(-3, 3, len(classes))]
    )  # fmt: skip
    return NdsBoxes(boxes, classes, np.zeros(0), rng.normal(size=(len(classes), 2)), ["parked"] * len(classes))


def copied(truth, rng, **changes):
    values = {
        "boxes": truth.boxes, "classes": truth.classes, "scores": rng.random(len(truth.boxes)),
        "velocities": truth.velocities, "attributes": truth.attributes,
    }  # fmt: skip
    return NdsBoxes(**{**values, **changes})


def measured(pairs, weights=None, classes=NUSCENES):
    curves = NdsCurves([count_nds(*pair, classes) for pair in pairs], classes)
    return curves.values(np.ones(len(pairs)) if weights is None else weights)


def test_perfect_detections_score_1(rng):
    truths = [truths_of(rng) for _ in range(4)]
    found = measured([(truth, copied(truth, rng)) for truth in truths])
    assert found.mean_ap == pytest.approx(1) and found.nds == pytest.approx(1)
    assert all(error == pytest.approx(0) for error in found.errors.values())


def test_nothing_found_scores_0(rng):
    truth = truths_of(rng)
    found = measured([(truth, NdsBoxes(np.zeros((0, 7)), []))])
    assert found.mean_ap == 0 and found.nds == 0 and set(found.errors.values()) == {1.0}


def test_a_shift_decides_which_distances_find_and_is_the_error_of_translation(rng):
    truth = NdsBoxes(np.array([[10.0 * i, 0, 0, 4, 2, 1.5, 0.0] for i in range(1, 4)]), ["car"] * 3)
    shifted = truth.boxes + 0.6 * np.eye(7)[0]
    found = measured([(truth, copied(truth, rng, boxes=shifted))])
    assert found.by_class["car"].tolist() == pytest.approx([0, 1, 1, 1])
    assert found.errors["ATE"] == pytest.approx(0.6) and found.errors["ASE"] == pytest.approx(0)
    assert np.isnan(found.nds) and np.isnan(found.errors["AVE"])  # nobody said how fast anything is
    assert found.without("AVE", "AAE") == pytest.approx((5 * 0.75 + (1 - 0.6) + 1 + 1) / 8)
    assert np.isnan(found.without("AVE"))
    at_the_limit = truth.boxes + DISTANCES_M[0] * np.eye(7)[0]
    assert measured([(truth, copied(truth, rng, boxes=at_the_limit))]).by_class["car"][0] == 0


def test_errors_of_scale_orientation_velocity_and_attribute(rng):
    truth = NdsBoxes(
        np.array([[10.0, 0, 0, 4, 2, 1.5, 0.0]]), ["car"], velocities=np.array([[1.0, 0]]), attributes=["moving"]
    )
    found = copied(
        truth, rng, boxes=np.array([[10.0, 0, 0, 2, 2, 1.5, 3.0]]), velocities=np.zeros((1, 2)), attributes=["parked"]
    )
    errors = measured([(truth, found)]).errors
    assert [errors[name] for name in ERRORS] == pytest.approx([0, 0.5, 3.0, 1.0, 1.0])
    barrier = NdsBoxes(np.array([[10.0, 0, 0, 4, 2, 1.5, 0.0]]), ["barrier"])
    turned = NdsBoxes(np.array([[10.0, 0, 0, 4, 2, 1.5, np.pi - 0.1]]), ["barrier"], np.ones(1))
    errors = measured([(barrier, turned)]).errors
    assert errors["AOE"] == pytest.approx(0.1) and np.isnan(errors["AVE"]) and np.isnan(errors["AAE"])


def test_precision_by_hand(rng):
    """One of two truths found after one false one: recall 0.5 at precision 1/2, and no point between."""
    truth = NdsBoxes(np.array([[10.0, 0, 0, 4, 2, 1.5, 0.0], [20.0, 0, 0, 4, 2, 1.5, 0.0]]), ["car"] * 2)
    boxes = np.array([[40.0, 0, 0, 4, 2, 1.5, 0.0], truth.boxes[0]])
    found = measured([(truth, NdsBoxes(boxes, ["car"] * 2, np.array([0.9, 0.8])))])
    recalls = np.arange(11, 51) / 100  # precision rises from 0 at recall 0 to 1/2 at recall 1/2
    assert found.by_class["car"][0] == pytest.approx(np.maximum(recalls - 0.1, 0).sum() / 90 / 0.9)


def test_truths_beyond_the_reach_or_without_points_do_not_count(rng):
    truth = NdsBoxes(
        np.array([[10.0, 0, 0, 4, 2, 1.5, 0.0], [60.0, 0, 0, 4, 2, 1.5, 0.0], [20.0, 0, 0, 4, 2, 1.5, 0.0]]),
        ["car"] * 3,
        points=np.array([5, 5, 0]),
    )
    found = NdsBoxes(truth.boxes[:2], ["car"] * 2, np.array([0.5, 0.9]))
    assert count_nds(truth, found).truths[0] == 1
    assert measured([(truth, found)]).mean_ap == pytest.approx(1)


def test_whole_weights_are_repeated_frames_and_only_their_relation_counts(rng):
    pairs = []
    for _ in range(5):
        truth = truths_of(rng)
        noisy = truth.boxes + rng.normal(0, 0.8, truth.boxes.shape) * [1, 1, 0, 0.1, 0.1, 0.1, 0.3]
        pairs.append((truth, copied(truth, rng, boxes=np.maximum(noisy, [-99, -99, -99, 0.1, 0.1, 0.1, -9]))))
    weights = np.array([0, 2, 1, 1, 3])
    once = measured(pairs, weights)
    again = measured([pair for pair, count in zip(pairs, weights) for _ in range(count)])
    scaled = measured(pairs, weights * 0.3)
    assert 0.2 < once.mean_ap < 1
    for other in (again, scaled, measured(pairs[::-1], weights[::-1])):
        assert other.mean_ap == pytest.approx(once.mean_ap, abs=1e-12)
        assert other.nds == pytest.approx(once.nds, abs=1e-12)


def test_too_many_boxes_and_unknown_classes_are_refused():
    nothing = NdsBoxes(np.zeros((0, 7)), [])
    with pytest.raises(BadInput, match="501 detections in a frame"):
        count_nds(nothing, NdsBoxes(np.zeros((501, 7)), ["car"] * 501, np.zeros(501)))
    with pytest.raises(BadInput, match="did you mean 'pedestrian'"):
        count_nds(nothing, NdsBoxes(np.zeros((1, 7)), ["pedestrain"], np.zeros(1)))
