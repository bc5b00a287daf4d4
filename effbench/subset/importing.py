"""Subsets from and for other tools: FlashEval's released lists in, plain lists out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from effbench.atomic import write_bytes
from effbench.errors import BadInput
from effbench.subset.manifest import SubsetManifest, make_manifest, write_manifest
from effbench.subset.random_curve import RandomCurve
from effbench.subset.release import (
    Labelled,
    ReleasedSubset,
    label_of,
    read_release_scores,
    read_released_subsets,
    unscored,
)

FORMATS = (".json", ".csv", ".txt")


def import_release(folder: Path, scores: Path | None, out: Path) -> Iterator[str]:
    """Write a manifest per released subset and yield a sentence on each; with ``scores`` under its true metric.

    Files of scores that are not whole are named first; a subset with captions that have no score is filed unchecked. Raises
    ``BadInput`` where a folder holds none of the released files.
    """
    read = read_release_scores(scores) if scores is not None else None
    yield from read.notes if read is not None else ()
    matrices = read.matrices if read is not None else ()
    curves = {matrix.metric: RandomCurve.of(matrix) for matrix in matrices}
    written = set[Path]()
    for subset in read_released_subsets(folder):
        lacking = unscored(subset, matrices[0]) if matrices else []
        labelled = label_of(subset, matrices, curves) if matrices and not lacking else None
        metric = (
            labelled.true_metric
            if labelled is not None and labelled.is_swapped and labelled.beats_random
            else subset.metric
        )
        name = f"{subset.dataset}-{metric}-{subset.size}".lower()
        if out / f"{name}.yaml" in written:  # both labels turned out to be the same metric
            name += f"-labelled-{subset.metric}".lower()
        manifest = make_manifest(
            name,
            subset.ids,
            metrics=[metric],
            source=f"FlashEval release, {subset.path.name}",
            description=_story(subset, labelled, lacking),
        )
        path = out / f"{name}.yaml"
        write_manifest(path, manifest)
        written.add(path)
        yield f"{path}: {manifest.description}"


def _story(subset: ReleasedSubset, labelled: Labelled | None, lacking: Sequence[str]) -> str:
    repeats = f" ({subset.repeats} of {subset.size} lines repeat one)" if subset.repeats else ""
    return f"{len(subset.ids)} distinct samples{repeats}; {_verdict(subset.metric, labelled, lacking)}"


def _verdict(label: str, labelled: Labelled | None, lacking: Sequence[str]) -> str:
    if lacking:
        return f"label {label} not checked ({len(lacking)} captions have no score, first {lacking[0]!r})"
    if labelled is None:
        return f"label {label} not checked (no scores given)"
    true = labelled.true_metric
    tau = labelled.taus[true]
    if not labelled.beats_random:
        return (
            f"no better than random on any metric (closest: {true}, tau {tau:.3f} against {labelled.random[true]:.3f})"
        )
    if not labelled.is_swapped:
        return f"tau {tau:.3f} on {true}"
    other = f"{labelled.taus[label]:.3f} on {label}"
    return f"tau {tau:.3f} on {true}, {other}: the label {label} is wrong, filed under {true}"


def export_subset(manifest: SubsetManifest, out: Path) -> None:
    """Write ids and weights as JSON lines, CSV or plain ids, by the file's ending; raise ``BadInput`` for another ending."""
    weights = manifest.weight_of()
    if out.suffix == ".json":
        text = "".join(
            json.dumps({"id": name, "weight": float(f"{weights[name]:.9g}")}) + "\n" for name in manifest.ids
        )
    elif out.suffix == ".csv":
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["id", "weight"])
        writer.writerows([name, f"{weights[name]:.9g}"] for name in manifest.ids)
        text = table.getvalue()
    elif out.suffix == ".txt":
        broken = [name for name in manifest.ids if len(name.splitlines()) != 1 or name != name.strip()]
        if broken:
            raise BadInput(f"{out}: a list of lines cannot hold the id {broken[0]!r}; write .json or .csv")
        text = "".join(f"{name}\n" for name in manifest.ids)
    else:
        raise BadInput(f"{out}: cannot write {out.suffix or 'a file without ending'!r}; valid: {', '.join(FORMATS)}")
    write_bytes(out, text.encode())
