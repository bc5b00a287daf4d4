"""FlashEval's released files: per-prompt scores, and searched subsets whose labels are checked against the scores.

Layout (thu-nics/FlashEval): scores in ``<folder>/<metric>/<model>/<metric>-<setting>-score.json``, a mapping from caption id
to score; subsets in ``<dataset>_<metric>_searched_subset_<n>prompts.json``, one JSON object per line with the caption's
``id``. The release has CLIP and Aesthetic swapped among its COCO subsets, and repeats in many; both are found and said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from effbench.errors import BadInput
from effbench.subset.matrix import ScoreMatrix, score_matrix
from effbench.subset.random_curve import RandomCurve
from effbench.subset.tau import tau_b

MARGINS = {"ImageReward": 3.1008e-5, "Aesthetic": 3.8559e-6, "CLIP": 4.6905e-6, "HPS": 2.7487e-6}
"""Differences of means that the released search treats as ties."""

SUBSET_FILE = re.compile(r"(?P<dataset>.+?)_(?P<metric>[^_]+)_searched_subset_(?P<size>\d+)prompts\.json")


def read_release_scores(
    folder: Path, missing: Literal["refuse", "drop-samples", "drop-methods"] = "drop-methods"
) -> list[ScoreMatrix]:
    """Return one matrix per metric of a folder of scores, over the settings that have complete files for all of them.

    Settings whose file lacks captions that others have (the release holds some) are treated as ``missing`` says.
    Raises ``BadInput`` where the folder holds no such files, or one is not a mapping of numbers.
    """
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    for file in sorted(folder.glob("*/*/*-score.json")):
        metric, model = file.parts[-3], file.parts[-2]
        setting = file.name.removesuffix("-score.json").removeprefix(f"{metric}-")
        found.setdefault(metric, {})[f"{model}/{setting}"] = _scores(file)
    if not found:
        raise BadInput(
            f"{folder}: no <metric>/<model>/<metric>-<setting>-score.json in it; is it FlashEval's Image_score/<dataset>?"
        )
    shared = sorted(set.intersection(*(set(settings) for settings in found.values())))
    if not shared:
        raise BadInput(f"{folder}: no setting has scores of all of {', '.join(found)}")
    captions = sorted({key for settings in found.values() for name in shared for key in settings[name]}, key=_numeric)
    tables = {
        metric: np.array([[settings[name].get(key, np.nan) for key in captions] for name in shared])
        for metric, settings in found.items()
    }
    if missing == "drop-methods":  # the same ones in every metric, so that one subset can serve all
        whole = np.flatnonzero(np.all([np.isfinite(table).all(1) for table in tables.values()], axis=0))
        shared, tables = [shared[row] for row in whole], {metric: table[whole] for metric, table in tables.items()}
    return [
        score_matrix(
            metric,
            table,
            shared,
            captions,
            families=[name.partition("/")[0] for name in shared],
            margin=MARGINS.get(metric, 0.0),
            missing="refuse" if missing == "drop-methods" else missing,
        )
        for metric, table in tables.items()
    ]


def _scores(file: Path) -> Mapping[str, float]:
    try:
        data = json.loads(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise BadInput(f"{file}: cannot be read as JSON: {error}") from None
    if not isinstance(data, dict) or not all(isinstance(value, int | float) for value in data.values()):
        raise BadInput(f"{file}: not a mapping from caption id to score")
    return data


def _numeric(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdigit() else (1 << 62, key)


@dataclass(frozen=True)
class ReleasedSubset:
    """A released subset: what its file name says, its distinct caption ids in order, and how many lines repeated one."""

    path: Path
    dataset: str
    metric: str
    size: int
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    repeats: int


def read_released_subsets(folder: Path) -> list[ReleasedSubset]:
    """Return every released subset under a folder; raise ``BadInput`` where there is none or one cannot be read."""
    subsets = []
    for file in sorted(folder.rglob("*_searched_subset_*prompts.json")):
        name = SUBSET_FILE.fullmatch(file.name)
        if name is None:
            continue
        entries = [
            _line(file, number, line)
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
            if line.strip()
        ]
        captions = {str(entry["id"]): str(entry.get("caption", "")) for entry in entries}
        repeats = len(entries) - len(captions)
        subsets.append(
            ReleasedSubset(
                file,
                name["dataset"],
                name["metric"],
                int(name["size"]),
                tuple(captions),
                tuple(captions.values()),
                repeats,
            )
        )
    if not subsets:
        raise BadInput(
            f"{folder}: no <dataset>_<metric>_searched_subset_<n>prompts.json under it; "
            "is it FlashEval's representative_subset?"
        )
    return subsets


def _line(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise BadInput(f"{file}, line {number}: not JSON: {error}") from None
    if not isinstance(entry, dict) or "id" not in entry:
        raise BadInput(f"{file}, line {number}: no caption id")
    return entry


@dataclass(frozen=True)
class Labelled:
    """A released subset against the scores: tau by metric, tau of random subsets of its size, and what that says."""

    subset: ReleasedSubset
    taus: Mapping[str, float]
    random: Mapping[str, float]
    true_metric: str

    @property
    def is_swapped(self) -> bool:
        """Return whether another metric than the one on the label is what the subset was evidently searched for."""
        return self.true_metric != self.subset.metric

    @property
    def beats_random(self) -> bool:
        """Return whether the subset ranks better than random ones of its size under its true metric."""
        return self.taus[self.true_metric] > self.random[self.true_metric]


def label_of(subset: ReleasedSubset, matrices: Sequence[ScoreMatrix], curves: Mapping[str, RandomCurve]) -> Labelled:
    """Return which metric a subset serves: the one in which it is furthest above random subsets of its size.

    ``curves`` are the random curves of the matrices by metric. Raises ``BadInput`` where it names captions without scores.
    """
    place = {sample: row for row, sample in enumerate(matrices[0].samples)}
    unknown = [name for name in subset.ids if name not in place]
    if unknown:
        raise BadInput(f"{subset.path}: {len(unknown)} of its captions have no score, first {unknown[0]!r}")
    rows = [place[name] for name in subset.ids]
    taus = {m.metric: tau_b(m.values[:, rows].mean(1), m.truth, m.margin) for m in matrices}
    random = {metric: curve.tau_at(len(rows)) for metric, curve in curves.items()}
    lead = {metric: (taus[metric] - random[metric]) / max(1 - random[metric], 1e-9) for metric in taus}
    return Labelled(subset, taus, random, max(lead, key=lambda metric: lead[metric]))
