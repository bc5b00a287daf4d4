"""Pictures of samples as a browser shows them: still or moving, without loss, and small ones with every pixel seen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st
from PIL import Image

from effbench.arrays import Array
from effbench.report.pixels import FULL, brightest, colours

FRAME_MS = 125
"""8 frames a second, as videos are written for VBench (``tasks.t2v.vbench.FRAMES_PER_SECOND``)."""

MOST_SIDE_SENT, MOST_PIXELS_SENT = 1400, 1 << 23
"""Pixels of the longer side of what is sent to a browser, and of all frames of a video together (some 20 MB): what is larger
is shrunk by a whole factor, which stands beside it."""

STYLE = """<style>
[class*="st-key-pixels"] img { image-rendering: pixelated; }
[class*="st-key-pixels"] img, [class*="st-key-picture"] img { border-radius: 0; }
</style>"""
"""Pictures that are shown larger than they are keep their pixels as squares, and none loses its corners."""


class Encoded(NamedTuple):
    """A picture as PNG, animated where it has several frames; ``shrunk`` is by how much its sides were divided."""

    png: bytes
    width: int
    shrunk: int


def encoded(frames: Array) -> Encoded:
    """Return frames [F, H, W, 3] uint8 as PNG; several repeat for ever, at ``FRAME_MS`` each, without loss of colour."""
    count, height, width = frames.shape[:3]
    shrunk = 1
    while max(height, width) > MOST_SIDE_SENT * shrunk or (
        count > 1 and count * height * width > MOST_PIXELS_SENT * shrunk**2
    ):
        shrunk += 1
    images = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    images = [image.reduce(shrunk) for image in images] if shrunk > 1 else images
    file = io.BytesIO()
    moving = {"save_all": True, "append_images": images[1:], "duration": FRAME_MS, "loop": 0} if count > 1 else {}
    images[0].save(file, "PNG", compress_level=1, **moving)
    return Encoded(file.getvalue(), images[0].width, shrunk)


def shown_width(pictures: Sequence[Encoded], at_least: int) -> int:
    """Return the width in pixels at which all pictures of a row are shown: the widest one's, times a whole factor."""
    widest = max((picture.width for picture in pictures), default=1)
    return widest * max(1, round(at_least / widest))


def show_picture(picture: Encoded, width: int, alt: str, place: str) -> None:
    """Draw a picture at a width; ``place`` is a word that no other picture on the page has, ``alt`` what is in it."""
    is_enlarged = width > picture.width
    with st.container(key=f"{'pixels' if is_enlarged else 'picture'}-{place}"):
        st.image(picture.png, width=width, output_format="PNG", alt=alt)
    if picture.shrunk > 1:
        st.caption(f"Shown at 1/{picture.shrunk} of its size.")


def scale_html(amplification: int) -> str:
    """Return the colour bar of difference maps as HTML, with the differences that its ends stand for."""
    stops = ", ".join(f"rgb({', '.join(map(str, colours()[at]))})" for at in np.linspace(0, FULL, 9).astype(int))
    bar = f'<span style="flex: 0 1 12rem; height: 0.8rem; background: linear-gradient(to right, {stops})"></span>'
    ends = f"<span>0</span>{bar}<span>{brightest(amplification)} of {FULL} or more</span>"
    style = "display: flex; align-items: center; gap: 0.5rem; font-size: 0.85rem"
    return f'<div style="{style}"><span>difference</span>{ends}</div>'
