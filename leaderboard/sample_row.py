"""One sample as a row: what each method made of it, its score, and where it differs from the first method."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from effbench.arrays import Array
from effbench.legible import legible
from effbench.report.gallery import Preview, Shown
from effbench.report.pixels import difference_map, psnr_db, unlike
from effbench.report.rounding import rounded
from effbench.report.samplewise import Key, Samplewise
from effbench_leaderboard.pictures import Encoded, encoded, show_picture, shown_width
from effbench_leaderboard.text import escape


class SampleLook(NamedTuple):
    """How samples are drawn: about how wide, the amplification of difference maps (0: none), one frame or all (None).

    ``is_compact``: columns are as wide as their pictures, so that two stand beside each other on a phone too.
    """

    width: int
    amplification: int = 0
    frame: int | None = None
    is_compact: bool = False


def title_of(sample: Shown) -> str:
    """Return the caption of a sample with its id and seed, as Markdown; an id that is all there is stands there once."""
    behind = f"seed {sample.seed}"
    if sample.caption != legible(sample.sample_id):
        behind = f"{escape(sample.sample_id)}, {behind}"
    return f"**{escape(sample.caption)}** :gray[{behind}]"


def most_frames(samples: Sequence[Shown]) -> int:
    """Return of how many frames the longest video is, 1 where there are only still pictures."""
    return max((len(f) for s in samples for p in s.previews.values() for f in p.pictures.values()), default=1)


def show_row(sample: Shown, methods: Sequence[str], scores: Samplewise | None, look: SampleLook, place: str) -> None:
    """Draw a sample, a column per method; all pictures of a name are equally large, whatever stands below them.

    The map of a single other method stands beside it, those of several below each. ``place`` is a word that no other row of
    the page has.
    """
    seen = {method: _of_frame(sample.previews[method], look.frame) for method in methods}
    if not any(seen.values()):
        for method in methods:
            lines = [*_said(sample, method, methods[0], scores), *map(escape, sample.previews[method].missing)]
            st.markdown(f"{escape(method)} :gray[{'; '.join(lines)}]")
        return
    has_own_column = bool(look.amplification) and len(methods) == 2
    columns = _columns(len(methods) + has_own_column, look)
    for at, method in enumerate(methods):
        with columns[at]:
            for which, (name, frames) in enumerate(seen[method].items()):
                alt = " ".join(filter(None, (method, name, sample.caption)))
                show_picture(_encoded_once(frames), _width(seen, name, look.width), alt, f"{place}-{at}-{which}")
            st.markdown(f"**{escape(method)}**")
            lines = [*_said(sample, method, methods[0], scores), *map(escape, sample.previews[method].missing)]
            if at and not look.amplification:
                lines += _distances(seen[method], seen[methods[0]])
            if lines:
                st.caption("  \n".join(lines))
        if at and look.amplification:
            with columns[-1 if has_own_column else at]:
                _show_differences(seen, method, methods[0], look, f"{place}-{at}")


def _columns(count: int, look: SampleLook) -> Sequence[DeltaGenerator]:
    if not look.is_compact:
        return st.columns(count)
    row = st.container(horizontal=True)
    return [row.container(width=look.width) for _ in range(count)]


def _show_differences(seen: dict[str, dict[str, Array]], method: str, first: str, look: SampleLook, place: str) -> None:
    """Draw where the pictures of a method differ from those of the first one, and by how much."""
    for which, (name, frames) in enumerate(seen[method].items()):
        other = seen[first].get(name)
        if other is None:
            continue
        if why := unlike(frames, other):
            st.caption(f"No difference map: {escape(why)}.")
            continue
        apart = difference_map(frames, other, look.amplification)
        alt = f"difference of {method} to {first}"
        show_picture(_encoded_once(apart), _width(seen, name, look.width), alt, f"{place}-{which}-difference")
        st.markdown("**difference**")
        st.caption(_distance(frames, other))


def _of_frame(preview: Preview, frame: int | None) -> dict[str, Array]:
    """Return the pictures of a preview, of a video one frame (counted from 0) where one is asked for."""
    if frame is None:
        return dict(preview.pictures)
    return {name: frames[min(frame, len(frames) - 1)][None] for name, frames in preview.pictures.items()}


def _width(seen: dict[str, dict[str, Array]], name: str, about: int) -> int:
    width: int = shown_width([_encoded_once(pictures[name]) for pictures in seen.values() if name in pictures], about)
    return width


def _said(sample: Shown, method: str, first: str, scores: Samplewise | None) -> list[str]:
    """Return what stands below a picture: the score, and against the first method's."""
    if scores is None:
        return []
    key: Key = (sample.sample_id, sample.seed)
    label = escape(scores.label)
    if method == first:
        known = [values[key].first for values in scores.values.values() if key in values]
        return [f"{label} {escape(rounded(value, None, None)[0])}" for value in known[:1]]
    values = scores.values.get(method, {}).get(key)
    if values is None:
        return [f"{label}: {escape(scores.missing.get(method, 'no score'))}"]
    text, loss = rounded(values.other, None, None)[0], values.loss
    apart = rounded(abs(loss), None, None)[0] if "e" in text else f"{abs(loss):.{len(text.partition('.')[2])}f}"
    against = "equal" if loss == 0 else f"{'worse' if loss > 0 else 'better'} by {apart}"
    return [f"{label} {escape(text)}, {against}"]


def _distances(seen: dict[str, Array], first: dict[str, Array]) -> list[str]:
    pairs = ((frames, first[name]) for name, frames in seen.items() if name in first)
    return [_distance(frames, other) for frames, other in pairs if not unlike(frames, other)]


def _distance(frames: Array, first: Array) -> str:
    psnr = psnr_db(frames, first)
    return "Every pixel as of the first." if math.isinf(psnr) else f"PSNR {psnr:.1f} dB to the first."


def _encoded_once(frames: Array) -> Encoded:
    frames = np.ascontiguousarray(frames)
    return _encoded((frames.shape, hashlib.sha256(frames.data).hexdigest()), frames)


@st.cache_resource(max_entries=128, show_spinner=False)
def _encoded(content: tuple[tuple[int, ...], str], _frames: Array) -> Encoded:
    return encoded(_frames)
