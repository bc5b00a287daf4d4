"""The raw timings of one method as a picture, beside those of its reference."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from effbench.catalogue import SPEEDUP
from effbench.counted import counted
from effbench.raw import RawCell
from effbench.report.panel import FRONT, REFERENCE
from effbench.report.rounding import rounded
from effbench.report.summarise import number_of
from effbench.report.timing_picture import (
    OURS,
    ROUNDS_PER_PICTURE,
    TimedCalls,
    TimingPicture,
    timed_calls,
    timing_picture,
    why_no_timings,
)
from effbench_leaderboard.address import ADDRESS
from effbench_leaderboard.text import escape, plain_label

HEIGHT = 420
"""Pixels: half of a laptop's screen, so that what stands above and below stays in sight."""
MARKS = {False: ("circle", "diamond"), True: ("x-thin-open", "cross-thin-open")}
"""Whether of a warm-up -> the marks of method and reference, told apart without colour."""
SHADE = "rgba(128, 128, 128, 0.14)"
"""Behind warm-ups: a grey that is seen on a light and on a dark page."""


def show_timings(raw: RawCell) -> None:
    """Draw every call by round and turn, with the choice of batch size and rounds where there are several."""
    sizes = raw.batch_sizes
    size = sizes[0] if sizes else None
    if len(sizes) > 1:
        size = st.selectbox("Batch size", sizes, format_func=str, key="batch", bind=ADDRESS, width=160)
    timed = None if size is None else _timed(_key(raw), raw, size)
    for file in timed.damaged if timed is not None else ():
        st.error(escape(f"{file}: damaged, its content is not what its name says; its calls are missing here."))
    picture = None if timed is None else timing_picture(timed, _first_round(timed))
    if timed is None or picture is None:
        why = why_no_timings(raw)
        st.markdown(f"It was not timed{escape(f' ({why})' if why else '')}.")
        return
    st.plotly_chart(figure_of(picture), config={"displaylogo": False}, key="timings")
    st.caption(" ".join(map(escape, _captions(raw, timed, picture))))


def _key(raw: RawCell) -> tuple[str, str]:
    return str(raw.path), raw.record.finished_utc


@st.cache_resource(max_entries=8, show_spinner=False)
def _timed(key: tuple[str, str], _raw: RawCell, size: int) -> TimedCalls:
    return timed_calls(_raw, size)


def _first_round(timed: TimedCalls) -> int:
    """Return the place of the first round that is shown, chosen where not all fit into one picture."""
    pages = -(-len(timed.rounds) // ROUNDS_PER_PICTURE)
    if pages < 2:
        return 0
    told = f"{pages} pictures of {ROUNDS_PER_PICTURE} rounds"
    page = st.number_input("Picture", 1, pages, key="rounds", bind=ADDRESS, help=told, width=160)
    return (int(page) - 1) * ROUNDS_PER_PICTURE


def _captions(raw: RawCell, timed: TimedCalls, picture: TimingPicture) -> list[str]:
    """Return what stands under the picture, a sentence each."""
    lines = [
        "A mark is a call; turns stand in the order in which the processes took them, the warm-up of each round before "
        "them in grey. Lines: medians of the rounds."
    ]
    shared = [name for name in timed.ours if name in timed.theirs]
    speedup = number_of(raw.record, SPEEDUP)
    if shared and speedup is not None and speedup.value is not None:
        said = " ".join(rounded(speedup.value, speedup.ci_low, speedup.ci_high)).strip()
        lines.append(f"The speed-up of {said} is of the {counted(len(shared), 'round')} that both were timed in.")
    elif not timed.theirs and raw.record.role != "reference":
        lines.append("No reference was timed beside it.")
    if picture.drawn < picture.calls:
        lines.append(
            f"{picture.drawn} of {picture.calls} calls are drawn, the fastest and the slowest of every turn among them; "
            "medians are of all."
        )
    if picture.beyond:
        lines.append(
            f"{counted(picture.beyond, 'call')} of warm-ups beyond the picture's edge stand at it, with their time on hover."
        )
    return lines


def figure_of(picture: TimingPicture) -> go.Figure:
    """Return the plotly figure of a picture."""
    figure = go.Figure()
    for median in picture.medians:
        figure.add_scatter(
            x=[median.begin, median.end],
            y=[median.wall_ms] * 2,
            mode="lines",
            line={"color": _colour(median.who), "width": 2, "dash": "solid" if median.who == OURS else "dash"},
            name=f"median, {median.who}",
            legendgroup=f"median {median.who}",
            showlegend=median is next(other for other in picture.medians if other.who == median.who),
            hovertemplate=plain_label(
                f"{median.who}, round {median.round}: median of {counted(median.calls, 'call')} "
                f"{rounded(median.wall_ms, None, None)[0]} ms"
            )
            + "<extra></extra>",
        )
    for kind in picture.kinds:
        symbol = MARKS[kind.is_warm_up][kind.who != OURS]
        figure.add_scatter(
            x=kind.place,
            y=kind.wall_ms,
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 7,
                "color": _colour(kind.who),
                "opacity": 0.75,
                "line": {"width": 1.5 if kind.is_warm_up else 0, "color": _colour(kind.who)},
            },
            cliponaxis=False,
            name=f"{kind.who}, warm-up" if kind.is_warm_up else kind.who,
            text=[plain_label(said) for said in kind.said],
            hovertemplate="%{text}<extra></extra>",
        )
    for band in picture.bands:
        figure.add_vrect(band.begin, band.warm, fillcolor=SHADE, line_width=0, layer="below")
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={
            "title": "round",
            "tickvals": [(band.begin + band.end) / 2 for band in picture.bands],
            "ticktext": [plain_label(band.name) for band in picture.bands],
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={
            "title": "ms a call (log scale)" if picture.is_logarithmic else "ms a call",
            "type": "log" if picture.is_logarithmic else "linear",
            "range": _range(picture),
            "showgrid": True,
            "zeroline": False,
        },
    )
    return figure


def _range(picture: TimingPicture) -> list[float]:
    from math import log10

    return [log10(limit) for limit in picture.limits] if picture.is_logarithmic else list(picture.limits)


def _colour(who: str) -> str:
    return FRONT if who == OURS else REFERENCE
