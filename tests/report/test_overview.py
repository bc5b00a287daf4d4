"""The start page's data: what was decided, the best trade-off, the newest entries, and the small pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

from effbench.report.overview import Verdicts, newest_entries, overview_of
from effbench.report.summarise import Summary, summarise
from effbench.report.thumbnail import HEIGHT, WIDTH, thumbnail


def numbers(make: ModuleType, quality: float, speedup: float | None, half: float = 0.02) -> list[Any]:
    speed = (speedup * 0.9, speedup * 1.1) if speedup else (None, None)
    return [
        make.number("clip_score", quality, quality - half, quality + half, ci_method="bootstrap_percentile"),
        make.number("speedup", speedup, *speed),
    ]


def summary_of(make: ModuleType, path: Path, *cells: Any) -> Summary:
    return summarise(make.raw_store(path, *(make.Raw(cell) for cell in cells)))


def test_a_card_says_what_was_decided_and_what_not(make: ModuleType, tmp_path: Path) -> None:
    summary = summary_of(
        make,
        tmp_path,
        make.cell("reference", numbers(make, 0.30, 1.0)),
        make.cell("fast", numbers(make, 0.29, 2.0), 1),
        make.cell("faster-and-worse", numbers(make, 0.20, 4.0), 2),
        make.cell("fast-and-vague", numbers(make, 0.10, 3.0, half=0.3), 3),
        make.cell("slow", numbers(make, 0.40, 0.5), 4),
        make.cell("simulated", numbers(make, 0.30, None), 5, execution="simulated"),
        make.failed("broken", 6),
    )
    (card,) = overview_of(summary)
    (system,) = card.systems
    assert (card.task, system.methods, system.failed) == ("t2i", 6, 1)
    assert system.quality == Verdicts(better=1, worse=1, undecided=3)
    assert system.speed == Verdicts(better=3, worse=1, undecided=0)
    assert system.best is not None
    assert system.best == ("fast-and-vague", "3.00x [2.70, 3.30]"), "a quality that may be as good is no clear loss"


def test_direction_of_better_is_the_number_s_own(make: ModuleType, tmp_path: Path) -> None:
    def with_fid(value: float, speedup: float) -> list[Any]:
        fid = make.number("fid", value, value - 1, value + 1, primary=True, higher_is_better=False)
        return [fid, *numbers(make, 0.3, speedup)[1:]]

    summary = summary_of(
        make,
        tmp_path,
        make.cell("reference", with_fid(10, 1.0)),
        make.cell("good", with_fid(5, 1.5), 1),
        make.cell("bad", with_fid(20, 3.0), 2),
    )
    (system,) = overview_of(summary)[0].systems
    assert system.quality == Verdicts(1, 1, 0) and system.best is not None and system.best.name == "good"
    good, bad = (float(circle.attrib["cy"]) for circle in circles(thumbnail(system.workload)))
    assert good < bad, "better is up"


def test_nothing_is_decided_where_the_reference_has_no_number(make: ModuleType, tmp_path: Path) -> None:
    cells = [make.cell("reference", [make.number("speedup", 1.0)]), make.cell("a", numbers(make, 0.3, 2.0), 1)]
    (system,) = overview_of(summary_of(make, tmp_path, *cells))[0].systems
    assert system.quality is None and system.best is None and thumbnail(system.workload) == ""


def test_newest_come_first_and_references_are_no_news(make: ModuleType, tmp_path: Path) -> None:
    days = {"old": "2026-11-20", "new": "2026-11-24"}
    cells = [make.cell("reference", finished_utc="2026-11-28T00:00:00Z")]
    cells += [
        make.cell(name, order=at, finished_utc=f"{day}T00:00:00Z") for at, (name, day) in enumerate(days.items(), 1)
    ]
    entries = newest_entries(summary_of(make, tmp_path, *cells))
    assert [entry.name for entry in entries] == ["new", "old"]
    assert entries[0].words == "CLIP score 0.301 [0.289, 0.313], speedup 1.00x [0.97, 1.04]"
    assert len(newest_entries(summary_of(make, tmp_path / "b", *cells), count=1)) == 1


def test_small_pictures_stay_inside_and_draw_every_method_once(make: ModuleType, tmp_path: Path) -> None:
    cells = [make.cell("reference", numbers(make, 0.3, 1.0))]
    cells += [make.cell(f"m{at}", numbers(make, 0.3 - 0.01 * at, 1.0 + at), at) for at in range(1, 5)]
    (system,) = overview_of(summary_of(make, tmp_path, *cells))[0].systems
    found = circles(thumbnail(system.workload))
    assert len(found) == 4, "the reference is a diamond"
    assert all(0 < float(c.attrib["cx"]) < WIDTH and 0 < float(c.attrib["cy"]) < HEIGHT for c in found)


def circles(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall("{http://www.w3.org/2000/svg}circle")
