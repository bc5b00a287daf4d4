"""Compare and Samples in a real Chromium, over a store of images and one of videos."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(560)]

FACTORY = Path(__file__).parent.parent / "report" / "conftest.py"
COUNT, SIDE, FRAMES = 20, 32, 6
SCORES = np.linspace(0.3, 0.9, COUNT)
LOST = {4: 0.4, 11: 0.3}
PICTURES = '[data-testid="stImage"] img'


def factory() -> ModuleType:
    """The record factories of the report tests; a conftest cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("record_factory", FACTORY)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures(shade: int, kind: str) -> dict[str, Any]:
    """A picture or a video per sample: a square that is elsewhere in every sample and in every frame."""
    found = {}
    for at in range(COUNT):
        frames = np.full((FRAMES, SIDE, SIDE, 3), 230, np.uint8)
        for frame in range(FRAMES):
            frames[frame, at : at + 8, 4 * frame : 4 * frame + 8] = shade
        found[f"s{at:03d}"] = {"video": frames} if kind == "video" else {"image": frames[0]}
    return found


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, serve: Any) -> Iterator[str]:
    """Serve task t2i (a reference and two methods, with scores and images) and task t2v (two methods with videos)."""
    make, path = factory(), tmp_path_factory.mktemp("browser") / "store"
    lossy = SCORES - np.array([LOST.get(at, -0.01 * (at % 2)) for at in range(COUNT)])
    rounds = {f"r{at:03d}": [10.0 + at, 10.5 + at] for at in range(4)}
    given: dict[str, Any] = {"n_samples": COUNT, "seeds": (0,)}
    members = []
    for task, kind, names in (
        ("t2i", "image", ("reference", "lossy", "equal")),
        ("t2v", "video", ("reference", "lossy")),
    ):
        for order, name in enumerate(names):
            scores = lossy if name == "lossy" else SCORES
            numbers = [make.number("clip_score", float(scores.mean()), 0.0, 1.0), make.number("latency_p50_ms", 11.0)]
            cell = make.cell(name, [*numbers, make.number("speedup", 1.0)], order, task=task, **given)
            shown = pictures(60 + 40 * order, kind)
            members.append(make.Raw(cell, {"clip_score": scores}, rounds=rounds, previews=shown))
    make.raw_store(path, *members)
    with serve(path) as address:
        yield address


def titles(page: Any) -> list[str]:
    return [text for text in page.locator("strong").all_inner_texts() if re.fullmatch(r"s\d+", text)]


def test_two_methods_are_compared_and_a_point_shows_its_sample(
    visit: Callable[..., Any], settle: Any, choose: Any, board: str
) -> None:
    page = visit(f"{board}?task=t2i&tab=Compare&methods=reference&methods=equal")
    choice = page.get_by_role("combobox", name=re.compile("Methods"))
    choice.click()
    page.keyboard.type("lossy")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.wait_for_url("**methods=lossy**")
    settle(page)
    assert page.locator(".differences table").count() == 2
    assert page.get_by_text("effbench compare --task t2i").count() == 2
    other = page.get_by_role("combobox", name=re.compile("Method$"))
    choose(page, other, "lossy")
    page.wait_for_url("**other=lossy**")
    settle(page)
    point = page.locator(".js-plotly-plot .scatterlayer .trace .points path").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    settle(page)
    page.get_by_text("Choose a point").wait_for(state="hidden")
    assert titles(page)[1:3] == ["s004", "s011"], "the worst two, below the chosen one"


def test_the_worst_sample_opens_alone_and_its_address_shows_it_to_others(
    visit: Callable[..., Any], settle: Any, board: str
) -> None:
    page = visit(f"{board}?task=t2i&tab=Compare&methods=reference&methods=lossy")
    link = page.get_by_role("link", name=re.compile("See it in full")).first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sample=s004**")
    page.locator(PICTURES).nth(2).wait_for()
    settle(page)
    other = visit(page.url)
    for shown in (page, other):
        assert titles(shown) == ["s004"]
        assert shown.locator(PICTURES).count() == 3, "two pictures and their difference"


def test_samples_are_sorted_and_paged_by_their_address(
    visit: Callable[..., Any], settle: Any, choose: Any, board: str
) -> None:
    page = visit(f"{board}?task=t2i&tab=Samples&methods=reference&methods=lossy")
    assert titles(page) == [f"s{at:03d}" for at in range(8)]
    choose(page, page.get_by_role("combobox", name=re.compile("Order")), "largest loss of lossy")
    page.wait_for_url("**sort=largest**")
    settle(page)
    assert titles(page)[:2] == ["s004", "s011"]
    page.get_by_test_id("stPagination").get_by_role("button").last.click()
    page.wait_for_url("**samples_page=2**")
    settle(page)
    again = visit(page.url)
    assert titles(again) == titles(page) and not set(titles(page)) & {"s004", "s011"}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
@pytest.mark.parametrize("tab", ["Compare", "Samples"])
def test_both_tabs_fit_their_width_with_equal_pictures(
    visit: Callable[..., Any], board: str, tab: str, width: int, scheme: str
) -> None:
    page = visit(f"{board}?task=t2i&tab={tab}&methods=reference&methods=lossy", width=width, scheme=scheme)
    page.locator(PICTURES).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("[...document.images].every(image => image.complete)")
    boxes = [image.bounding_box() for image in page.locator(PICTURES).all()]
    assert len({round(box["width"]) for box in boxes}) == 1 and boxes[0]["width"] > 3 * SIDE
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    looks = page.locator(PICTURES).evaluate_all("all => all.map(one => getComputedStyle(one).imageRendering)")
    assert set(looks) == {"pixelated"}
    sizes = page.locator(PICTURES).evaluate_all("all => all.map(one => one.naturalWidth)")
    assert set(sizes) == {SIDE}, "every pixel of the model, once"
    if tab == "Samples":
        first, second = boxes[:2]
        assert (first["x"] == second["x"]) == (width == 390), "stacked on a phone"


def test_videos_play_and_a_frame_stands_still(visit: Callable[..., Any], board: str) -> None:
    page = visit(f"{board}?task=t2v&tab=Samples&methods=reference&methods=lossy")
    picture = page.locator(PICTURES).first
    picture.wait_for()

    def looks() -> int:
        seen = set()
        for _ in range(8):
            seen.add(picture.screenshot())
            page.wait_for_timeout(150)
        return len(seen)

    assert looks() > 2
    page = visit(f"{board}?task=t2v&tab=Samples&methods=reference&methods=lossy&frame=3")
    picture = page.locator(PICTURES).first
    picture.wait_for()
    page.wait_for_timeout(1000)
    assert looks() == 1
