"""Rays against solids and ground, where the answer can be worked out by hand."""

import math

import numpy as np
import pytest

from effbench.lidar.scene.ground import LAND, PAVEMENT, ROAD, Ground, height, zone
from effbench.lidar.scene.raycast import NEVER, cast_ground, cast_solids, chance, meet
from effbench.lidar.scene.solids import CYLINDER, ELLIPSOID, FRUSTUM, Solids
from effbench.lidar.scene.sweep import GROUND, ground_distances

AZIMUTHS = np.radians(np.arange(-45, 45, 0.25))
ELEVATIONS = np.radians(np.linspace(10, -24, 60))


def one(*args, **words):
    solids = Solids()
    solids.add(*args, **words)
    return solids.table()[0]


def test_a_ray_meets_a_box_at_its_face():
    box = one(FRUSTUM, 10, 0, -1, (4, 2, 2))
    assert meet(box, 1.0, 0.0, 0.0) == pytest.approx((8, 12, 1))
    turned = one(FRUSTUM, 10, 0, -1, (4, 2, 2), math.pi / 2)
    assert meet(turned, 1.0, 0.0, 0.0) == pytest.approx((9, 11, 1))
    slanted = 1 / math.sqrt(2)
    enter, leave, cosine = meet(one(FRUSTUM, 10, 10, -1, (4, 4, 2)), slanted, slanted, 0.0)
    assert (enter, leave, cosine) == pytest.approx((8 * math.sqrt(2), 12 * math.sqrt(2), slanted))
    enter, leave, _ = meet(box, slanted, slanted, 0.0)
    assert enter > leave


def test_a_leaning_front_is_met_further_in_the_higher_it_is():
    leaning = one(FRUSTUM, 10, 0, 0, (4, 2, 2), math.pi, lean=(0.5, 0.0, 0.0))  # its front looks at the sensor
    for tall in (0.5, 1.0, 1.5):
        x = 8 + 0.5 * tall
        way = math.hypot(x, tall)
        assert meet(leaning, x / way, 0.0, tall / way)[0] == pytest.approx(way)
    assert meet(leaning, 1.0, 0.0, 1e-9)[2] == pytest.approx(1 / math.hypot(1, 0.5))


def test_a_ray_meets_a_cylinder_at_its_mantle_or_its_cap():
    tree = one(CYLINDER, 10, 0, -1, (2, 2, 4))
    assert meet(tree, 1.0, 0.0, 0.0) == pytest.approx((9, 11, 1))
    enter, leave, cosine = meet(one(CYLINDER, 10, 0.5, -1, (2, 2, 4)), 1.0, 0.0, 0.0)
    half = math.sqrt(1 - 0.25)
    assert (enter, leave, cosine) == pytest.approx((10 - half, 10 + half, half))
    low = one(CYLINDER, 10, 0, -2, (2, 2, 1))  # its cap lies 1 m below the sensor
    way = math.hypot(10, 1)
    assert meet(low, 10 / way, 0.0, -1 / way)[0] == pytest.approx(way)
    enter, leave, _ = meet(tree, math.cos(0.2), math.sin(0.2), 0.0)
    assert enter > leave


def test_a_ray_meets_an_ellipsoid():
    ball = one(ELLIPSOID, 10, 0, -1, (4, 2, 2))
    assert meet(ball, 1.0, 0.0, 0.0) == pytest.approx((8, 12, 1))
    turned = one(ELLIPSOID, 10, 0, -1, (4, 2, 2), math.pi / 2)
    assert meet(turned, 1.0, 0.0, 0.0) == pytest.approx((9, 11, 1))
    enter, _, cosine = meet(one(ELLIPSOID, 10, 0, -1.5, (2, 2, 2)), 1.0, 0.0, 0.0)
    assert (enter, cosine) == pytest.approx((10 - math.sqrt(0.75), math.sqrt(0.75)))


def cast(solids, rows=ELEVATIONS, ground=None, seed=0, objects=4):
    azimuths = np.broadcast_to(AZIMUTHS, (len(rows), len(AZIMUTHS))).copy()
    way, hit = np.full(azimuths.shape, NEVER), np.full(azimuths.shape, GROUND - 1)
    zones = np.zeros(azimuths.shape, np.int64)
    if ground is not None:
        distances = ground_distances()
        cast_ground(
            ground.row(), 1.73, rows, azimuths, distances, np.zeros((len(AZIMUTHS), len(distances))), way, zones
        )
    meets = np.zeros(objects, np.int64)
    cast_solids(solids.table(), rows, azimuths, AZIMUTHS[1] - AZIMUTHS[0], seed, way, hit, np.ones(way.shape), meets)
    return way, hit, meets


def test_no_ray_that_meets_a_solid_lies_outside_its_window():
    rng = np.random.default_rng(0)
    for _ in range(60):
        solids = Solids()
        kind = float(rng.integers(3))
        place = rng.uniform((-3, -20, -3), (40, 20, 1))
        solids.add(kind, *place, tuple(rng.uniform(0.2, 12, 3)), float(rng.uniform(-4, 4)))
        way, _, _ = cast(solids)
        for row in range(0, len(ELEVATIONS), 7):
            for column in range(0, len(AZIMUTHS), 11):
                flat, dz = math.cos(ELEVATIONS[row]), math.sin(ELEVATIONS[row])
                turn = AZIMUTHS[column]
                enter, leave, _ = meet(solids.table()[0], flat * math.cos(turn), flat * math.sin(turn), dz)
                expected = enter if 0.05 < enter < leave else NEVER
                assert way[row, column] == pytest.approx(expected)


def test_the_nearer_solid_hides_the_further_and_both_count_what_they_would_stop():
    solids = Solids()
    solids.add(FRUSTUM, 20, 0, -1.7, (4, 2, 3), thing=0)
    solids.add(FRUSTUM, 10, 0.5, -1.7, (1, 1, 3), thing=1)
    _, hit, meets = cast(solids)
    alone = Solids()
    alone.add(FRUSTUM, 20, 0, -1.7, (4, 2, 3), thing=0)
    assert meets[0] == (cast(alone)[1] == 0).sum()
    assert (hit == 1).sum() == meets[1]
    assert 0.2 * meets[0] < (hit == 0).sum() < 0.8 * meets[0]
    columns = np.degrees(AZIMUTHS[np.flatnonzero((hit == 1).any(0))])  # from (9.5, 0) to (9.5, 1): 0 to 6.0 degrees
    assert columns.min() == pytest.approx(0, abs=0.25)
    assert columns.max() == pytest.approx(math.degrees(math.atan2(1, 9.5)), abs=0.25)


def test_an_object_of_two_solids_counts_a_ray_once():
    solids = Solids()
    solids.add(FRUSTUM, 10, 0, -1, (1, 1, 2), thing=0)
    solids.add(FRUSTUM, 12, 0, -1, (1, 1, 2), thing=0)
    _, hit, meets = cast(solids)
    assert meets[0] == (hit >= 0).sum()


def test_leaves_stop_rays_as_their_density_says():
    solids = Solids()
    solids.add(FRUSTUM, 10, 0, -5, (1, 20, 10), density=0.7)
    way, hit, _ = cast(solids, np.radians(np.linspace(2, -2, 200)))
    ahead = np.abs(AZIMUTHS) < 0.3
    thick = 1 / np.cos(AZIMUTHS[ahead])
    stopped = (hit[:, ahead] == 0).mean()
    assert stopped == pytest.approx(1 - np.exp(-0.7 * thick).mean(), abs=0.01)
    depth = way[:, ahead][hit[:, ahead] == 0]
    assert (depth >= 9.5).all()
    assert depth.max() < 10.5 / np.cos(0.3) + 0.1


def test_glass_lets_its_share_of_rays_through_to_what_is_behind():
    solids = Solids()
    solids.add(FRUSTUM, 10, 0, -5, (0.1, 20, 10), through=0.4)
    solids.add(FRUSTUM, 15, 0, -5, (0.1, 40, 10))
    _, hit, _ = cast(solids, np.radians(np.linspace(2, -2, 200)))
    ahead = np.abs(AZIMUTHS) < 0.3
    assert (hit[:, ahead] == 1).mean() == pytest.approx(0.4, abs=0.01)
    assert (hit[:, ahead] >= 0).all()


def test_chances_are_even_and_of_their_numbers_alone():
    drawn = np.array([chance(5, ray, solid) for ray in range(300) for solid in range(30)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert np.histogram(drawn, 10, (0, 1))[0] == pytest.approx(np.full(10, 900), abs=120)
    assert chance(5, 7, 9) == drawn[7 * 30 + 9] != chance(6, 7, 9)


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.05, 0.0), (-0.04, 0.03)])
def test_a_sloped_plane_is_met_where_the_line_says(slope):
    ground = Ground(slope_x=slope[0], slope_y=slope[1])
    way, _, _ = cast(Solids(), ground=ground)
    flat, rise = np.cos(ELEVATIONS)[:, None], np.sin(ELEVATIONS)[:, None]
    down = flat * (slope[0] * np.cos(AZIMUTHS) + slope[1] * np.sin(AZIMUTHS)) - rise
    expected = 1.73 / np.where(down > 0, down, np.nan)
    near = expected * flat < 80
    assert near.sum() > 1000
    assert way[near] == pytest.approx(expected[near], rel=1e-9)
    assert not np.isfinite(way[(expected * flat > 95) | (down <= 0)]).any()


def test_a_kerb_hides_what_is_behind_it_and_a_crossing_has_none():
    ground = Ground(half_width=4, kerb=0.15, pavement_left=2, crossing_x=30, crossing_half_width=3)
    row = ground.row()
    assert height(row, 10.0, 3.9) == 0
    assert height(row, 10.0, 4.06) == pytest.approx(0.075)
    assert height(row, 10.0, 5.0) == pytest.approx(0.15)
    assert height(row, 31.0, 5.0) == 0
    assert [zone(row, 10.0, y) for y in (0.0, 5.0, 7.0, -5.0, -7.0)] == [ROAD, PAVEMENT, LAND, PAVEMENT, LAND]
    assert zone(row, 30.0, 7.0) == ROAD


def test_land_beside_the_road_banks_up_to_its_limit():
    row = Ground(half_width=4, pavement_left=2, bank_left=0.5).row()
    assert height(row, 10.0, 8.0) == pytest.approx(1.0)
    assert height(row, 10.0, 30.0) == pytest.approx(2.5)
    assert height(row, 10.0, -8.0) == 0
