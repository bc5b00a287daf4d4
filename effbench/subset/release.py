"""FlashEval's released files: per-prompt scores, and searched subsets whose labels are checked against the scores.

Layout (thu-nics/FlashEval): scores in ``<folder>/<metric>/<model>/<metric>-<setting>-score.json``, a mapping from caption id
to score; subsets in ``<dataset>_<metric>_searched_subset_<n>prompts.json``, one JSON object per line with the caption's
``id``. The release has CLIP and Aesthetic swapped among its COCO subsets, and repeats in many; both are found and said.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from effbench.errors import BadInput
from effbench.subset.matrix import ScoreMatrix, score_matrix
from effbench.subset.random_curve import RandomCurve
from effbench.subset.selection import even
from effbench.subset.tau import tau_b

MARGINS = {"ImageReward": 3.1008e-5, "Aesthetic": 3.8559e-6, "CLIP": 4.6905e-6, "HPS": 2.7487e-6}
"""Differences of means that the released search treats as ties."""

SUBSET_FILE = re.compile(r"(?P<dataset>.+?)_(?P<metric>[^_]+)_searched_subset_(?P<size>\d+)prompts\.json")


@dataclass(frozen=True)
class ReleaseScores:
    """One matrix per metric, all of the same captions, of the settings whose file is whole; ``notes`` name the others."""

    matrices: tuple[ScoreMatrix, ...]
    notes: tuple[str, ...]


def read_release_scores(folder: Path) -> ReleaseScores:
    """Return the scores of a folder, file by file: one that is not whole costs its own metric its setting, and is named.

    The captions are those that most files have. A file with others, too, is read without them; one that lacks some is left
    out. Raises ``BadInput`` where the folder holds no such files, a file is not a mapping of numbers, or no caption is in
    most files.
    """
    found: dict[str, dict[str, tuple[Path, Mapping[str, float]]]] = {}
    for file in sorted(folder.glob("*/*/*-score.json")):
        metric, model = file.parts[-3], file.parts[-2]
        setting = file.name.removesuffix("-score.json").removeprefix(f"{metric}-")
        found.setdefault(metric, {})[f"{model}/{setting}"] = file, _scores(file)
    if not found:
        raise BadInput(
            f"{folder}: no <metric>/<model>/<metric>-<setting>-score.json in it; is it FlashEval's Image_score/<dataset>?"
        )
    files = [scores for settings in found.values() for _, scores in settings.values()]
    having = Counter(key for scores in files for key in scores)
    captions = sorted((key for key, count in having.items() if 2 * count > len(files)), key=_numeric)
    if not captions:
        raise BadInput(f"{folder}: no caption id is in more than half of its {len(files)} files")
    known, everywhere, notes = set(captions), {name for settings in found.values() for name in settings}, list[str]()
    matrices = []
    for metric, settings in found.items():
        notes += [f"{metric}: no file of {name}" for name in sorted(everywhere - set(settings))]
        rows = {name: scores for name, (file, scores) in settings.items() if _is_whole(file, scores, known, notes)}
        matrices.append(
            score_matrix(
                metric,
                np.array([[scores[key] for key in captions] for scores in rows.values()]).reshape(
                    len(rows), len(captions)
                ),
                list(rows),
                captions,
                families=[name.partition("/")[0] for name in rows],
                margin=MARGINS.get(metric, 0.0),
            )
        )
    return ReleaseScores(tuple(matrices), tuple(notes))


def _is_whole(file: Path, scores: Mapping[str, float], captions: AbstractSet[str], notes: list[str]) -> bool:
    """Return whether a file has a score of every caption; append what is wrong with it."""
    foreign = [key for key in scores if key not in captions]
    lacking = [key for key in captions if not math.isfinite(scores.get(key, math.nan))]
    if foreign:
        notes.append(
            f"{file}: {len(foreign)} ids that most files do not have (first {foreign[0]!r}), read without them"
        )
    if lacking:
        notes.append(
            f"{file}: no score of {len(lacking)} of {len(captions)} captions (first {min(lacking, key=_numeric)!r}), left out"
        )
    return not lacking


def _text(file: Path) -> str:
    """Return a file's text, without a byte order mark."""
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: not UTF-8 text (byte {error.start})") from None


def _scores(file: Path) -> Mapping[str, float]:
    try:
        data = json.loads(_text(file), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: cannot be read as JSON: {error}") from None
    if not isinstance(data, dict) or not all(type(value) in (int, float) for value in data.values()):
        raise BadInput(f"{file}: not a mapping from caption id to score")
    return data


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the mapping; JSON itself would take the last of two equal keys and say nothing."""
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"{twice!r} stands twice in it")
    return data


def _numeric(key: str) -> tuple[int, str]:
    return (int(key), key) if key.isascii() and key.isdigit() else (1 << 62, key)


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
        # A line ends with \n alone: a caption may hold U+2028 and the like.
        entries = [_line(file, number, line) for number, line in enumerate(_text(file).split("\n"), 1) if line.strip()]
        if not entries:
            raise BadInput(f"{file}: no caption in it")
        captions: dict[str, str] = {}
        for number, (caption_id, caption) in enumerate(entries, 1):
            if captions.setdefault(caption_id, caption) != caption:
                raise BadInput(f"{file}: entry {number} gives caption {caption_id!r} another text than before")
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


def _line(file: Path, number: int, line: str) -> tuple[str, str]:
    """Return a line's caption id and caption. An id is text or a whole number: null, 1.5 or true are no ids."""
    try:
        entry = json.loads(line, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}, line {number}: not JSON: {error}") from None
    if not isinstance(entry, dict) or type(entry.get("id")) not in (int, str) or entry["id"] == "":
        raise BadInput(f"{file}, line {number}: no caption id")
    return str(entry["id"]), str(entry.get("caption", ""))


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


def unscored(subset: ReleasedSubset, matrix: ScoreMatrix) -> list[str]:
    """Return a subset's captions that have no score."""
    known = set(matrix.samples)
    return [name for name in subset.ids if name not in known]


def label_of(subset: ReleasedSubset, matrices: Sequence[ScoreMatrix], curves: Mapping[str, RandomCurve]) -> Labelled:
    """Return which metric a subset serves: the one in which it is furthest above random subsets of its size.

    ``curves`` are the random curves of the matrices by metric; all its captions must have scores (``unscored``).
    """
    place = {sample: row for row, sample in enumerate(matrices[0].samples)}
    rows = [place[name] for name in subset.ids]
    chosen = even(rows)
    taus = {m.metric: tau_b(chosen.estimate(m), m.truth, m.margin) for m in matrices}
    random = {metric: curve.tau_at(len(rows)) for metric, curve in curves.items()}
    lead = {metric: (taus[metric] - random[metric]) / max(1 - random[metric], 1e-9) for metric in taus}
    return Labelled(subset, taus, random, max(lead, key=lambda metric: lead[metric]))
