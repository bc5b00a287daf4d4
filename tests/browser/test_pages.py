"""Every page of the board in a real Chromium, over the demo store."""

from __future__ import annotations

import csv
import io
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DEMO = Path(__file__).parents[2] / "leaderboard" / "demo"
WIDE, PHONE = 1280, 390


def methods(page: Any) -> list[str]:
    return [text.strip() for text in page.locator(".eb table tbody th a").all_inner_texts()]


def expanders(page: Any) -> list[str]:
    """The labels of what can be opened, without the arrow before each."""
    labels = page.locator('[data-testid="stExpander"] summary').all_inner_texts()
    return [label.split("\n")[-1] for label in labels]


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("tab", ["", "Board", "Pareto", "Compare", "Samples", "Claims", "Subsets", "Entry"])
def test_pages_fit_their_width(visit: Callable[..., Any], demo_board: str, width: int, scheme: str, tab: str) -> None:
    page = visit(demo_board, width=width, scheme=scheme, **({"task": "emoji-pixart", "tab": tab} if tab else {}))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = """els => els.filter(e => { const b = e.getBoundingClientRect(); return b.right > innerWidth + 1 && b.width > 0 })
             .map(e => e.outerHTML.slice(0, 120))"""
    assert page.locator(".eb *").evaluate_all(cut) == []
    assert page.get_by_text("Deploy", exact=True).count() == 0


def test_the_first_screen_holds_what_matters(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart")
    row = page.locator(".eb table tbody tr").nth(1)
    assert row.bounding_box()["y"] + row.bounding_box()["height"] < 900
    for heading in ("method", "execution", "speed-up", "latency", "peak memory", "compute", "prep.", "noise"):
        box = page.locator(".eb thead th", has_text=heading).first.bounding_box()
        assert box["y"] < 900 and box["x"] + box["width"] <= WIDE, heading
    assert page.locator(".eb .bar").first.is_visible()
    assert page.locator(".eb tr.pinned th").inner_text().startswith("reference")


def test_cards_lead_to_a_task_and_names_to_an_entry(visit: Callable[..., Any], settle: Any, demo_board: str) -> None:
    page = visit(demo_board)
    page.locator(".eb .card a", has_text="emoji-pixart").first.click()
    page.wait_for_url("**task=emoji-pixart**")
    settle(page)
    assert "vidit-q-w8a8" in methods(page)
    page.locator(".eb table a", has_text="vidit-q-w8a8").first.click()
    page.wait_for_url("**method=vidit-q-w8a8**")
    settle(page)
    assert page.get_by_role("tab", name="Entry").get_attribute("aria-selected") == "true"
    assert page.get_by_text("vidit-q-w8a8").first.is_visible()


def test_search_and_filters_are_kept_in_the_address(visit: Callable[..., Any], settle: Any, demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart")
    everyone = methods(page)
    page.get_by_label("Search").fill("tome")
    page.get_by_label("Search").press("Enter")
    page.wait_for_url("**q=tome**")
    settle(page)
    assert methods(page) == ["reference", *[name for name in everyone if "tome" in name]]
    again = visit(page.url)
    assert methods(again) == methods(page)


def test_orders_keep_groups_together(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart", order="speed-up")
    ranks = [text.strip() for text in page.locator(".eb tbody td.rank").all_inner_texts()]
    said = [int(rank.removeprefix("#")) for rank in ranks if rank]
    assert said and said == sorted(set(said))


def test_a_csv_equals_the_report(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    got = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    line = [sys.executable, "-m", "effbench", "report", str(DEMO / "demo"), "--format", "csv"]
    said = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    assert got == [row for row in csv.DictReader(io.StringIO(said)) if row["task"] == "emoji-pixart"] and len(got) > 100


def test_everything_is_reached_by_keyboard(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.innerText?.trim() || document.activeElement.ariaLabel || ''"))
    assert {"Start", "Results", "Board", "Filters", "Columns", "vidit-q-w8a8"} <= {
        text.split("\n")[0] for text in seen
    } | {word for text in seen for word in text.split("\n")}


def test_filters_and_columns_are_kept_in_the_address(
    visit: Callable[..., Any], settle: Any, choose: Any, demo_board: str
) -> None:
    page = visit(demo_board, task="emoji-pixart")
    page.get_by_role("button", name="Filters").click()
    choose(page, page.get_by_role("combobox", name="Execution"), "simulated")
    page.keyboard.press("Escape")
    page.wait_for_url("**f_execution=simulated**")
    settle(page)
    assert set(methods(page)) == {"reference", "int8-simulated", "vidit-q-w4a4"}
    assert methods(visit(page.url)) == methods(page)


def test_two_methods_are_compared(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart", tab="Compare")
    line = [sys.executable, "-m", "effbench", "compare", str(DEMO / "demo"), "vidit-q-w8a8", "reference"]
    said = subprocess.run([*line, "--task", "emoji-pixart"], check=True, capture_output=True, text=True).stdout
    page = visit(demo_board, task="emoji-pixart", tab="Compare", methods=["reference", "vidit-q-w8a8"])
    sentence = page.get_by_text("vidit-q-w8a8 is").first.inner_text()
    assert " ".join(sentence.split()) in " ".join(said.split())
    assert page.locator('[data-testid="stPlotlyChart"]').count() >= 1


def test_a_point_of_the_pareto_picture_opens_its_method(
    visit: Callable[..., Any], settle: Any, demo_board: str
) -> None:
    page = visit(demo_board, task="emoji-pixart", tab="Pareto")
    points = page.locator(".js-plotly-plot .scatterlayer .trace .points path")
    points.first.wait_for()
    before = points.count()
    points.last.hover(force=True)
    assert points.count() == before and all(point.is_visible() for point in points.all()), "hovering hides no point"
    box = points.last.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**method=**")
    settle(page)
    assert page.get_by_role("tab", name="Entry").get_attribute("aria-selected") == "true"
    opened = page.url.partition("method=")[2].partition("&")[0]
    assert opened in methods(visit(demo_board, task="emoji-pixart"))
    again = visit(page.url)
    assert again.get_by_text(opened).first.is_visible(), "its address opens it again"


def test_a_pair_of_samples_is_opened(visit: Callable[..., Any], settle: Any, demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart", tab="Samples", methods=["reference", "vidit-q-w8a8"])
    page.get_by_role("link", name="This sample alone").first.click()
    page.wait_for_url("**sample=**")
    settle(page)
    assert page.locator("[role=tabpanel] img").count() >= 3, "two pictures and their difference"
    shown = page.locator("[role=tabpanel] img").evaluate_all(
        "all => all.every(one => one.complete && one.naturalWidth)"
    )
    assert shown, "they are pictures that a browser can read"


def test_videos_play(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="moving-emoji", tab="Samples")
    frames = page.locator("[role=tabpanel] img").first
    before = frames.screenshot()
    for _ in range(20):
        page.wait_for_timeout(100)
        if frames.screenshot() != before:
            return
    pytest.fail("two seconds of a video show one picture")


def test_an_entry_gives_its_row_again(visit: Callable[..., Any], demo_board: str, tmp_path: Path) -> None:
    page = visit(demo_board, task="emoji-pixart", tab="Entry", method="vidit-q-w8a8")
    line = page.locator('[data-testid="stCode"]:visible').first
    line.hover()
    assert line.locator('[aria-label="Copy to clipboard"]').count() == 1
    words = shlex.split(line.inner_text())
    assert words[:2] == ["effbench", "run"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Suite").click()
    assert download.value.suggested_filename == words[2]
    download.value.save_as(tmp_path / words[2])
    done = subprocess.run(
        [sys.executable, "-m", *words, "--dry-run"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0 and "emoji-pixart/vidit-q-w8a8" in done.stdout, done.stderr


def test_an_entry_shows_its_raw_timings_and_what_its_method_is(
    visit: Callable[..., Any], settle: Any, demo_board: str
) -> None:
    page = visit(demo_board, task="emoji-pixart", tab="Entry", method="vidit-q-w8a8")
    page.wait_for_selector('[data-testid="stPlotlyChart"] .scatterlayer path.point', timeout=30_000)
    assert page.locator('[data-testid="stPlotlyChart"] .scatterlayer path.point').count() > 20
    page.get_by_role("link", name="vidit-q", exact=True).click()
    page.wait_for_url("**page=Methods**")
    settle(page)
    assert expanders(page)[1].startswith("vidit-q")


def test_a_subset_shows_its_certificate_and_curves(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="emoji-pixart", tab="Subsets")
    assert page.locator(".eb table tbody tr").count() >= 2
    page.wait_for_selector('[data-testid="stPlotlyChart"] .scatterlayer path.point', timeout=60_000)


def test_methods_are_listed_and_found(visit: Callable[..., Any], settle: Any, demo_board: str) -> None:
    page = visit(demo_board, page="Methods", find="smoothquant")
    settle(page)
    how, *labels = expanders(page)
    assert how == "Submit a method of your own"
    assert labels and labels[0].startswith("smoothquant")
    assert page.get_by_text("effbench submit").count() >= 1
    page.locator("summary", has_text="Submit a method").click()
    assert page.get_by_text("effbench submit").first.is_visible()


def test_molecules_have_curves(visit: Callable[..., Any], demo_board: str) -> None:
    page = visit(demo_board, task="lih", tab="Convergence")
    page.wait_for_selector('[data-testid="stPlotlyChart"] svg', timeout=30_000)
    assert page.get_by_role("tab", name="Samples").count() == 0, "a tab that would be empty is not shown"
