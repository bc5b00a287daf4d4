"""Pictures as files that one would put into a paper: one panel per workload, a legend, and what is missing."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.atomic import write_bytes
from effbench.errors import BadInput, StoreError, nearest
from effbench.report.curve_panels import draw_curves, looks_of
from effbench.report.curves import CurvePicture
from effbench.report.panel import BEHIND, FRONT, INK, MARKER_SIZE, REFERENCE, draw_names, draw_panel
from effbench.report.pareto import ParetoPicture, not_drawn_lines
from effbench.report.pareto_names import RULE
from effbench.stats.curves import WINDOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

SUFFIXES = (".svg", ".png", ".pdf")
"""What a paper or a page takes, and matplotlib writes the same bytes of each time."""

PANEL_WIDTH, PANEL_HEIGHT, MARGIN = 5.2, 3.9, 0.5
"""Inches, so that a panel's text is readable at the width of a column; the margin holds legend and notes."""

MOST_ACROSS = 3
"""Panels in a row: three still fill a slide or two columns of a paper."""

MOST_PANELS = 240
"""Panels of one picture: 80 rows of them are as high as the library draws a PNG, 2**16 pixels."""

LINE_LENGTH = 92
"""Characters of a note that fit under one panel."""

DPI = 200
"""Of a PNG; at 200 the lines of a panel stay sharp on screens of twice the usual density."""


def write_picture(pictures: Sequence[ParetoPicture] | Sequence[CurvePicture], file: Path) -> None:
    """Write the panels of Pareto pictures or of curves to an SVG, PNG or PDF file; the same input gives the same bytes.

    The file takes the place of what stood there: a link, which in a store of strangers may lead anywhere, is not followed.
    Raises ``BadInput`` for another suffix or where the file cannot be written.
    """
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadInput(f"{file}: a picture is written as {', '.join(SUFFIXES)}{nearest(suffix, SUFFIXES)}")
    kind = suffix.removeprefix(".")
    fronts = [picture for picture in pictures if isinstance(picture, ParetoPicture)]
    curves = [picture for picture in pictures if isinstance(picture, CurvePicture)]
    content = draw(fronts, kind) if fronts else draw_all_curves(curves, kind)
    if not file.parent.is_dir():
        raise BadInput(f"{file}: cannot be written: there is no folder {file.parent}")
    try:
        write_bytes(file, content)
    except StoreError as error:
        raise BadInput(str(error)) from None


def draw(pictures: Sequence[ParetoPicture], kind: str) -> bytes:
    """Return the panels as a file of that kind (svg, png, pdf)."""
    with _style():
        figure, is_left_out = _named_figure(pictures, "")
        if is_left_out:
            # The note takes a line of its own, and with it the panels get another size.
            figure, _ = _named_figure(pictures, RULE)
        return _saved(figure, kind)


def _named_figure(pictures: Sequence[ParetoPicture], rule: str) -> tuple[Figure, bool]:
    """Return the figure, with a rule among its notes, and whether a name in it found no room."""
    figure, panels = _panels(len(pictures))
    for axes, picture in zip(panels, pictures):
        draw_panel(axes, picture)
    if handles := _handles(pictures):
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=8)
    _notes(figure, pictures, rule, LINE_LENGTH * min(MOST_ACROSS, len(pictures)))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    left_out = [draw_names(axes, picture) for axes, picture in zip(panels, pictures)]
    return figure, any(left_out)


def draw_all_curves(pictures: Sequence[CurvePicture], kind: str) -> bytes:
    """Return the panels of curves as a file of that kind (svg, png, pdf)."""
    looks = looks_of(pictures)
    with _style():
        figure, panels = _panels(len(pictures))
        handles: dict[str, Line2D] = {}  # by name: a label that begins with an underscore is hidden by the library
        for axes, picture in zip(panels, pictures):
            handles |= draw_curves(axes, picture, looks)
        if handles:
            legend = figure.legend(handles=[*handles.values()], labels=[*handles], loc="outside upper left",
                                   frameon=False, fontsize=8, ncols=min(len(handles), 2 * len(pictures), 4))  # fmt: skip
            for text in legend.get_texts():
                text.set_parse_math(False)
        _write_notes(figure, _curve_notes(pictures), LINE_LENGTH * min(MOST_ACROSS, len(pictures)))
        return _saved(figure, kind)


def _curve_notes(pictures: Sequence[CurvePicture]) -> list[str]:
    return [f"Means of {WINDOW} steps. Crosses need no steps.", *_not_drawn(pictures)]


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``count`` panels in rows, places left over empty; raise ``BadInput`` where they are too many."""
    if count > MOST_PANELS:
        raise BadInput(
            f"one picture holds {MOST_PANELS} panels, and {count} were asked for; draw a store of fewer tasks"
        )
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(MOST_ACROSS, count)
    down = math.ceil(count / across)
    figure = Figure(figsize=(PANEL_WIDTH * across, PANEL_HEIGHT * down + MARGIN), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(down, across, squeeze=False).ravel())
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(buffer, format=kind, metadata=stamp)
    return buffer.getvalue()


def _style() -> AbstractContextManager[None]:
    import matplotlib

    return matplotlib.rc_context(
        {
            "font.family": ["DejaVu Sans"],
            "font.size": 9,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.labelsize": 9.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#666666",
            "axes.linewidth": 0.8,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E6E6E6",
            "grid.linewidth": 0.7,
            "xtick.color": "#444444",
            "ytick.color": "#444444",
            "xtick.major.size": 3,
            "ytick.major.size": 3,
            "savefig.facecolor": "white",
            "svg.fonttype": "path",
            "svg.hashsalt": "effbench",
        }
    )


def _handles(pictures: Sequence[ParetoPicture]) -> list[Line2D]:
    """Return the legend's entries, only for what the panels show."""
    from matplotlib.lines import Line2D

    def dot(label: str, marker: str, face: str, edge: str = "white", linewidth: float = 0) -> Line2D:
        look = Line2D([], [], label=label, color=face, linewidth=linewidth)
        look.set(marker=marker, markersize=MARKER_SIZE, markerfacecolor=face, markeredgecolor=edge)
        return look

    points = [point for picture in pictures for point in picture.points]
    entries = [
        (any(p.is_reference for p in points), dot("reference", "D", REFERENCE)),
        (any(p.on_front for p in points), dot("Pareto front", "o", FRONT, linewidth=1.3)),
        (any(not p.on_front for p in points), dot("behind the front", "o", BEHIND)),
        (any(p.is_simulated for p in points), dot("simulated", "o", "white", INK)),
    ]
    return [handle for is_shown, handle in entries if is_shown]


def _notes(figure: Figure, pictures: Sequence[ParetoPicture], rule: str, line_length: int) -> None:
    """Write under the panels what the error bars are and which methods are missing, with the reason."""
    lines = list(dict.fromkeys(picture.bars_text for picture in pictures if picture.points))
    lines += dict.fromkeys(picture.note for picture in pictures if picture.note)
    lines += [rule] if rule else []
    _write_notes(figure, [*lines, *_not_drawn(pictures)], line_length)


def _not_drawn(pictures: Sequence[ParetoPicture] | Sequence[CurvePicture]) -> list[str]:
    """Return a line per picture that lacks methods, with the reasons."""
    lines = []
    for picture in pictures:
        if picture.left_out:
            title = picture.heading if isinstance(picture, CurvePicture) else picture.title
            which = f"{title}: " if len(pictures) > 1 else ""
            lines += [which + line for line in not_drawn_lines(picture.left_out)]
    return lines


def _write_notes(figure: Figure, lines: Sequence[str], line_length: int) -> None:
    text = "\n".join(textwrap.fill(line, line_length) for line in lines)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=7.5, color="#444444", parse_math=False)
