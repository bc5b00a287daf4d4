"""Take the pictures of docs/leaderboard.md: ``board_pictures.py ADDRESS --into docs/img``, over a board that is served."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
SETTLE_MS = 4_000
"""After the script behind a page has ended: what Plotly draws comes later."""
COLOURS = 128
"""Of the palette that a picture is reduced to: a third of the bytes, and text stays sharp."""


class Shot(NamedTuple):
    """A picture: its name, what the address holds, and the window."""

    name: str
    query: dict[str, str]
    width: int = 1280
    scheme: str = "light"
    height: int = 900


BOARD = {"task": "emoji-pixart"}
SHOTS = (
    Shot("board-start", {}),
    Shot("board-start-phone-dark", {}, 390, "dark", 844),
    Shot("board-table", BOARD),
    Shot("board-table-dark", BOARD, scheme="dark"),
    Shot("board-table-phone", BOARD, 390, "light", 844),
    Shot("board-table-phone-dark", BOARD, 390, "dark", 844),
    Shot("board-pareto", BOARD | {"tab": "Pareto"}),
    Shot("board-compare", BOARD | {"tab": "Compare"}),
    Shot("board-samples", BOARD | {"tab": "Samples"}),
    Shot("board-entry", BOARD | {"tab": "Entry", "method": "vidit-q-w8a8"}),
)


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked.chromium, args=FLAGS)
        for shot in SHOTS:
            size = {"width": shot.width, "height": shot.height}
            page = browser.new_page(viewport=size, color_scheme=shot.scheme)
            page.goto(f"{asked.address}?{urlencode(shot.query)}")
            page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000)
            page.wait_for_timeout(SETTLE_MS)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
            picture.save(asked.into / f"{shot.name}.png", optimize=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
