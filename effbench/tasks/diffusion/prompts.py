"""Prompt lists with stable ids: manifests of ours by name, the user's own file, or a data set from the hub."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from effbench.api import PluginError, Sample, Split, StrictParams

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LISTS = (
    "digits",
    "emoji",
    "emoji-held-out",
    "emoji-pool",
    "moving-emoji",
    "moving-emoji-held-out",
    "moving-emoji-pool",
    "classes",
)
CLASSES = 1000
FIFTH = 5
"""Of every so many prompts of a list without splits of its own, the first is for calibration."""


class PromptSource(StrictParams):
    """Prompts from a file or from a data set in the form of the ``datasets`` library."""

    source: Annotated[
        str,
        Field(description="A .txt, .json (COCO captions or rows), .jsonl, .csv or .parquet file, or a hub data set."),
    ]
    column: Annotated[str, Field(description="Column with the prompt.")] = "prompt"
    id_column: Annotated[str | None, Field(description="Column with a stable id; null: the row's number.")] = None
    split: Annotated[str, Field(description="Split of a hub data set.")] = "train"
    revision: Annotated[str | None, Field(description="Commit of a hub data set; required there.")] = None
    draw: Annotated[int | None, Field(ge=2, description="Evaluate so many prompts, drawn at random; null: all.")] = None
    seed: Annotated[int, Field(description="Of the draw.")] = 0


def load_prompts(source: str | PromptSource, split: Split) -> tuple[Sample, ...]:
    """Return the prompts of a split; raise ``PluginError`` where the list cannot be read.

    ``digits`` is ``data_manifests/digits_prompts.yaml``: every phrasing for every digit, so that the first ten prompts
    ask for the ten digits. ``emoji`` and ``moving-emoji`` are lists of ``emoji_prompts.yaml`` and
    ``moving_emoji_prompts.yaml``; ``-held-out`` asks for combinations that no training shows, and ``-pool`` is the long
    list that condensed subsets are chosen from. ``classes`` are ImageNet's, by number. They and any other list are
    split by position: of every five, one is for calibration.
    """
    if source == "digits":
        return _digit_prompts(split)
    if source == "classes":
        rows = [(f"class-{label:04d}", {"label": label}) for label in range(CLASSES)]
        return tuple(Sample(*row) for i, row in enumerate(rows) if (i % FIFTH == 0) == (split == "calibration"))
    if isinstance(source, str) and source in LISTS:
        kind = "held_out" if source.endswith("held-out") else "pool" if source.endswith("pool") else split
        name = kind if split == "evaluation" else split
        return _moving_prompts(name) if source.startswith("moving") else _emoji_prompts(name)
    given = PromptSource(source=source) if isinstance(source, str) else source
    prompts = _read(given)
    if given.draw is not None:
        return _drawn(prompts, given, split)
    if len(prompts) < 2:
        raise PluginError(f"prompts {given.source!r}: {len(prompts)} prompts found; at least 2 are needed")
    return _samples(row for i, row in enumerate(prompts) if (i % FIFTH == 0) == (split == "calibration"))


def _samples(rows: Iterable[tuple[str, str]]) -> tuple[Sample, ...]:
    return tuple(Sample(name, {"prompt": prompt}) for name, prompt in rows)


def _read(given: PromptSource) -> list[tuple[str, str]]:
    """Return (id, prompt) of every row that has a prompt."""
    path = Path(given.source)
    if path.suffix not in (".txt", ".json", ".jsonl", ".csv", ".parquet"):
        rows = _dataset_rows(given)
    elif path.suffix in (".jsonl", ".csv", ".parquet"):
        rows = _table_rows(path)
    else:
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".txt":
                lines = [(f"{path.stem}-{n:05d}", line.strip()) for n, line in enumerate(text.splitlines(), 1)]
                return [(name, line) for name, line in lines if line]
            loaded = json.loads(text)
        except (OSError, ValueError) as error:
            raise PluginError(
                f"prompts {given.source!r}: neither a list of ours ({', '.join(LISTS)}) nor a readable file: {error}"
            ) from None
        if isinstance(loaded, dict) and isinstance(loaded.get("annotations"), list):  # captions as COCO stores them
            given = given.model_copy(update={"column": "caption", "id_column": "id"})
            loaded = loaded["annotations"]
        if not isinstance(loaded, list) or not all(isinstance(row, dict) for row in loaded):
            raise PluginError(f"prompts {given.source!r}: neither a list of rows nor COCO's annotations")
        rows = loaded
    return _named(rows, given, path.stem)


def _named(rows: Sequence[dict[str, Any]], given: PromptSource, stem: str) -> list[tuple[str, str]]:
    """Return (id, prompt) of the rows that have a prompt; raise ``PluginError`` for a column or an id that cannot be."""
    named: dict[str, str] = {}
    for number, row in enumerate(rows):
        for column in (given.column, given.id_column):
            if column is not None and column not in row:
                raise PluginError(
                    f"prompts {given.source!r}: row {number} has no column {column!r}; it has {', '.join(map(str, row))}"
                )
        prompt = row[given.column]
        if prompt is None or not str(prompt).strip():
            continue
        name = f"{stem}-{row[given.id_column]}" if given.id_column else f"{stem}-{number:05d}"
        if name in named:
            raise PluginError(
                f"prompts {given.source!r}: the id {name!r} stands in two rows, the second is row {number}"
            )
        named[name] = str(prompt).strip()
    return list(named.items())


def _table_rows(path: Path) -> list[dict[str, Any]]:
    from datasets import load_dataset

    if not path.is_file():
        raise PluginError(f"prompts {str(path)!r}: no such file")
    kind = {".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}[path.suffix]
    try:
        return list(load_dataset(kind, data_files=str(path), split="train"))
    except Exception as error:  # noqa: BLE001 - the library raises whatever its readers raise
        raise PluginError(f"prompts {str(path)!r}: cannot be read: {' '.join(str(error).split())[:300]}") from None


def _dataset_rows(given: PromptSource) -> list[dict[str, Any]]:
    """Return the rows of a hub data set, or of a local folder that ``datasets`` can read."""
    is_local = Path(given.source).is_dir()
    if not is_local:
        if given.source.count("/") != 1:
            raise PluginError(
                f"prompts {given.source!r}: neither a list of ours ({', '.join(LISTS)}), nor a file, nor owner/name"
            )
        if given.revision is None:
            raise PluginError(f"prompts {given.source!r}: a hub data set needs its revision (the commit)")
    from datasets import load_dataset

    try:
        return list(load_dataset(given.source, split=given.split, revision=None if is_local else given.revision))
    except Exception as error:  # noqa: BLE001 - the library raises whatever its readers raise
        raise PluginError(f"prompts {given.source!r}: cannot be read: {' '.join(str(error).split())[:300]}") from None


def _drawn(prompts: list[tuple[str, str]], given: PromptSource, split: Split) -> tuple[Sample, ...]:
    """Return the drawn prompts in their own order; a fifth as many others are for calibration.

    The same file and seed give the same prompts.
    """
    assert given.draw is not None
    if given.draw >= len(prompts):
        raise PluginError(
            f"prompts {given.source!r}: draw = {given.draw} leaves none of the {len(prompts)} prompts for calibration"
        )
    order = random.Random(given.seed).sample(range(len(prompts)), len(prompts))
    others = order[given.draw : given.draw + max(1, given.draw // FIFTH)]
    chosen = order[: given.draw] if split == "evaluation" else others
    return _samples(prompts[i] for i in sorted(chosen))


def manifest(name: str) -> Any:
    """Return a manifest of ours."""
    return yaml.safe_load(files("effbench_data_manifests").joinpath(name).read_text("utf-8"))


@cache
def _digit_prompts(split: Split) -> tuple[Sample, ...]:
    return tuple(
        Sample(f"{entry['id']}-{digit}", {"prompt": _fill(entry["phrasing"], digit), "digit": digit, "label": digit})
        for entry in manifest("digits_prompts.yaml")[split]
        for digit in range(10)
    )


def _fill(phrasing: str, digit: int) -> str:
    return phrasing.format(word=NAMES[digit], numeral=digit)


@cache
def _emoji_prompts(name: str) -> tuple[Sample, ...]:
    """Return a list with, for each prompt, the 20 sentences that a judge chooses from, the right one first."""
    from effbench.zoo.emoji_scenes.prompts import candidates, prompts

    entries: Sequence[Any] = prompts(name)
    return tuple(
        Sample(entry.id, {"prompt": entry.prompt, "candidates": [entries[i].prompt for i in rows]})
        for entry, rows in zip(entries, candidates(name), strict=True)
    )


@cache
def _moving_prompts(name: str) -> tuple[Sample, ...]:
    """Return a list with the emoji and the direction, by number, that a judge should see."""
    from effbench.zoo.moving_emoji.prompts import entries

    return tuple(
        Sample(key, {"prompt": prompt, "concept": motion.concept, "direction": motion.direction})
        for key, prompt, motion in entries(name)
    )
