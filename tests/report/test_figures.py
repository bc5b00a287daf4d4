from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from effbench.errors import BadInput
from effbench.report.figures import draw, write_picture
from effbench.report.labels import overlap, place_labels
from effbench.report.pareto import pictures_of
from effbench.report.summarise import Summary, summarise

AXES = ("latency", "quality")


def test_files_are_what_their_suffix_says(typical: Summary, tmp_path: Path) -> None:
    pictures = pictures_of(typical, AXES)
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        file = tmp_path / f"picture{suffix}"
        write_picture(pictures, file)
        assert file.read_bytes().startswith(start)


def test_svg_is_xml_and_the_same_each_time(typical: Summary) -> None:
    pictures = pictures_of(typical, AXES)
    first = draw(pictures, "svg")
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert draw(pictures, "svg") == first


def test_odd_cases_draw(make: Any) -> None:
    simulated = make.cell("a$b$_[x]<y>", make.full_numbers(0.3, None, None), execution="simulated")
    summary = summarise(make.view(simulated, make.cell("only", task="t2v")))
    assert draw(pictures_of(summary, AXES), "png")
    assert draw(pictures_of(summary, ("compute", "quality")), "png")


def test_other_suffixes_and_places_are_refused(typical: Summary, tmp_path: Path) -> None:
    pictures = pictures_of(typical, AXES)
    with pytest.raises(BadInput, match=r"written as \.svg, \.png, \.pdf"):
        write_picture(pictures, tmp_path / "picture.gif")
    with pytest.raises(BadInput, match="cannot be written"):
        write_picture(pictures, tmp_path / "missing" / "picture.svg")
    with pytest.raises(BadInput, match="cannot be saved: Is a directory"):
        (tmp_path / "folder.svg").mkdir()
        write_picture(pictures, tmp_path / "folder.svg")


def test_a_link_is_replaced_and_not_followed(typical: Summary, tmp_path: Path) -> None:
    """A store of strangers may hold ``pareto-latency-quality.svg`` as a link to a file of the one who reports it."""
    mine, picture = tmp_path / "mine", tmp_path / "pareto-latency-quality.svg"
    mine.write_text("mine")
    picture.symlink_to(mine)
    write_picture(pictures_of(typical, AXES), picture)
    assert mine.read_text() == "mine" and picture.read_bytes().startswith(b"<?xml")


def test_labels_of_crowded_points_do_not_overlap() -> None:
    anchors = [(100.0 + 6 * i, 100.0 + 4 * (i % 3)) for i in range(9)]
    spots = place_labels(anchors, [(70.0, 12.0)] * 9, [], (0, 0, 400, 300), gap=6)
    assert all(overlap(a.box, b.box) == 0 for a, b in itertools.combinations(spots, 2))
    assert all(overlap(spot.box, (0, 0, 400, 300)) == pytest.approx(70 * 12) for spot in spots)
    assert any(spot.needs_leader for spot in spots)


def test_a_lone_label_stands_right_above_its_point_without_a_leader() -> None:
    (spot,) = place_labels([(100.0, 100.0)], [(50.0, 10.0)], [], (0, 0, 400, 300), gap=6)
    assert spot.box[:2] == pytest.approx((104.24, 104.24), abs=0.01)
    assert not spot.needs_leader
