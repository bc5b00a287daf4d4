from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from effbench.errors import BadInput
from effbench.report.figures import draw, write_picture
from effbench.report.pareto import pictures_of
from effbench.report.pareto_names import RULE
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


def many(make: Any, count: int) -> Summary:
    """Methods on a line from fast and bad to slow and good, each with the same latency interval."""
    numbers = [
        [make.number("latency_p50_ms", 10.0 + i, 9.5 + i, 10.6 + i), make.number("clip_score", 0.3 + 1e-4 * i)]
        for i in range(count)
    ]
    return summarise(make.view(*(make.cell(f"method-{i}", own, i) for i, own in enumerate(numbers))))


def test_names_without_room_are_left_out_and_the_rule_is_said(make: Any) -> None:
    def words(svg: bytes) -> str:
        return " ".join(svg.decode().split("<!--")[1:])  # matplotlib writes each text as a comment before its paths

    few, crowd = (draw(pictures_of(many(make, count), AXES), "svg") for count in (3, 60))
    assert RULE.split(";")[0] not in words(few)
    assert RULE.split(";")[0] in words(crowd)
    assert "method-0" in words(crowd)
    assert 3 < sum(f" method-{i} " in words(crowd) for i in range(60)) < 60


def test_a_logarithmic_picture_and_bounds_below_zero_draw(make: Any) -> None:
    numbers = [
        [make.number("latency_p50_ms", 10.0**i, -5.0, 10.0**i + 8), make.number("clip_score", 0.1 * i)]
        for i in range(4)
    ]
    summary = summarise(make.view(*(make.cell(f"m{i}", own, i) for i, own in enumerate(numbers))))
    (picture,) = pictures_of(summary, AXES)
    assert picture.spans_decades == (True, False)
    logarithmic = picture.drawn((True, True))
    assert [scale.is_logarithmic for scale in logarithmic.scales] == [True, False]  # a quality of 0 has no logarithm
    assert draw([picture], "svg") != draw([logarithmic], "svg")


def test_two_thousand_methods_draw_with_the_bars_of_the_front_alone(make: Any) -> None:
    generator = np.random.default_rng(0)
    cells = [
        make.cell(f"m{i}", [make.number("latency_p50_ms", x, x - 1, x + 1), make.number("clip_score", y)], i)
        for i, (x, y) in enumerate(generator.uniform(10, 20, (2000, 2)))
    ]
    (picture,) = pictures_of(summarise(make.view(*cells)), AXES)
    assert len(picture.points) == 2000 and len(picture.barred) < 50
    assert "of the reference and the front" in picture.bars_text
    assert draw([picture], "png")
