"""Subsets from and for other tools: FlashEval's released lists in, plain lists out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from effbench.atomic import write_bytes
from effbench.errors import BadInput
from effbench.subset.manifest import SubsetManifest, make_manifest, write_manifest
from effbench.subset.random_curve import RandomCurve
from effbench.subset.release import Labelled, ReleasedSubset, label_of, read_release_scores, read_released_subsets

FORMATS = (".json", ".csv", ".txt")


def import_release(folder: Path, scores: Path | None, out: Path) -> Iterator[str]:
    """Write a manifest per released subset and yield a sentence on each; with ``scores`` under its true metric.

    Raises ``BadInput`` where a folder holds none of the released files.
    """
    matrices = read_release_scores(scores) if scores is not None else None
    curves = {matrix.metric: RandomCurve.of(matrix) for matrix in matrices or ()}
    written = set[Path]()
    for subset in read_released_subsets(folder):
        labelled = label_of(subset, matrices, curves) if matrices else None
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
            description=_story(subset, labelled),
        )
        path = out / f"{name}.yaml"
        write_manifest(path, manifest)
        written.add(path)
        yield f"{path}: {manifest.description}"


def _story(subset: ReleasedSubset, labelled: Labelled | None) -> str:
    repeats = f" ({subset.repeats} of {subset.size} lines repeat one)" if subset.repeats else ""
    return f"{len(subset.ids)} distinct samples{repeats}; {_verdict(subset.metric, labelled)}"


def _verdict(label: str, labelled: Labelled | None) -> str:
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
        text = "".join(json.dumps({"id": name, "weight": round(weights[name], 9)}) + "\n" for name in manifest.ids)
    elif out.suffix == ".csv":
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["id", "weight"])
        writer.writerows([name, f"{weights[name]:.9g}"] for name in manifest.ids)
        text = table.getvalue()
    elif out.suffix == ".txt":
        text = "".join(f"{name}\n" for name in manifest.ids)
    else:
        raise BadInput(f"{out}: cannot write {out.suffix or 'a file without ending'!r}; valid: {', '.join(FORMATS)}")
    write_bytes(out, text.encode())
