"""FlashEval's DiffusionDB scores in one compressed file, with the published split of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from effbench.errors import BadInput
from effbench.subset.judgement import Fold
from effbench.subset.matrix import ScoreMatrix, score_matrix
from effbench.subset.release import MARGINS

FILE = "diffusiondb_scores.npz"


def read_scores(folder: Path) -> tuple[list[ScoreMatrix], list[str]]:
    """Return (matrix per metric, ``train`` or ``test`` per setting); raise ``BadInput`` where the file is not there."""
    file = folder / FILE
    if not file.is_file():
        raise BadInput(f"{folder}: no {FILE} in it")
    with np.load(file, allow_pickle=False) as data:
        scores = data["diffusiondb_scores"].astype(np.float64)
        prompts = bytes(data["diffusiondb_prompts"]).decode().split("\n")
        ids = [str(name) for name in data["diffusiondb_prompt_id"]]
        settings, families = data["settings"].tolist(), data["setting_model"].tolist()
        metrics, split = data["metrics"].tolist(), data["split"].tolist()
    matrices = [
        score_matrix(
            metric, values, settings, ids, families=families, margin=MARGINS[metric], texts=prompts[: len(ids)]
        )
        for metric, values in zip(metrics, scores)
    ]
    return matrices, split


def published_split(split: Sequence[str]) -> Fold:
    """Return the published split as a fold: 39 settings search, 39 are held out."""
    sides = np.array(split)
    return Fold(np.flatnonzero(sides == "train"), np.flatnonzero(sides == "test"), "published")
