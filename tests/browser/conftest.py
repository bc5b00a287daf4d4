"""A board served as its command serves it, and a real Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEMO = Path(__file__).parents[2] / "leaderboard" / "demo"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
"""Chromium as root and without a network: each of the last four would look for a host outside."""

STANDS_STILL = """() => new Promise(done => {
    let timer = setTimeout(end, 500)
    const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(end, 500) })
    const last = setTimeout(end, 20000)
    function end() { watch.disconnect(); clearTimeout(timer); clearTimeout(last); done() }
    watch.observe(document.body, { childList: true, subtree: true })
})"""
"""Half a second in which nothing was drawn: parts of a page are loaded after its script has ended. A video never stands."""

START_S, LOAD_MS = 60, 60_000
"""Limits of a machine with two busy cores; a quiet one needs 3 s and 2 s."""


@contextmanager
def serving(*stores: Path) -> Iterator[str]:
    """Serve a board over stores on a free port of the loopback; nothing is left running."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "effbench", "board", *map(str, stores), "--headless", "--port", str(port)]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            address, end = f"http://127.0.0.1:{port}/", time.monotonic() + START_S
            while True:
                try:
                    urllib.request.urlopen(address + "_stcore/health", timeout=1).close()
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > end:
                        server.kill()
                        raise RuntimeError(f"the board did not start: {server.communicate()[1][-2000:]}") from None
                    time.sleep(0.2)
            yield address
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="session")
def demo_board() -> Iterator[str]:
    """The board without an argument: the demo that comes with it."""
    with serving() as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra: pip install effbench[browser]")
    path = os.environ.get("EFFBENCH_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium (Debian's package chromium), or EFFBENCH_CHROMIUM that names one")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open ``visit(address, width=..., scheme=..., **query)`` and wait until it stands still; a page error fails the test."""
    contexts, errors = [], []

    def go(address: str, *, width: int = 1280, scheme: Any = "light", **query: Any) -> Page:
        height = 900 if width > 500 else 844
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}?{urlencode(query, doseq=True)}" if query else address)
        settled(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not errors


def settled(page: Page) -> None:
    """Wait until the page was drawn and the script behind it has ended, and make sure that it raised nothing."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=LOAD_MS)
    # The first match can be an empty block, which is never visible; any that is will do.
    drawn = '[role="tabpanel"] [data-testid]:visible, .eb h1:visible, [data-testid="stAlert"]:visible'
    page.locator(drawn).first.wait_for(timeout=LOAD_MS)
    page.evaluate(STANDS_STILL)
    assert page.locator('[data-testid="stException"]').count() == 0, page.locator("body").inner_text()[-2000:]


@pytest.fixture(scope="session")
def settle() -> Callable[[Page], None]:
    """``settled``, for tests, which cannot import a conftest by name."""
    return settled


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    """``serving``, for tests, which cannot import a conftest by name."""
    return serving


def chosen(page: Page, box: Any, option: str) -> None:
    """Choose an option of a list, opened by keys: what is drawn meanwhile, or scrolled, closes one that a click opened."""
    from playwright.sync_api import TimeoutError as TooLate

    for _ in range(10):
        box.focus()
        page.keyboard.press("ArrowDown")
        with suppress(TooLate):
            page.get_by_role("option", name=option).click(timeout=3000)
            return
    raise AssertionError(f"no list that stays open for {option!r}")


@pytest.fixture(scope="session")
def choose() -> Callable[[Page, Any, str], None]:
    """``chosen``, for tests, which cannot import a conftest by name."""
    return chosen
