"""How wide a text will be on a screen whose font is not known here: an upper estimate, and shorter forms that fit."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

MEASURED_AT = 100
"""Pixels of the font that widths are measured in: large enough that hinting rounds off no more than one in a hundred."""

SLACK = 1.04
"""Room on top of the measured width: DejaVu Sans is wider than the fonts of browsers, but a foreign one may not be."""

ELLIPSIS = "…"


@lru_cache(maxsize=4096)
def text_width(text: str, font_px: float) -> float:
    """Return how wide a text is at most, in pixels of a font of that size: as in DejaVu Sans, East Asian signs a full em."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    narrow = "".join(sign for sign in text if unicodedata.east_asian_width(sign) not in "WF")
    measured: float = _font().getlength(narrow)
    return SLACK * font_px * (wide + measured / MEASURED_AT)


def shortened(text: str, most: int) -> str:
    """Return a text of at most ``most`` signs: of a longer one both ends, since names of one family differ in either."""
    if len(text) <= most:
        return text
    behind = (most - 1) // 2
    return f"{text[: most - 1 - behind].rstrip()}{ELLIPSIS}{text[len(text) - behind :].lstrip()}"


@cache
def _font() -> Any:
    import matplotlib
    from PIL import ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), MEASURED_AT, layout_engine=ImageFont.Layout.BASIC)
