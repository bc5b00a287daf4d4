"""``effbench report``: a store as tables, pictures or flat numbers; nothing is measured again."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli.saying import tell
from effbench.cli.stores import WHERE
from effbench.errors import BadInput, StoreError

BETWEEN_NAMES = re.compile(r",(?![^\[]*\])")
"""A comma, but none in the brackets of a slice: a class may have one in its name."""

if TYPE_CHECKING:
    from effbench.report.curves import CurvePicture
    from effbench.report.pareto import ParetoPicture
    from effbench.report.summarise import Summary
    from effbench.store import StoreView


def report(
    store: Annotated[
        Path,
        typer.Argument(
            metavar="STORE",
            help=f"Store that `effbench run` wrote: {WHERE}; or a folder of stores, such as a board repository.",
            show_default=False,
        ),
    ],
    format_name: Annotated[
        str, typer.Option("--format", "-f", help="table, md, csv, json, html or latex; csv and json hold every number.")
    ] = "table",
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="Also draw two of quality, latency, memory, compute, energy, preparation, or numbers by their names.",
        ),
    ] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Also draw how numbers came down with time, where the task keeps curves.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File for the report; one ending in .svg, .png or .pdf takes the picture of --pareto or --curves instead."
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Numbers to show, by name and in this order; `all` for what was measured on all samples, `headline` for the "
            "usual ones, `slices` for those of every slice (or `attribute=value` for one), `facts` for what was computed.",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The same as --columns all.")] = False,
    claims: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD", help="Show only what a method's paper claims beside what was measured, as Markdown."
        ),
    ] = None,
) -> None:
    """Show what a store holds: quality, latency, memory and compute with their intervals."""
    from effbench.hub.names import is_hub_name
    from effbench.hub.stores import local_store
    from effbench.report.figures import SUFFIXES
    from effbench.report.formats import render
    from effbench.report.pareto import parse_axes, pictures_of
    from effbench.report.pending import pending_text
    from effbench.report.summarise import summarise_stores
    from effbench.report.terminal import output_width

    if claims is not None and (pareto is not None or curves):
        other = "--curves" if pareto is None else "--pareto"
        raise BadInput(f"--claims shows one method's claims alone; leave {other} out")
    picked = _picked(columns, every)
    axes = parse_axes(pareto) if pareto is not None else None
    picture_file = out if out is not None and out.suffix.lower() in SUFFIXES else None
    if picture_file is not None and axes is None and not curves:
        raise BadInput(f"{picture_file} is a picture; say what to draw, for example --pareto latency,quality")
    if picture_file is not None and axes is not None and curves:
        raise BadInput(f"{picture_file} holds one picture; draw --pareto and --curves one after the other")
    views = _readable(local_store(store))
    unfinished = [name for view in views for name in view.unfinished]
    if not any(view.cells for view in views):
        raise BadInput(
            f"{store}: no cell has finished yet, so there is nothing to report; "
            f"{pending_text(unfinished, 0) or 'its plan is empty'}; run its suite again to go on"
        )
    summary = summarise_stores(views)
    beside = Path() if is_hub_name(store) else store  # where pictures go whose file has no name
    if claims is not None:
        _show_claims(summary, claims, out)
        return
    pictures = pictures_of(summary, axes) if axes is not None else ()
    is_terminal = sys.stdout.isatty() and (out is None or picture_file is not None)
    width = output_width(is_terminal)
    text = render(summary, format_name, picked=picked, width=width, colour=is_terminal, pareto=axes)
    if out is None or picture_file is not None:
        sys.stdout.write(text)
    else:
        write_out(out, text)
    if axes is not None and (format_name != "html" or picture_file is not None):
        files = [picture_file] if picture_file else [beside / f"pareto-{_plain(axes)}{s}" for s in (".svg", ".png")]
        _draw(pictures, files)
    if curves:
        _draw(
            _curves(summary, store),
            [picture_file] if picture_file else [beside / f"curves{s}" for s in (".svg", ".png")],
        )
    if unfinished:
        tell(pending_text(unfinished, sum(len(view.cells) for view in views)))


def _readable(path: Path) -> list[StoreView]:
    """Return the stores that a path stands for; warn of those that cannot be read, and raise where none can."""
    from effbench.store import read_store
    from effbench.stores import stores_below

    views: list[StoreView] = []
    refused: list[StoreError] = []
    for store in stores_below(path):
        try:
            views.append(read_store(store))
        except StoreError as error:
            refused.append(error)
    if not views:
        raise refused[0]
    for sentence in refused:
        tell(f"warning: {sentence}")
    return views


def _plain(axes: tuple[str, str]) -> str:
    """Return two axes as part of a file's name."""
    return "-".join("".join(c if c.isalnum() or c in "_@." else "_" for c in axis) for axis in axes)


def _picked(columns: str | None, every: bool) -> tuple[str, ...]:
    """Return the names of ``--columns``; ``--all`` is another way to write ``--columns all``."""
    if columns is None:
        return ("all",) if every else ()
    if every:
        raise BadInput("--all shows every number; leave --columns out")
    names = tuple(name.strip() for name in BETWEEN_NAMES.split(columns))
    if not all(names):
        raise BadInput(
            f"--columns takes names with commas between them, not {columns!r}; for example prompt_accuracy,speedup"
        )
    return names


def _show_claims(summary: Summary, method: str, out: Path | None) -> None:
    from effbench.report.markdown import claims_table

    text = claims_table(summary, method)
    if out is None:
        sys.stdout.write(text)
    else:
        write_out(out, text)


def _curves(summary: Summary, store: Path) -> Sequence[CurvePicture]:
    from effbench.report.curves import curve_pictures

    found = [picture for workload in summary.workloads for picture in curve_pictures(workload)]
    if not found:
        raise BadInput(f"{store}: no cell keeps a curve over time, or they ran on machines whose times do not compare")
    return found


def _draw(pictures: Sequence[ParetoPicture] | Sequence[CurvePicture], files: Sequence[Path]) -> None:
    from effbench.report.figures import write_picture

    for file in files:
        write_picture(pictures, file)
        tell(f"wrote {file}")


def write_out(file: Path, text: str) -> None:
    """Write a file whole or not at all; a device or a pipe (/dev/stdout) is written to as it is."""
    from effbench.atomic import write_bytes

    if file.exists() and not file.is_file():
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadInput(f"{file}: cannot be written: {error.strerror or error}") from None
    elif not (real := Path(os.path.realpath(file))).parent.is_dir():
        raise BadInput(f"{file}: cannot be written: there is no folder {real.parent}")
    else:
        write_bytes(real, text.encode())
    tell(f"wrote {file}")
