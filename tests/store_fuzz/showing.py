"""Everything that reads a store without running it, each by itself, so that one refusal does not spare the rest."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from effbench.artifacts import read_artifact
from effbench.errors import BadInput, StoreError
from effbench.numbers.parts import JOBS
from effbench.numbers.record import recomputed
from effbench.parts import KeptOutputs, metadata_values, part_files
from effbench.report.columns import ALL_WORD
from effbench.report.compare import Comparison, compare
from effbench.report.comparison_text import comparison_json, render_comparison
from effbench.report.curves import curve_pictures
from effbench.report.formats import FORMATS, render
from effbench.report.gallery import Gallery
from effbench.report.markdown import claims_table
from effbench.report.pareto import pictures_of
from effbench.report.summarise import Summary, name_of, summarise, summarise_stores
from effbench.store import Store, StoreView, read_store
from effbench.subset.stores import store_matrices

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FORMULA = re.compile(r"\s*[=+\-@]")
PICTURE = re.compile(r"(?<!\\)!\[|(?<!\\)\]\(|<img|<script", re.IGNORECASE)
COMMANDS = (
    " textbackslash textasciitilde textasciicircum textless textgreater textbar times uparrow downarrow usepackage begin end "
    "centering caption label resizebox ifdim width linewidth else fi toprule midrule bottomrule textbf textsuperscript "
    "scriptsize footnotesize par smallskip textcolor mathrm "
)
"""What our LaTeX consists of; another command came of a name."""
ELEMENTS = {
    "svg", "metadata", "RDF", "Work", "type", "title", "date", "format", "creator", "Agent", "defs", "style", "g", "path",
    "use", "rect", "clipPath", "image",
}  # fmt: skip
"""What our pictures consist of: glyphs as paths, and for a colour map a picture in the file itself."""


def show_all(path: Path, beside: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield (what, text) of all that a store gives, refusals as ``("refused", sentence)``; another error gets out.

    ``beside`` is a whole store that is shown together with it.
    """
    yield from _folders(path)
    try:
        view = read_store(path)
    except (StoreError, BadInput) as error:
        yield "refused", str(error)
        return
    summary = summarise(view)
    together = [] if beside is None else [("md", lambda: _together(view, beside))]
    for what, make in (*_of_view(view, summary), *together):
        try:
            yield what, make()
        except (StoreError, BadInput) as error:
            yield "refused", str(error)


def _together(view: StoreView, beside: Path) -> str:
    """Return a store and a whole one in one table each; the copies that they hold of one another stand there once."""
    summary = summarise_stores([view, read_store(beside)])
    for workload in summary.workloads:
        assert all(a.id != b.id or a != b for a, b in combinations(workload.cells, 2)), "a copy is shown twice"
        names = [name_of(workload, cell) for cell in workload.cells]
        assert len(set(names)) == len(names) or len({cell.id for cell in workload.cells}) == len(names), names
    assert not (why := unsafe("table", render(summary, "table"))), why
    return render(summary, "md", picked=[ALL_WORD])


def draw_all(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the pictures of a store, for a paper and in a page, and draw those for the board."""
    from effbench.report.curve_panels import SCREEN_PALETTE, looks_of
    from effbench.report.curve_table import curve_rows
    from effbench.report.figures import draw, draw_all_curves
    from effbench.report.pareto_table import rows_of
    from effbench_leaderboard import convergence, pareto_figure, pictures

    try:
        summary = summarise(read_store(path))
        fronts = pictures_of(summary, ("latency", "quality"))
    except (StoreError, BadInput):
        return
    yield "svg", draw(fronts, "svg").decode()
    yield "html", render(summary, "html", pareto=("latency", "quality"))
    for picture in fronts:
        if picture.points:
            pareto_figure.figure_of(picture, pareto_figure.names_for_widths(picture))
            rows_of(picture)
    curves = [picture for workload in summary.workloads for picture in curve_pictures(workload)]
    if curves:
        yield "svg", draw_all_curves(curves[:2], "svg").decode()
    for picture in curves[:2]:
        if picture.curves:
            convergence.figure_of(picture, looks_of([picture], SCREEN_PALETTE))
            curve_rows(picture)
    for workload in summary.workloads:
        gallery = Gallery(workload)
        for sample in gallery.show(gallery.keys[:2], gallery.methods):
            for preview in sample.previews.values():
                for frames in preview.pictures.values():
                    pictures.encoded(frames)


def _of_view(view: StoreView, summary: Summary) -> Iterator[tuple[str, Callable[[], str]]]:
    for name in FORMATS:
        yield name, lambda name=name: render(summary, name, picked=[ALL_WORD])
    yield "md", lambda: render(summary, "md")
    yield "table", lambda: render(summary, "table", width=60)
    names = list(dict.fromkeys(cell.method_id for cell in view.cells))
    if len(names) > 1:
        for task in dict.fromkeys(cell.task_id for cell in view.cells):
            yield "json", lambda task=task: _compared(compare(view, names[1], names[0], task))
    yield "md", lambda: claims_table(summary, names[-1]) if names else ""
    yield "text", lambda: repr(store_matrices(view, ["clip_score"]).source)
    yield "text", lambda: "".join(p.note + p.title for p in pictures_of(summary, ("latency", "quality")))
    yield "text", lambda: "".join(p.heading for w in summary.workloads for p in curve_pictures(w))
    yield "text", lambda: "".join(map(_gallery, summary.workloads))
    yield "text", lambda: " ".join(view.unfinished)


def _compared(comparison: Comparison) -> str:
    """Return the comparison as JSON, once the text is known to hold nothing that a terminal obeys."""
    assert not (why := unsafe("table", render_comparison(comparison))), why
    return comparison_json(comparison)


def _gallery(workload: Any) -> str:
    gallery = Gallery(workload)
    shown = gallery.show(gallery.keys[:3], gallery.methods)
    said = [
        "".join([sample.caption, *(text for preview in sample.previews.values() for text in preview.missing)])
        for sample in shown
    ]
    return "".join([*said, *gallery.damaged.values()])


def _folders(path: Path) -> Iterator[tuple[str, str]]:
    """Read what a run reads of each cell folder."""
    store = Store(path)
    names = [folder.name for folder in (path / "cells").iterdir()] if (path / "cells").is_dir() else []
    for name in sorted(names):
        folder = store.cell(name)
        reads: list[Callable[[], Any]] = [lambda job=job, folder=folder: folder.job(job) for job in JOBS]
        reads.append(lambda folder=folder: read_artifact(folder.artifact_of(None), folder.root))
        reads += [folder.setting, lambda folder=folder: folder.read_thresholds(None)]
        reads.append(lambda folder=folder: (record := folder.record()) and recomputed(folder, record))
        reads += [lambda folder=folder: metadata_values(folder.samples, "code_version")]
        reads += [lambda folder=folder: part_files(folder.timings), lambda folder=folder: KeptOutputs(folder.outputs)]
        reads.append(lambda folder=folder: (record := folder.record()) and folder.is_intact(record))
        for read in reads:
            try:
                read()
            except StoreError as error:
                yield "refused", str(error)


class _Page(HTMLParser):
    """Keeps what a page could load or run; a picture inside may point to its own parts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {"class", "scope", "lang", "charset", "name", "content", "title", "colspan", "id", "open"}
        if tag in {"script", "img", "iframe", "a", "link", "object", "embed", "foreignobject"}:
            self.found.append(tag)
        drawn = tag.rpartition(":")[2] in {name.lower() for name in ELEMENTS}
        self.found += [
            f"{tag} {name}={value}"
            for name, value in attrs
            if not (name in known or (drawn and not _acts(name, value or "")))
        ]


def _acts(name: str, value: str) -> bool:
    """Return whether an attribute of a picture's element loads or runs something."""
    outside = "http" in value and not name.startswith(("xmlns", "rdf:"))
    return name.startswith("on") or (name.endswith("href") and not value.startswith(("#", "data:image/png"))) or outside


def unsafe(what: str, text: str) -> str:
    """Return what is dangerous in a text of that format, or ``""``."""
    if what == "refused" and "\n" in text:
        return "more than one line"
    if HIDDEN.search(text):
        return f"a hidden character {HIDDEN.search(text)}"
    if what == "json":
        json.loads(text, parse_constant=lambda token: (_ for _ in ()).throw(ValueError(token)))
    if what == "csv":
        texts = [cell for row in csv.DictReader(io.StringIO(text)) for cell in row.values() if cell]
        return next((f"formula {t!r}" for t in texts if FORMULA.match(t) and not _is_number(t)), "")
    if what == "html":
        page = _Page()
        page.feed(text)
        return ", ".join(page.found)
    if what == "latex":
        return _not_ours(text)
    if what == "svg":
        elements = [str(element.tag).rpartition("}")[2] for element in ElementTree.fromstring(text).iter()]
        return ", ".join(sorted(set(elements) - ELEMENTS))
    if what == "md":
        return f"Markdown {PICTURE.search(text)}" if PICTURE.search(text) else ""
    return ""


def _not_ours(text: str) -> str:
    """Return what in LaTeX came of a name, or ``""``: a command, a group or formula that is left open, a comment."""
    text = text.partition("\n")[2]  # behind our own comment, which says what packages it needs
    found = [name for name in re.findall(r"\\([A-Za-z]+)", text.replace("\\\\", "")) if f" {name} " not in COMMANDS]
    plain = re.sub(r"\\[{}$%&#_]", "", text)
    depth = 0
    for sign in re.findall("[{}]", plain):
        depth += 1 if sign == "{" else -1
        if depth < 0:
            found.append("a brace that closes nothing")
            break
    is_open = {"group": depth > 0, "formula": plain.count("$") % 2, "comment": re.search(r"%(?!\n)", plain)}
    return ", ".join([*found, *(name for name, is_there in is_open.items() if is_there)])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
