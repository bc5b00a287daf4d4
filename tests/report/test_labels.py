"""Names beside points: apart from each other and from points, at every width they are placed for."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from effbench.report.label_ground import Box, Spot
from effbench.report.labels import overlap, place_labels
from effbench.report.lettering import shortened, text_width

FRAME = (0.0, 0.0, 400.0, 300.0)


def test_labels_of_crowded_points_do_not_overlap() -> None:
    anchors = [(100.0 + 6 * i, 100.0 + 4 * (i % 3)) for i in range(9)]
    spots = kept(place_labels(anchors, [(70.0, 12.0)] * 9, [], FRAME, gap=6))
    assert len(spots) >= 5
    assert all(overlap(a.box, b.box) == 0 for a, b in itertools.combinations(spots, 2))
    assert all(overlap(spot.box, FRAME) == pytest.approx(70 * 12) for spot in spots)
    assert any(spot.needs_leader for spot in spots)


def test_a_lone_label_stands_right_above_its_point_without_a_leader() -> None:
    (spot,) = kept(place_labels([(100.0, 100.0)], [(50.0, 10.0)], [], FRAME, gap=6))
    assert spot.box[:2] == pytest.approx((104.24, 104.24), abs=0.01)
    assert not spot.needs_leader


def test_what_finds_no_room_is_left_out_and_what_matters_most_is_not() -> None:
    anchors = [(50.0 + i % 3, 20.0) for i in range(30)]
    frame = (0.0, 0.0, 100.0, 40.0)
    spots = place_labels(anchors, [(40.0, 12.0)] * 30, [], frame, gap=6, ranks=[1] * 29 + [0])
    assert spots[29] is not None
    assert 0 < len(kept(spots)) < 30
    assert place_labels(anchors, [(140.0, 12.0)] * 30, [], frame, gap=6) == (None,) * 30  # wider than the frame


def test_a_point_without_a_label_is_kept_clear() -> None:
    right_above = (104.0, 104.0)
    spots = place_labels([(100.0, 100.0), right_above], [(50.0, 10.0), None], [], FRAME, gap=6)
    assert spots[1] is None
    assert spots[0] is not None and overlap(spots[0].box, mark(right_above, 6)) == 0


def test_a_label_crosses_a_line_only_where_it_must() -> None:
    line = (100.0, 0.0, 400.0, 110.0)  # to the right of the point, wherever its label would stand by itself
    (spot,) = kept(place_labels([(100.0, 100.0)], [(50.0, 10.0)], [line], FRAME, gap=6))
    assert overlap(spot.box, line) == 0
    (spot,) = kept(place_labels([(100.0, 100.0)], [(50.0, 10.0)], [(-9.0, -9.0, 999.0, 999.0)], FRAME, gap=6))
    assert spot.box[0] > 100


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [5, 40])
def test_labels_stay_apart_at_every_width_in_between(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    anchors = [(float(x), float(y)) for x, y in generator.uniform((10, 10), (390, 290), (count, 2))]
    sizes = [(float(width), 14.0) for width in generator.uniform(20, 120, count)]
    spots = place_labels(anchors, sizes, [], FRAME, gap=8, stretch=1.7)
    assert kept(spots)
    for stretch in (1.0, 1.13, 1.4, 1.7):
        moved = [(stretch * x, y) for x, y in anchors]
        boxes = [shifted(spot.box, (stretch - 1) * x) for spot, (x, _) in zip(spots, anchors) if spot is not None]
        assert all(overlap(a, b) < 1e-9 for a, b in itertools.combinations(boxes, 2))
        assert all(overlap(box, mark(at, 8)) < 1e-9 for box in boxes for at in moved)
        assert all(box[0] >= 0 and box[2] <= 400 * stretch and box[1] >= 0 and box[3] <= 300 for box in boxes)


def test_two_points_that_a_wider_frame_parts_do_not_cross_over() -> None:
    """Placed for one width only, the label of the left point stands over the right one and is met by it in a wider frame."""
    anchors, sizes = [(100.0, 100.0), (112.0, 100.0)], [(60.0, 10.0)] * 2

    def meets(stretch: float, spots: Any) -> bool:
        boxes = [shifted(spot.box, (stretch - 1) * x) for spot, (x, _) in zip(spots, anchors)]
        return any(overlap(box, mark((stretch * x, y), 6)) > 0 for box in boxes for x, y in anchors)

    spots = place_labels(anchors, sizes, [], FRAME, gap=6, stretch=3.0)
    assert not any(meets(stretch, spots) for stretch in (1, 1.5, 2, 3))


def test_widths_are_upper_bounds_that_know_wide_and_missing_signs() -> None:
    assert text_width("iiii", 12) < text_width("WWWW", 12)
    assert text_width("ab", 24) == pytest.approx(2 * text_width("ab", 12))
    assert text_width("量子化", 10) >= 30
    assert text_width("", 12) == 0


@pytest.mark.parametrize(
    ("text", "short"), [("abcdefgh", "abcdefgh"), ("abcdefghi", "abcd…ghi"), ("abcd efghij w4", "abcd… w4")]
)
def test_long_names_keep_both_ends(text: str, short: str) -> None:
    found = shortened(text, 8)
    assert len(found) <= 8
    assert found == short.replace("… ", "…")


def kept(spots: tuple[Spot | None, ...]) -> list[Spot]:
    return [spot for spot in spots if spot is not None]


def mark(at: tuple[float, float], gap: float) -> Box:
    return (at[0] - gap / 2, at[1] - gap / 2, at[0] + gap / 2, at[1] + gap / 2)


def shifted(box: Box, by: float) -> Box:
    return (box[0] + by, box[1], box[2] + by, box[3])


def test_lines_meet_no_other_label() -> None:
    generator = np.random.default_rng(7)
    anchors = [(float(x), float(y)) for x, y in generator.normal((200, 150), 25, (25, 2))]
    spots = place_labels(anchors, [(60.0, 12.0)] * 25, [], FRAME, gap=8)
    led = [(at, spot) for at, spot in zip(anchors, spots) if spot is not None and spot.needs_leader]
    assert len(led) > 3
    for (x, y), spot in led:
        left, bottom, right, top = spot.box
        end = min(max(x, left), right), min(max(y, bottom), top)
        along = [(x + t * (end[0] - x), y + t * (end[1] - y)) for t in np.linspace(0, 1, 400)[:-1]]
        others = [other.box for other in kept(spots) if other is not spot]
        assert not any(inside(at, box) for at in along for box in others)


def test_what_matters_less_stands_near_its_point_or_not_at_all() -> None:
    anchors = [(200.0 + i, 150.0) for i in range(12)]
    spots = place_labels(anchors, [(60.0, 12.0)] * 12, [], FRAME, gap=8, ranks=[0] * 6 + [1] * 6, farthest=(15.0, 1.8))
    for (x, y), spot in zip(anchors[6:], spots[6:]):
        if spot is not None:
            left, bottom, right, top = spot.box
            assert np.hypot(max(left - x, x - right, 0), max(bottom - y, y - top, 0)) <= 1.8 * 8 + 1e-9
    assert len(kept(spots[:6])) > len(kept(spots[6:]))


def inside(at: tuple[float, float], box: Box) -> bool:
    return box[0] < at[0] < box[2] and box[1] < at[1] < box[3]
