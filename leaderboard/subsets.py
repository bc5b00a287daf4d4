"""What the condensed subset of a task is worth: certificates in words, what it resolves, and curves where there are any."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from effbench.report.panel import BEHIND, FRONT, REFERENCE
from effbench.report.subsets import (
    CERTIFICATE_HEADINGS,
    RANDOM_TEXT,
    SizeCurve,
    certificate_of,
    certificate_rows,
    has_subset,
    manifest_of,
    named,
    resolved_of,
    searched_curves,
    size_curve,
    splits_of,
)
from effbench.report.summarise import WorkloadCells
from effbench.subset.certificate import FEW
from effbench.subset.manifest import FAMILY, MoreMethods, SubsetManifest
from effbench_leaderboard.address import ADDRESS
from effbench_leaderboard.markup import table
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape, plain_label

__all__ = ["has_subset", "show_subset"]

HEIGHT = 380
"""Pixels: two curves stand on a laptop's screen, one below the other."""

TAU_TITLE = "rank correlation (Kendall's tau)"

FAMILY_TEXT = "whole families of methods were held out, as to expect of a method of a new kind."
FEW_TEXT = "a few methods at a time were held out, as to expect of a method of the kinds in the pool."


def show_subset(workload: WorkloadCells) -> None:
    """Draw the certificate, what the subset can tell, and its curves."""
    manifest = manifest_of(workload)
    st.subheader(escape(f"Subset {workload.cells[0].subset}"), anchor=False)
    st.markdown(_what(manifest))
    st.subheader("Certificate", anchor=False)
    _show_certificate(workload)
    _show_resolved(workload)
    if manifest is not None and manifest.certificate:
        _show_curves(workload, manifest)


def _show_certificate(workload: WorkloadCells) -> None:
    """Draw what is certified: as a table where the subset's file ships, else in the sentences of the records."""
    if not (certificate := certificate_of(workload)):
        st.markdown("None is recorded: nobody has shown how it ranks methods that took no part in choosing it.")
        return
    if rows := certificate_rows(workload):
        put(table(CERTIFICATE_HEADINGS, rows))
        st.caption(
            f"tau: Kendall's rank correlation with the order by all samples, of methods that took no part in choosing; 1 is "
            f"the same order, and the interval is of 95 %. {FEW}: {FEW_TEXT} {FAMILY}: {FAMILY_TEXT} "
            "Right order from: the difference from which on 95 % of held-out pairs stand in the right order."
        )
        return
    st.markdown("\n".join(f"- {escape(sentence)}" for sentence in certificate))


def _what(manifest: SubsetManifest | None) -> str:
    """Return what the subset is and how it was chosen, as far as that is known."""
    if manifest is None:
        return "It does not ship with this EffBench; what is known of it here is what the records say."
    chosen = "" if manifest.chosen is None else f" by `effbench subset build --selector {manifest.chosen.selector}`"
    pool = manifest.pool
    of = "" if pool is None else f" of {pool.samples} samples, chosen{chosen} on {len(pool.methods)} methods"
    source = f" ({escape(manifest.source)})" if manifest.source else ""
    weights = "" if manifest.weights is None else " Samples weigh differently."
    about = f" {escape(manifest.description)}" if manifest.description else ""
    return f"{len(manifest.ids)}{of}{source}.{weights}{about}"


def _show_resolved(workload: WorkloadCells) -> None:
    """Draw from which difference on an order can be trusted, and which methods lie closer to the reference than that."""
    resolved = resolved_of(workload)
    if not resolved:
        return
    st.subheader("What it can tell, and what it cannot", anchor=False)
    lines = []
    for found in resolved:
        close = f" Too close to the reference to tell: {named(found.too_close)}." if found.too_close else ""
        lines.append(f"- {escape(found.sentence + close)}")
    st.markdown("\n".join(lines))


def _show_curves(workload: WorkloadCells, manifest: SubsetManifest) -> None:
    """Draw rank correlation by size and by the number of methods that searched, for a metric and a kind of split."""
    left, right = st.columns(2)
    metric = left.selectbox("Metric", manifest.metrics, key="subset_metric", bind=ADDRESS)
    splits = splits_of(manifest)
    split = splits[0]
    if len(splits) > 1:
        split = right.selectbox("Held out", splits, key="split", bind=ADDRESS)
    with st.spinner("Drawing random subsets"):
        curve = _curve(workload.key, workload, metric, split)
    if curve is not None:
        st.subheader("By size", anchor=False)
        st.plotly_chart(size_figure(curve), config={"displaylogo": False}, key="by_size")
        st.caption(
            f"Here {FAMILY_TEXT if split == FAMILY else FEW_TEXT} Points: subsets that ship, chosen from the same pool of "
            f"{curve.methods} methods and {curve.samples} samples, with 95 % intervals; the diamond is the one used here. "
            f"Crosses: random subsets of the same size on the same pairs.{f' Line: {RANDOM_TEXT}' if curve.random else ''}"
        )
    for more in searched_curves(workload):
        if more.metric == metric and more.points:
            st.subheader("By the number of methods that searched", anchor=False)
            st.plotly_chart(searched_figure(more), config={"displaylogo": False}, key="by_methods")
            st.caption(escape(f"{more.sentence}."))


@st.cache_resource(max_entries=64, show_spinner=False)
def _curve(key: str, _workload: WorkloadCells, metric: str, split: str) -> SizeCurve | None:
    return size_curve(_workload, metric, split)


def size_figure(curve: SizeCurve) -> go.Figure:
    """Return the figure of rank correlation against the size of a subset."""
    figure = go.Figure()
    if curve.random:
        figure.add_scatter(
            x=[size for size, _ in curve.random],
            y=[tau for _, tau in curve.random],
            mode="lines",
            line={"color": BEHIND, "width": 2, "dash": "dash"},
            name="random samples",
            hovertemplate="%{x} random samples: %{y:.3f}<extra></extra>",
        )
    figure.add_scatter(
        x=[point.size for point in curve.points],
        y=[point.random_tau for point in curve.points],
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": BEHIND},
        name="random, same pairs",
        hovertemplate="%{x} random samples on the same pairs: %{y:.3f}<extra></extra>",
    )
    for is_chosen, colour, symbol, name in (
        (False, FRONT, "circle", "subsets"),
        (True, REFERENCE, "diamond", "used here"),
    ):
        points = [point for point in curve.points if (point.size == curve.chosen) == is_chosen]
        if points:
            figure.add_scatter(
                x=[point.size for point in points],
                y=[point.tau for point in points],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [point.ci_high - point.tau for point in points],
                    "arrayminus": [point.tau - point.ci_low for point in points],
                    "thickness": 1.2,
                    "width": 4,
                },
                mode="markers",
                marker={"symbol": symbol, "size": 11, "color": colour},
                text=[plain_label(f"{p.name}: {p.tau:.3f} [{p.ci_low:.3f}, {p.ci_high:.3f}]") for p in points],
                hovertemplate="%{text}<extra></extra>",
                name=name,
            )
    return _laid_out(figure, "samples in the subset", is_logarithmic=True)


def searched_figure(more: MoreMethods) -> go.Figure:
    """Return the figure of the certified rank correlation against the number of methods that searched."""
    figure = go.Figure()
    figure.add_scatter(
        x=[point.methods for point in more.points],
        y=[point.tau for point in more.points],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [point.ci_high - point.tau for point in more.points],
            "arrayminus": [point.tau - point.ci_low for point in more.points],
            "thickness": 1.2,
            "width": 4,
        },
        mode="lines+markers",
        line={"color": FRONT, "width": 1.5},
        marker={"symbol": "circle", "size": 9, "color": FRONT},
        hovertemplate="%{x} methods: %{y:.3f}<extra></extra>",
        showlegend=False,
    )
    return _laid_out(figure, "methods that searched")


def _laid_out(figure: go.Figure, across: str, is_logarithmic: bool = False) -> go.Figure:
    ticks = {"tickvals": (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)} if is_logarithmic else {}
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": across, "type": "log" if is_logarithmic else "linear", "showgrid": True, **ticks},
        yaxis={"title": TAU_TITLE, "showgrid": True, "zeroline": False},
    )
    return figure
