"""The sample browser: what each method made of the same prompts and noise, side by side."""

from __future__ import annotations

import io

import numpy as np
import streamlit as st
from PIL import Image

from effbench.arrays import Array
from effbench.report.gallery import Gallery, Preview
from effbench.report.summarise import WorkloadCells
from effbench_leaderboard.address import stores_key
from effbench_leaderboard.text import escape

PER_PAGE = 8
"""Samples: what a page shows without a long wait where four methods keep a picture of 512 x 512 of each."""

LEAST_SIDE = 128
"""Pixels; small pictures are enlarged without smoothing, so that every pixel of the model is seen."""
MOST_ENLARGED = 1024
"""Pixels of the longer side that enlarging may make; a strip of 2 x 40,000 would else take gigabytes."""
FRAME_MS = 125
"""8 frames a second, as videos are written for VBench (``tasks.t2v.vbench.FRAMES_PER_SECOND``)."""


def has_samples(workload: WorkloadCells) -> bool:
    """Return whether any method kept a picture, be it a damaged one."""
    gallery = _gallery(stores_key(workload), workload)
    return bool(gallery.keys or gallery.damaged)


def show_samples(workload: WorkloadCells) -> None:
    """Draw one page of samples, a column per method."""
    gallery = _gallery(stores_key(workload), workload)
    for method, sentence in gallery.damaged.items():
        st.warning(f"{escape(method)}: {escape(sentence)}", icon=":material/error:")
    if not gallery.keys:
        return
    left, right = st.columns([3, 1])
    methods = left.multiselect("Methods", gallery.methods, default=gallery.methods[:4], key="gallery_methods")
    pages = -(-len(gallery.keys) // PER_PAGE)
    page = int(right.number_input("Page", 1, pages, key="gallery_page", help=f"{pages} pages of {PER_PAGE} samples"))
    shown = gallery.show(gallery.keys[(page - 1) * PER_PAGE : page * PER_PAGE], methods)
    if not any(preview.pictures for sample in shown for preview in sample.previews.values()):
        st.info("The chosen methods keep nothing that can be looked at.")
        return
    for sample in shown:
        st.markdown(f"**{escape(sample.caption)}** :gray[{escape(sample.sample_id)}, seed {sample.seed}]")
        for column, method in zip(st.columns(max(len(methods), 1)), methods):
            with column:
                _show(method, sample.previews[method])


def _show(method: str, preview: Preview) -> None:
    """Draw what is seen of a sample under one method; a name of a picture stands there where there are several."""
    for name, frames in preview.pictures.items():
        st.image(picture(frames), caption=escape(method if len(preview.pictures) == 1 else f"{method}: {name}"))
    for reason in preview.missing:
        st.caption(f"{escape(method)}: {escape(reason)}")


def picture(frames: Array) -> bytes:
    """Return frames [F, H, W, 3] uint8 as PNG, or as a GIF that repeats where there are several."""
    least, most = min(frames.shape[1:3]), max(frames.shape[1:3])
    zoom = max(1, min(-(-LEAST_SIDE // least), MOST_ENLARGED // most))
    large = [Image.fromarray(np.kron(frame, np.ones((zoom, zoom, 1), np.uint8))) for frame in frames]
    file = io.BytesIO()
    if len(large) == 1:
        large[0].save(file, "PNG")
    else:
        large[0].save(file, "GIF", save_all=True, append_images=large[1:], duration=FRAME_MS, loop=0)
    return file.getvalue()


@st.cache_resource(max_entries=16, show_spinner=False)
def _gallery(key: tuple[tuple[str, str], ...], _workload: WorkloadCells) -> Gallery:
    return Gallery(_workload)
