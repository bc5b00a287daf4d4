"""The sample browser: what each method made of the same prompt and noise, side by side, and where it differs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as escape_html

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from effbench.errors import nearest
from effbench.report.gallery import Gallery, has_pictures
from effbench.report.samplewise import Key, Samplewise, matching, ordered, slices_by_sample
from effbench.report.summarise import WorkloadCells
from effbench_leaderboard.address import ADDRESS, link
from effbench_leaderboard.choice import choose_methods
from effbench_leaderboard.pictures import STYLE, scale_html
from effbench_leaderboard.sample_row import SampleLook, most_frames, show_row, title_of
from effbench_leaderboard.scores import choose_score
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape

SAMPLES_TAB, SAMPLE = "Samples", "sample"
"""The tab that shows samples, and the name in the address of the one that is shown alone."""

PER_PAGE = 8
"""Samples: what a page shows without a long wait where four methods keep a picture of 512 x 512 of each."""

WIDTH, WIDTH_ALONE = 256, 512
"""Pixels, about: small pictures are enlarged to it by a whole factor, those of a sample that is shown alone to twice that."""

ORDER_WIDTH, FILTER_WIDTH, PAGES_WIDTH = 250, 155, 330
"""Pixels: all filters in one row on a laptop, two in a row on a phone, and as many pages to choose as fit beside the maps."""

NO_MAP = "off"
MAPS = {NO_MAP: 0, "×1": 1, "×2": 2, "×4": 4, "×8": 8, "×16": 16}
"""How much difference maps amplify: at ×16, what 8 bits can hardly show fills the scale."""
USUAL_MAP = "×2"
"""Shows both what a faithful and what a drastic method changes: half the range of a pixel fills the scale."""

AS_RUN, BY_ID = "as run", "by id"
"""Orders of samples that need no score."""

EVERY = "every sample"
"""What stands before the slices; no slice is called so, since each has an equals sign."""

MOST_TO_SEARCH, MOST_TO_LIST = 1000, 20
"""Samples among which the nearest id to a mistyped one is looked for (more would take seconds), and which are listed where
none is near."""


def has_samples(workload: WorkloadCells) -> bool:
    """Return whether any method kept a picture, be it a damaged one."""
    return _has_pictures(workload.key, workload)


def put_sample_link(workload: WorkloadCells, methods: Sequence[str], sample_id: str, text: str) -> None:
    """Draw a link to a sample of some methods, shown alone; its address can be sent on."""
    where = link(task=workload.title, tab=SAMPLES_TAB, methods=methods, sample=sample_id)
    put(f'<a href="{escape_html(where)}" target="_self">{escape_html(text)}</a>')


def show_samples(workload: WorkloadCells) -> None:
    """Draw the choice of methods, the filters and one page of samples, a column per method."""
    methods = choose_methods(workload)
    if not methods:
        st.info("Choose the methods whose samples are to be shown.")
        return
    gallery = gallery_of(workload.key, workload, tuple(methods))
    for method, sentence in gallery.damaged.items():
        st.warning(f"{escape(method)}: {escape(sentence)}", icon=":material/error:")
    if not gallery.keys:
        st.info("The chosen methods keep nothing that can be looked at.")
        return
    if gallery.bare:
        names = ", ".join(map(escape, gallery.bare))
        st.info(
            f"No picture was kept of {names}: a suite keeps those of its reference, and of all with `outputs: all`."
        )
    keys, scores = _chosen(workload, gallery, methods)
    is_alone = bool(st.session_state.get(SAMPLE))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.container(width="content")
        pages = max(1, -(-len(keys) // PER_PAGE))
        page = st.pagination(pages, key="samples_page", bind=ADDRESS, width=PAGES_WIDTH) if pages > 1 else 1
        shown = gallery.show(keys[(page - 1) * PER_PAGE : page * PER_PAGE], methods)
        frame = _choose_frame(most_frames(shown))
    look = SampleLook(WIDTH_ALONE if is_alone else WIDTH, _choose_map(place), frame)
    st.html(STYLE)
    for at, sample in enumerate(shown):
        with st.container(border=True):
            st.markdown(title_of(sample))
            show_row(sample, methods, scores, look, str(at))
            if not is_alone:
                put_sample_link(workload, methods, sample.sample_id, "This sample alone")


def _chosen(workload: WorkloadCells, gallery: Gallery, methods: Sequence[str]) -> tuple[list[Key], Samplewise | None]:
    """Draw the order and the filters; return the samples that pass, in that order, and the scores of all."""
    # Not in a popover: what is not drawn by the browser does not reach the address.
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.container(width=ORDER_WIDTH)
        text = st.text_input("Search", key="find", bind=ADDRESS, placeholder="prompt or id", width=FILTER_WIDTH)
        named = st.text_input("One sample", key=SAMPLE, bind=ADDRESS, placeholder="its id", width=FILTER_WIDTH)
        slices = slices_by_sample(workload, methods)
        within = EVERY
        if slices:
            within = st.selectbox("Slice", [EVERY, *slices], key="within", bind=ADDRESS, width=FILTER_WIDTH)
        with st.container(width=FILTER_WIDTH):
            scores = choose_score(workload, methods)
    if named:
        st.button("Every sample", icon=":material/arrow_back:", on_click=_open_all)
    losses = {f"largest loss of {name}": values for name, values in (scores.values if scores else {}).items()}
    order = place.selectbox("Order", [AS_RUN, BY_ID, *losses], key="sort", bind=ADDRESS)
    if named:
        return _alone(gallery, named), scores
    keys = gallery.keys if within == EVERY else [key for key in gallery.keys if key in slices[within]]
    if text:
        keys = matching(keys, {key: gallery.caption(key) for key in keys}, text)
    if not keys:
        st.info("No sample matches.")
    if order in losses:
        keys = ordered(keys, {key: values.loss for key, values in losses[order].items()})
    return (ordered(keys, None) if order == BY_ID else keys), scores


def _open_all() -> None:
    st.session_state[SAMPLE] = ""


def _alone(gallery: Gallery, named: str) -> list[Key]:
    """Return the sample of an id under each of its seeds, or say which id is near."""
    found = [key for key in gallery.keys if key[0] == named]
    if not found:
        ids = {sample_id for sample_id, _ in gallery.keys[:MOST_TO_SEARCH]}
        near = nearest(named, ids)
        near = "" if near.startswith("; valid") and len(ids) > MOST_TO_LIST else near
        st.warning(escape(f"No sample with a picture is called {named!r}{near}"))
    return found


def _choose_map(place: DeltaGenerator) -> int:
    """Draw the choice of difference maps at its place and what they show below; return by how much they amplify."""
    amplified = place.segmented_control(
        "Difference to the first method", list(MAPS), default=USUAL_MAP, required=True, key="difference", bind=ADDRESS
    )
    amplification = MAPS[amplified or NO_MAP]
    if amplification:
        st.html(scale_html(amplification))
        st.caption(
            f"Difference maps: per pixel the largest absolute difference of its three channels in 8 bits, {amplified}. "
            "PSNR is of the pictures in 8 bits."
        )
    return amplification


def _choose_frame(frames: int) -> int | None:
    """Draw the choice of a frame where there are several; return it, counted from 0, None where all are to be played."""
    if frames < 2:
        return None
    said = "Videos start when they are loaded; a frame shows one and the same moment of all."
    frame = st.slider("Frame; 0 plays", 0, frames, key="frame", bind=ADDRESS, help=said, width=240)
    return frame - 1 if frame else None


@st.cache_resource(max_entries=16, show_spinner=False)
def gallery_of(key: str, _workload: WorkloadCells, methods: tuple[str, ...]) -> Gallery:
    """Return the pictures of some methods, kept by what they depend on."""
    return Gallery(_workload, methods)


@st.cache_resource(max_entries=64, show_spinner=False)
def _has_pictures(key: str, _workload: WorkloadCells) -> bool:
    return has_pictures(_workload)
