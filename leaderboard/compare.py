"""Methods against the first of them: the verdict, every number with its interval, and the samples where most is lost."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from effbench.counted import counted
from effbench.legible import legible
from effbench.report.bars import bars_of
from effbench.report.comparison_text import notes_of
from effbench.report.gallery import Gallery, Preview, Shown
from effbench.report.pairs import largest
from effbench.report.samplewise import Key, Samplewise
from effbench.report.scatter import scatter_notes, scatter_of
from effbench.report.side_by_side import MOST_METHODS, AgainstFirst, against_first
from effbench.report.summarise import WorkloadCells
from effbench_leaderboard.address import ADDRESS
from effbench_leaderboard.choice import choose_methods
from effbench_leaderboard.difference_table import table_html
from effbench_leaderboard.pictures import STYLE
from effbench_leaderboard.sample_row import SampleLook, show_row, title_of
from effbench_leaderboard.samples import gallery_of, has_samples, put_sample_link
from effbench_leaderboard.scatter import figure_of, picked_row
from effbench_leaderboard.scores import choose_score
from effbench_leaderboard.text import escape

WORST = 10
"""Samples: a screen or two of what one must look at before one believes a mean."""

WIDTH = 150
"""Pixels, about, of their pictures: two stand beside each other on a phone, four on a laptop."""


def has_compare(workload: WorkloadCells) -> bool:
    """Return whether there are two methods with numbers."""
    return sum(any(n.value is not None for n in cell.numbers) for cell in workload.cells) > 1


def show_compare(workload: WorkloadCells) -> None:
    """Draw the choice of methods, what is said of each against the first, and what lies behind it sample by sample."""
    methods = choose_methods(workload)
    if len(methods) < 2:
        st.info(f"Choose two to {MOST_METHODS} methods; the others are held against the first.")
        return
    found = _against(workload.key, workload, tuple(methods))
    for against, bars in zip(found, bars_of([against.comparison for against in found])):
        st.subheader(f"{escape(against.name)} against {escape(methods[0])}", anchor=False)
        st.markdown(escape(against.sentence))
        if against.command:
            st.code(against.command, language="bash", wrap_lines=True)
        else:
            st.caption("Of two stores, so no single command prints this.")
        st.html(table_html(against, methods[0], bars))
    with st.expander("How these are compared"):
        lines = dict.fromkeys(line for against in found for line in notes_of(against.comparison)[:3])
        st.markdown("  \n".join(map(escape, lines)))
    st.subheader("Sample by sample", anchor=False)
    _show_samplewise(workload, methods)


def _show_samplewise(workload: WorkloadCells, methods: Sequence[str]) -> None:
    """Draw one quality of one method against the first, sample by sample."""
    left, right = st.columns(2)
    with left:
        scores = choose_score(workload, methods)
    if scores is None:
        st.info("No quality has a score per sample that the first method shares with another one.")
        return
    for method, why in scores.missing.items():
        st.caption(f"{escape(method)}: {escape(why)}.")
    if not scores.pairs:
        return
    names = list(scores.pairs)
    other = right.selectbox("Method", names, key="other", bind=ADDRESS) if len(names) > 1 else names[0]
    gallery = gallery_of(workload.key, workload, tuple(methods)) if has_samples(workload) else None
    st.html(STYLE)
    _show_scatter(workload, methods, other, scores, gallery)
    _show_worst(workload, methods, other, scores, gallery)


def _show_scatter(
    workload: WorkloadCells, methods: Sequence[str], other: str, scores: Samplewise, gallery: Gallery | None
) -> None:
    """Draw the scores of both methods, and beside them the sample that was chosen there."""
    pairs = scores.pairs[other]
    scatter = scatter_of(pairs)
    caption = gallery.caption if gallery is not None else None
    left, right = st.columns([3, 2])
    with left:
        event = st.plotly_chart(
            figure_of(scatter, scores, (methods[0], other), caption),
            config={"displaylogo": False},
            key=f"scatter of {scores.number.name}: {methods[0]}, {other}",  # what was chosen in one is nothing in another
            on_select="rerun",
            selection_mode="points",
        )
        st.caption(" ".join(escape(line) for line in scatter_notes(scatter, pairs, other)))
    row = picked_row(event, scatter)
    with right:
        if row is None:
            st.caption("Choose a point to see its sample here.")
        else:
            _show_one(workload, _sample(gallery, pairs.keys[row], methods), methods, scores, "picked")


def _show_worst(
    workload: WorkloadCells, methods: Sequence[str], other: str, scores: Samplewise, gallery: Gallery | None
) -> None:
    """Draw the samples on which most is lost."""
    pairs = scores.pairs[other]
    losses = pairs.losses(higher_is_better=scores.number.higher_is_better)
    worst, count = largest(losses, WORST), int((losses > 0).sum())
    st.subheader(f"Where {escape(other)} loses most", anchor=False)
    if not worst:
        st.caption(f"It is worse than {escape(methods[0])} in {escape(scores.label)} on no sample.")
        return
    if count > len(worst):
        equal = int((losses >= losses[worst[-1]]).sum()) - len(worst)
        more = f"; {equal} more are as large as the last of them" if equal else ""
        st.caption(escape(f"The {len(worst)} largest of {count} losses in {scores.label}{more}."))
    else:
        st.caption(escape(f"Its {counted(count, 'loss', 'losses')} in {scores.label}, the largest first."))
    columns = 1 if len(methods) == MOST_METHODS else 2
    for start in range(0, len(worst), columns):
        for at, column in enumerate(st.columns(columns)):
            with column:
                if start + at < len(worst):
                    sample = _sample(gallery, pairs.keys[worst[start + at]], methods)
                    _show_one(workload, sample, methods, scores, f"worst-{start + at}")


def _show_one(workload: WorkloadCells, sample: Shown, methods: Sequence[str], scores: Samplewise, place: str) -> None:
    """Draw a sample in a frame, with a way to see it in full where it has pictures."""
    with st.container(border=True):
        st.markdown(title_of(sample))
        show_row(sample, methods, scores, SampleLook(WIDTH, is_compact=True), place)
        if any(preview.pictures for preview in sample.previews.values()):
            put_sample_link(workload, methods, sample.sample_id, "See it in full, with its differences")


def _sample(gallery: Gallery | None, key: Key, methods: Sequence[str]) -> Shown:
    """Return a sample with the pictures of the methods, without any where nobody kept one."""
    if gallery is None:
        return Shown(*key, legible(key[0]), dict.fromkeys(methods, Preview({}, ())))
    return gallery.show([key], methods)[0]


@st.cache_resource(max_entries=32, show_spinner=False)
def _against(key: str, _workload: WorkloadCells, methods: tuple[str, ...]) -> tuple[AgainstFirst, ...]:
    return against_first(_workload, methods)
