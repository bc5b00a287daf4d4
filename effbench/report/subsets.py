"""What a condensed subset is worth: its certificate in words, what it resolves, and the curves that lie beside it as data.

A record holds the certificate's sentences and resolutions. More is known of a subset that ships with EffBench: other sizes
chosen from the same pool, how many methods searched, and the pool's scores, from which random subsets are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import NamedTuple

from effbench.counted import counted
from effbench.errors import BadInput
from effbench.report.columns import label_of
from effbench.report.resolution import is_unresolved
from effbench.report.summarise import WorkloadCells, name_of, number_of
from effbench.subset.manifest import FAMILY, Held, MoreMethods, SubsetManifest, find_subset, shipped
from effbench.subset.random_curve import SUBSETS, RandomCurve
from effbench.subset.scores_file import SUFFIX, read_scores_file

MOST_NAMED = 12
"""Methods that a sentence names; what is more is counted."""


CERTIFICATE_HEADINGS = ("metric", "held out", "tau", "interval", "random of equal size", "worth", "right order from")
"""Of a certificate as a table."""


class Resolved(NamedTuple):
    """What a subset can tell in one metric: a sentence, and the methods that it cannot tell from the reference."""

    metric: str
    sentence: str
    too_close: tuple[str, ...]


class SizePoint(NamedTuple):
    """The certified tau of a subset of some size, and that of random ones of the same size."""

    size: int
    name: str
    tau: float
    ci_low: float
    ci_high: float
    random_tau: float


@dataclass(frozen=True)
class SizeCurve:
    """Rank correlation by size in one metric: subsets that ship, of one pool and kind of split, and random ones.

    ``random`` are (size, mean tau) of random subsets of the pool's scores, all samples last; ``()`` where no scores of it
    ship. ``chosen`` is the size that the workload ran on, ``split`` how methods were held out, ``methods`` and ``samples``
    how many the pool has.
    """

    metric: str
    split: str
    points: tuple[SizePoint, ...]
    random: tuple[tuple[float, float], ...]
    chosen: int
    methods: int
    samples: int


def has_subset(workload: WorkloadCells) -> bool:
    """Return whether a workload ran on a condensed subset; all cells of a workload ran on the same."""
    return bool(workload.cells[0].subset)


def resolved_of(workload: WorkloadCells) -> tuple[Resolved, ...]:
    """Return what the subset can tell, metric by metric, as the records say."""
    resolutions: dict[str, float | None] = {}
    for cell in workload.cells:
        resolutions |= cell.resolutions
    return tuple(_resolved(workload, name, least) for name, least in resolutions.items())


def _resolved(workload: WorkloadCells, name: str, least: float | None) -> Resolved:
    known = next((number for cell in workload.cells if (number := number_of(cell, name)) is not None), None)
    label, unit = (label_of(name, known.unit, known.axis), known.unit) if known is not None else (name, "")
    close = tuple(name_of(workload, cell) for cell in workload.cells if is_unresolved(workload, cell, name))
    if least is None:
        sentence = f"{label}: no difference, however large, was in the right order for 95 % of held-out pairs."
    elif least == 0:
        sentence = f"{label}: 95 % of all held-out pairs were in the right order, however small their difference."
    else:
        sentence = (
            f"{label}: differences from {f'{least:.4g} {unit}'.rstrip()} on are in the right order for 95 % of pairs."
        )
    return Resolved(label, sentence, close)


def named(names: Sequence[str]) -> str:
    """Return names as a list, the end of a long one counted."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {counted(more, 'other')}" if more > 0 else "")


@cache
def _shipped_manifests() -> Mapping[str, SubsetManifest]:
    """Return reference (name and beginning of its hash) -> manifest, of all subsets in the package."""
    return {manifest.reference: manifest for manifest in map(find_subset, shipped())}


def manifest_of(workload: WorkloadCells) -> SubsetManifest | None:
    """Return the manifest of the workload's subset, or None where that very subset does not ship."""
    return _shipped_manifests().get(workload.cells[0].subset or "")


def certificate_of(workload: WorkloadCells) -> tuple[str, ...]:
    """Return what the records say is certified, a sentence per metric and kind of split."""
    return tuple(dict.fromkeys(sentence for cell in workload.cells for sentence in cell.certificate))


def certificate_rows(workload: WorkloadCells) -> tuple[tuple[str, ...], ...]:
    """Return the certificate as text under ``CERTIFICATE_HEADINGS``; ``()`` where its subset's file says it otherwise."""
    manifest = manifest_of(workload)
    if manifest is None or tuple(held.sentence for held in manifest.certificate) != certificate_of(workload):
        return ()
    return tuple(map(_certificate_row, manifest.certificate))


def _certificate_row(held: Held) -> tuple[str, ...]:
    worth = "more than any" if held.random_size is None else f"{held.random_size:.0f}"
    order = "no difference on" if held.resolution is None else f"{held.resolution:.4g}"
    return (
        held.metric,
        held.split,
        f"{held.tau:.3f}",
        f"[{held.ci_low:.3f}, {held.ci_high:.3f}]",
        f"{held.random_tau:.3f}",
        f"{worth} random samples",
        order,
    )


def searched_curves(workload: WorkloadCells) -> tuple[MoreMethods, ...]:
    """Return per metric the certified tau against the number of methods that searched; ``()`` where it is not known."""
    manifest = manifest_of(workload)
    return tuple(manifest.more_methods) if manifest is not None else ()


def splits_of(manifest: SubsetManifest) -> tuple[str, ...]:
    """Return the kinds of split that a subset is certified by, the one for new kinds of methods last."""
    return tuple(sorted(dict.fromkeys(held.split for held in manifest.certificate), key=lambda split: split == FAMILY))


def size_curve(workload: WorkloadCells, metric: str, split: str) -> SizeCurve | None:
    """Return rank correlation by size, or None where the workload's subset does not ship or is not certified so."""
    manifest = manifest_of(workload)
    if manifest is None or manifest.pool is None:
        return None
    pool, points = manifest.pool, []
    for other in _shipped_manifests().values():
        held = _held(other, metric, split)
        if held is not None and other.pool is not None and other.pool.sha256 == pool.sha256:
            points.append(SizePoint(len(other.ids), other.name, held.tau, held.ci_low, held.ci_high, held.random_tau))
    if not any(point.name == manifest.name for point in points):
        return None
    random = () if split == FAMILY else _random(pool.sha256, metric)
    return SizeCurve(metric, split, tuple(sorted(points)), random, len(manifest.ids), len(pool.methods), pool.samples)


def _held(manifest: SubsetManifest, metric: str, split: str) -> Held | None:
    return next((held for held in manifest.certificate if (held.metric, held.split) == (metric, split)), None)


@cache
def _random(pool_sha256: str, metric: str) -> tuple[tuple[float, float], ...]:
    """Return (size, mean tau) of random subsets of the pool with that hash, from its scores; ``()`` where none ship."""
    for file in files("effbench_data_manifests").joinpath("scores").iterdir():
        if not file.name.endswith(SUFFIX):
            continue
        with as_file(file) as path:
            try:
                (matrix,) = read_scores_file(path, [metric]).matrices
            except BadInput:  # scores of another pool, without this metric
                continue
        if matrix.pool_sha256 == pool_sha256:
            curve = RandomCurve.of(matrix)
            return tuple(zip(curve.sizes.tolist(), curve.taus.tolist()))
    return ()


RANDOM_TEXT = (
    f"Mean of {SUBSETS} random subsets of each size, drawn from the scores of the pool that ship with EffBench."
)
"""What the curve of random subsets is, for a caption."""
