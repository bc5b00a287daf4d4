"""One sample as a row: what each method made of it, its score, and where it differs from the first method."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from effbench.arrays import Array
from effbench.report.gallery import Preview, Shown
from effbench.report.pixels import difference_map, psnr_db, unlike
from effbench.report.rounding import rounded
from effbench.report.samplewise import Key, Samplewise
from effbench_leaderboard.pictures import Encoded, encoded, show_picture, shown_width
from effbench_leaderboard.text import escape


class Look(NamedTuple):
    """How samples are drawn: about how wide, the amplification of difference maps (0: none), one frame or all (None)."""

    width: int
    amplification: int = 0
    frame: int | None = None


def title_of(sample: Shown) -> str:
    """Return the caption of a sample with its id and seed, as Markdown."""
    return f"**{escape(sample.caption)}** :gray[{escape(sample.sample_id)}, seed {sample.seed}]"


def most_frames(samples: Sequence[Shown]) -> int:
    """Return of how many frames the longest video is, 1 where there are only still pictures."""
    return max((len(f) for s in samples for p in s.previews.values() for f in p.pictures.values()), default=1)


def show_row(sample: Shown, methods: Sequence[str], scores: Samplewise | None, look: Look, place: str) -> None:
    """Draw a sample, a column per method; all pictures of a name are equally large, whatever stands below them.

    ``place`` is a word that no other row of the page has.
    """
    seen = {method: _of_frame(sample.previews[method], look.frame) for method in methods}
    first = seen[methods[0]]
    for column, (at, method) in zip(st.columns(len(methods)), enumerate(methods)):
        with column:
            for which, (name, frames) in enumerate(seen[method].items()):
                width = _width(seen, name, look.width)
                alt = " ".join(filter(None, (method, name, sample.caption)))
                show_picture(_encoded_once(frames), width, alt, f"{place}-{at}-{which}")
            st.markdown(f"**{escape(method)}**")
            for line in _said(sample, method, methods[0], scores):
                st.caption(line)
            for reason in sample.previews[method].missing:
                st.caption(escape(reason))
            if at and look.amplification:
                for which, (name, frames) in enumerate(seen[method].items()):
                    if name in first:
                        width = _width(seen, name, look.width)
                        _show_difference(frames, first[name], look, width, f"{place}-{at}-{which}-difference")
            elif at:
                _show_distances(seen[method], first)


def _of_frame(preview: Preview, frame: int | None) -> dict[str, Array]:
    """Return the pictures of a preview, of a video one frame (counted from 0) where one is asked for."""
    if frame is None:
        return dict(preview.pictures)
    return {name: frames[min(frame, len(frames) - 1)][None] for name, frames in preview.pictures.items()}


def _width(seen: dict[str, dict[str, Array]], name: str, about: int) -> int:
    return shown_width([_encoded_once(pictures[name]) for pictures in seen.values() if name in pictures], about)


def _said(sample: Shown, method: str, first: str, scores: Samplewise | None) -> list[str]:
    """Return what stands below a picture: the score, and against the first method's."""
    if scores is None:
        return []
    key: Key = (sample.sample_id, sample.seed)
    label = escape(scores.label)
    if method == first:
        known = (values[key].first for values in scores.values.values() if key in values)
        return [f"{label} {_number(value)}" for value in list(known)[:1]]
    values = scores.values.get(method, {}).get(key)
    if values is None:
        return [f"{label}: {escape(scores.missing.get(method, 'no score'))}"]
    loss = values.loss
    against = "equal" if loss == 0 else f"{'worse' if loss > 0 else 'better'} by {_number(abs(loss))}"
    return [f"{label} {_number(values.other)}, {against}"]


def _number(value: float) -> str:
    return escape(rounded(value, None, None)[0])


def _show_difference(frames: Array, first: Array, look: Look, width: int, place: str) -> None:
    if why := unlike(frames, first):
        st.caption(f"No difference map: {escape(why)}.")
        return
    apart = difference_map(frames, first, look.amplification)
    show_picture(_encoded_once(apart), width, "difference to the first method", place)
    st.caption(_distance(frames, first))


def _show_distances(seen: dict[str, Array], first: dict[str, Array]) -> None:
    for name, frames in seen.items():
        if name in first and not unlike(frames, first[name]):
            st.caption(_distance(frames, first[name]))


def _distance(frames: Array, first: Array) -> str:
    psnr = psnr_db(frames, first)
    return "Every pixel as of the first." if math.isinf(psnr) else f"PSNR {psnr:.1f} dB to the first."


def _encoded_once(frames: Array) -> Encoded:
    frames = np.ascontiguousarray(frames)
    return _encoded((frames.shape, hashlib.sha256(frames.data).hexdigest()), frames)


@st.cache_resource(max_entries=128, show_spinner=False)
def _encoded(content: tuple[tuple[int, ...], str], _frames: Array) -> Encoded:
    return encoded(_frames)
