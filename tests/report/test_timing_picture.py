"""The picture of raw timings: every call is in it, in the order of the turns, and nothing is lost at its edges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from effbench.errors import StoreError
from effbench.parts import write_part
from effbench.raw import RawCell
from effbench.report.summarise import summarise
from effbench.report.timing_picture import (
    MOST_DRAWN,
    OURS,
    ROUNDS_PER_PICTURE,
    THEIRS,
    TimedCalls,
    timed_calls,
    timing_picture,
    why_no_timings,
)
from effbench.store import CellFolder, read_store
from effbench.timings import RoundCalls, calls_of

Row = tuple[int, str, float]


def write_round(
    folder: CellFolder, name: str, rows: Sequence[Row], size: int = 1, machine: str = "feedc0ffee12"
) -> Path:
    """Write (turn, phase, ms) of the calls of a round, as the runner does."""
    count = len(rows)
    columns = {
        "round": [name] * count,
        "batch_size": [size] * count,
        "turn": [turn for turn, _, _ in rows],
        "item": [0 if turn == 0 else turn % 2 for turn, _, _ in rows],
        "iteration": list(range(count)),
        "phase": [phase for _, phase, _ in rows],
        "wall_ns": [int(ms * 1e6) for _, _, ms in rows],
        "load_s": [0.1] * count,
        "flags": [""] * count,
        "machine": [machine] * count,
    }
    return write_part(folder.timings, f"{name}-b{size}", columns, {})


OURS_R1: tuple[Row, ...] = (
    (0, "first", 90.0),
    (0, "warmup", 11.0),
    (2, "steady", 10.0),
    (2, "steady", 12.0),
    (3, "steady", 10.5),
)
THEIRS_R1: tuple[Row, ...] = ((0, "first", 80.0), (1, "steady", 20.0), (4, "steady", 21.0))


@pytest.fixture
def raw(make: Any, tmp_path: Path) -> RawCell:
    """A method that was timed in two rounds, its reference in the first of them and in one of another machine."""
    view = make.raw_store(tmp_path, make.Raw(make.cell("ref")), make.Raw(make.cell("quick", order=1)))
    reference, own = (CellFolder(tmp_path / "cells" / cell.id) for cell in view.cells)
    write_round(own, "r001", OURS_R1)
    write_round(own, "r002", [(1, "steady", 11.0)])
    write_round(own, "r001", [(1, "steady", 44.0)], size=4)
    write_round(reference, "r001", THEIRS_R1)
    write_round(reference, "r002", [(1, "steady", 5.0)], machine="other")
    (workload,) = summarise(read_store(tmp_path)).workloads
    return workload.raw[1]


def test_calls_come_in_the_order_of_turns_for_one_size_and_machine(raw: RawCell) -> None:
    found = calls_of(raw.folder, 1, "feedc0ffee12")
    assert list(found) == ["r001", "r002"]
    assert found["r001"] == RoundCalls(
        (0, 0, 2, 2, 3),
        ("first", "warmup", "steady", "steady", "steady"),
        (0, 0, 0, 0, 1),
        (90.0, 11.0, 10.0, 12.0, 10.5),
    )
    assert calls_of(raw.folder, 4, "feedc0ffee12")["r001"].wall_ms == (44.0,)
    assert calls_of(raw.folder, 1, "elsewhere") == {}


def test_the_thousandth_round_comes_last(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path / "cells" / "a")
    for name in ("r1000", "r999"):
        write_round(folder, name, [(1, "steady", 1.0)])
    assert list(calls_of(folder, 1, "feedc0ffee12")) == ["r999", "r1000"]


def test_every_call_is_drawn_in_the_order_of_the_turns_of_both(raw: RawCell) -> None:
    picture = timing_picture(timed_calls(raw, 1))
    assert picture is not None
    assert (picture.calls, picture.drawn) == (9, 9)
    marks = sorted(
        (place, kind.who, kind.is_warm_up)
        for kind in picture.kinds
        for place in kind.place
        if place < picture.bands[0].end
    )
    expected = [OURS, OURS, THEIRS, THEIRS, OURS, OURS, OURS, THEIRS]  # warm-ups, then turns 1, 2, 2, 3, 4
    assert [who for _, who, _ in marks] == expected
    assert [warm for _, _, warm in marks] == [True] * 3 + [False] * 5
    first, second = picture.bands
    assert first.begin < first.warm < first.end < second.begin
    assert all(place < first.warm for place, _, warm in marks if warm)
    assert all(place > first.warm for place, _, warm in marks if not warm)


def test_medians_are_of_the_timed_calls_of_each_round(raw: RawCell) -> None:
    picture = timing_picture(timed_calls(raw, 1))
    assert picture is not None
    found = {(line.who, line.round): (line.wall_ms, line.calls) for line in picture.medians}
    assert found == {(OURS, "r001"): (10.5, 3), (THEIRS, "r001"): (20.5, 2), (OURS, "r002"): (11.0, 1)}


def test_a_warm_up_beyond_the_picture_stands_at_its_edge_with_its_time_in_words(raw: RawCell) -> None:
    picture = timing_picture(timed_calls(raw, 1))
    assert picture is not None
    assert not picture.is_logarithmic
    assert picture.beyond == 2 and picture.limits[0] < 10.0 and 21.0 < picture.limits[1] < 25
    (ours,) = (kind for kind in picture.kinds if kind.who == OURS and kind.is_warm_up)
    assert ours.wall_ms == (picture.limits[1], 11.0)
    assert ours.said == ("method, round r001, first call, call 1: 90 ms", "method, round r001, warm-up, call 2: 11 ms")
    (steady,) = (kind for kind in picture.kinds if kind.who == OURS and not kind.is_warm_up)
    assert steady.said[2] == "method, round r001, turn 3, call 1, item 1: 10.50 ms"


def calls(walls: Sequence[float], turn: int = 1) -> RoundCalls:
    return RoundCalls([turn] * len(walls), ["steady"] * len(walls), [0] * len(walls), walls)


def test_a_method_that_is_four_times_as_fast_takes_a_logarithmic_axis() -> None:
    picture = timing_picture(TimedCalls({"r001": calls([10.0, 10.1])}, {"r001": calls([39.0], turn=2)}))
    assert picture is not None and not picture.is_logarithmic
    picture = timing_picture(TimedCalls({"r001": calls([10.0, 10.1])}, {"r001": calls([41.0], turn=2)}))
    assert picture is not None and picture.is_logarithmic
    assert 0 < picture.limits[0] < 10.0 and picture.limits[1] > 41.0


def test_of_very_many_calls_the_fastest_and_the_slowest_stay() -> None:
    walls = [10.0 + (n % 7) * 0.1 for n in range(3 * MOST_DRAWN)]
    walls[1234], walls[4321] = 3.0, 11.9
    picture = timing_picture(TimedCalls({"r001": calls(walls)}, {}))
    assert picture is not None
    assert picture.calls == 3 * MOST_DRAWN and picture.drawn <= MOST_DRAWN
    (kind,) = picture.kinds
    assert {3.0, 11.9} < set(kind.wall_ms)
    assert kind.place == tuple(sorted(kind.place))


def test_rounds_come_in_pictures_of_some() -> None:
    timed = TimedCalls({f"r{n:03d}": calls([10.0]) for n in range(1, ROUNDS_PER_PICTURE + 3)}, {})
    first, second = timing_picture(timed), timing_picture(timed, ROUNDS_PER_PICTURE)
    assert first is not None and second is not None
    assert [band.name for band in first.bands] == list(timed.rounds[:ROUNDS_PER_PICTURE])
    assert [band.name for band in second.bands] == ["r011", "r012"]
    assert timing_picture(timed, 2 * ROUNDS_PER_PICTURE) is None


def test_times_of_zero_which_a_foreign_store_may_hold_are_not_drawn() -> None:
    picture = timing_picture(TimedCalls({"r001": calls([0.0, 10.0, -1.0])}, {}))
    assert picture is not None
    assert picture.drawn == 1 and picture.medians[0].calls == 1
    assert timing_picture(TimedCalls({"r001": calls([0.0])}, {})) is None


def test_a_part_whose_content_was_changed_is_named_and_left_out(raw: RawCell) -> None:
    file = next(raw.folder.timings.glob("r002-b1*"))
    file.write_bytes(file.read_bytes() + b"x")
    timed = timed_calls(raw, 1)
    assert timed.damaged == (file.name,) and timed.rounds == ("r001",)


def test_a_part_that_cannot_be_read_is_a_sentence(raw: RawCell) -> None:
    from effbench.atomic import write_content_named

    write_content_named(raw.folder.timings, "r003-b1", ".parquet", lambda path: path.write_bytes(b"no table"))
    with pytest.raises(StoreError, match="r003-b1"):
        timed_calls(raw, 1)


def test_a_cell_without_timings_says_why(make: Any, tmp_path: Path) -> None:
    view = make.raw_store(
        tmp_path, make.Raw(make.cell("sim", make.full_numbers(0.3, None, None), execution="simulated"))
    )
    (raw,) = summarise(view).workloads[0].raw
    assert timing_picture(timed_calls(raw, 1)) is None
    assert why_no_timings(raw) == "simulated"
