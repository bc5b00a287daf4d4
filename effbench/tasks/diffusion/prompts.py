"""Prompt lists with stable ids: manifests of ours by name, the user's own file, or a data set from the hub.

A prompt is evaluated as it stands in its file, or the file is refused in a sentence that says where it cannot be.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from effbench.api import PluginError, Sample, Split, StrictParams
from effbench.tasks.diffusion.bars import keep_bars_to_ourselves
from effbench.tasks.diffusion.folders import is_file, is_folder
from effbench.tasks.diffusion.prompt_files import READERS, PromptRow, require_once

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""How a prompt spells a digit."""
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
"""What a list is called in a suite."""
CLASSES = 1000
"""ImageNet's, by which DiT was trained."""
TEXT_FORMATS = ("csv", "json", "text")
"""What ``datasets`` calls its readers of text formats."""
FACTS_OF_DATA_SETS = ("dataset_info.json", "dataset_infos.json")
"""Files about a data set that hold none of its rows."""
FIFTH = 5
"""Of every so many prompts of a list without splits of its own, the first is for calibration."""


class PromptSource(StrictParams):
    """Prompts from a file or from a data set in the form of the ``datasets`` library."""

    source: Annotated[
        str,
        Field(
            description="A .txt, .json (COCO captions or rows), .jsonl, .csv or .parquet file in UTF-8, or a hub data set."
        ),
    ]
    column: Annotated[str, Field(description="Column with the prompt, which must be text.")] = "prompt"
    id_column: Annotated[
        str | None, Field(description="Column with a stable id, text or whole numbers; null: the row's number.")
    ] = None
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
        return _random_choice(prompts, given, split)
    if len(prompts) < 2:
        raise PluginError(f"prompts {given.source!r}: {len(prompts)} prompts found; at least 2 are needed")
    return _samples(row for i, row in enumerate(prompts) if (i % FIFTH == 0) == (split == "calibration"))


def keys_of(source: str | PromptSource) -> frozenset[str]:
    """Return what the samples of a list bring, as data or as target, without reading it: what a judge needs may lack."""
    name = source if isinstance(source, str) else ""
    if name == "digits":
        return frozenset({"prompt", "label", "digit"})
    if name == "classes":
        return frozenset({"label"})
    if name not in LISTS:
        return frozenset({"prompt"})
    return frozenset({"prompt", "concept", "direction"} if name.startswith("moving") else {"prompt", "candidates"})


def _samples(rows: Iterable[tuple[str, str]]) -> tuple[Sample, ...]:
    return tuple(Sample(name, {"prompt": prompt}) for name, prompt in rows)


def _read(given: PromptSource) -> list[tuple[str, str]]:
    """Return (id, prompt) of every row.

    A row without a prompt is refused, but for a hub data set, which nobody here can edit: its rows without text are left
    out, and the others keep their numbers.
    """
    path = Path(given.source)
    columns = [given.column] if given.id_column is None else [given.column, given.id_column]
    reader = READERS.get(path.suffix.lower())
    if reader is not None and not is_folder(given.source):
        if not is_file(given.source):
            raise PluginError(
                f"prompts {given.source!r}: neither a list of ours ({', '.join(LISTS)}) nor a readable file"
            )
        return _named(reader(path, columns), given, path.stem, may_lack_text=False)
    if is_file(given.source):
        raise PluginError(f"prompts {given.source!r}: no kind of file that is read; those are {', '.join(READERS)}")
    return _named(
        _dataset_rows(given, columns),
        given,
        path.stem or path.resolve().stem,
        may_lack_text=not is_folder(given.source),
    )


def _named(rows: Iterable[PromptRow], given: PromptSource, stem: str, *, may_lack_text: bool) -> list[tuple[str, str]]:
    """Return (id, prompt) of the rows; raise ``PluginError`` for a column, a prompt or an id that cannot be."""
    named: dict[str, str] = {}
    places: dict[str, str] = {}
    for row in rows:
        where = f"prompts {given.source!r}: {row.place}"
        for column in (given.column, given.id_column):
            if column is not None:
                require_once(list(row.values), [column], where)
        prompt = row.values[given.column]
        if may_lack_text and (prompt is None or not str(prompt).strip()):
            continue
        if problem := _prompt_problem(prompt):
            raise PluginError(f"{where}: the prompt {problem}")
        key = row.values[given.id_column] if given.id_column else row.key
        if problem := _id_problem(key):
            raise PluginError(f"{where}: the id {problem}")
        name = f"{stem}-{key}"
        if name in named:
            raise PluginError(f"{where}: has the id {key!r}, which {places[name]} has too; every prompt needs its own")
        named[name], places[name] = prompt, row.place
    return list(named.items())


def _prompt_problem(prompt: object) -> str:
    """Return "" where a value is a prompt, else what is wrong with it."""
    if not isinstance(prompt, str):
        return f"is {_what(prompt)} and not text"
    if not prompt.strip():
        return "is empty; fill it in or take the row out"
    return _lone_half(prompt)


def _id_problem(key: object) -> str:
    """Return "" where a value can be an id, else what is wrong with it; 1 and "001" stay what they are."""
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        return f"is {_what(key)}; an id is text or a whole number"
    if not str(key).strip():
        return "is empty"
    if not str(key).isprintable():
        return f"{key!r} holds a character that cannot be printed"
    return ""


def _what(value: object) -> str:
    if value is None:
        return "null (missing)"
    kind = "the truth value" if isinstance(value, bool) else "the number" if isinstance(value, (int, float)) else ""
    return f"{kind} {value!r}" if kind else f"of type {type(value).__name__}"


def _lone_half(text: str) -> str:
    """Return what is wrong with a text that UTF-8 cannot hold, which JSON's escapes can bring."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"holds {text[error.start]!r}, half of a character"
    return ""


def _dataset_rows(given: PromptSource, columns: Sequence[str]) -> Iterator[PromptRow]:
    """Yield the rows of a hub data set, or of a local folder that ``datasets`` can read.

    The library's readers of text formats guess: ``None`` is dropped from a CSV file and 001 becomes 1, a date in a JSON file
    becomes a time. Such files are read by ours.
    """
    where, is_local = f"prompts {given.source!r}", is_folder(given.source)
    if not is_local:
        if given.source.count("/") != 1:
            raise PluginError(f"{where}: neither a list of ours ({', '.join(LISTS)}), nor a file, nor owner/name")
        if given.revision is None:
            raise PluginError(f"{where}: a hub data set needs its revision (the commit)")
    from datasets import DownloadManager, disable_progress_bars, load_dataset, load_dataset_builder

    keep_bars_to_ourselves()
    disable_progress_bars()

    revision = None if is_local else given.revision
    source = str(Path(given.source).resolve()) if is_local else given.source  # "." has no name to the library
    try:
        builder = load_dataset_builder(source, revision=revision)
        if is_local and builder.name in (*TEXT_FORMATS, "parquet"):
            _refuse_left_out(Path(source), builder.config.data_files or {}, where)
        if builder.name not in TEXT_FORMATS:
            loaded = load_dataset(source, split=given.split, revision=revision)
            require_once(loaded.column_names, columns, where)
            rows = list(loaded.select_columns(list(columns)))
            yield from (PromptRow(f"{number:05d}", f"row {number + 1}", row) for number, row in enumerate(rows))
            return
        splits = builder.config.data_files
        if given.split not in splits:
            raise PluginError(f"{where}: has no split {given.split!r}; it has {', '.join(map(str, splits))}")
        listed = [str(file) for file in splits[given.split]]
        local = listed if is_local else DownloadManager().download(listed)
    except PluginError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises whatever its readers raise
        raise PluginError(f"{where}: cannot be read: {' '.join(str(error).split())[:300]}") from None
    count = 0
    for name, file in zip(listed, local, strict=True):
        reader = READERS.get(Path(name).suffix.lower())
        if reader is None:
            raise PluginError(f"{where}: its file {name} is none that is read; those are {', '.join(READERS)}")
        for row in reader(Path(file), columns):
            values = {"text": row.values["prompt"]} if builder.name == "text" else row.values  # as the library calls it
            yield PromptRow(f"{count:05d}", f"{Path(name).name}, {row.place}", values)
            count += 1


def _refuse_left_out(folder: Path, splits: Mapping[Any, Iterable[Any]], where: str) -> None:
    """Raise ``PluginError`` where files without a split's name are of several kinds: the library takes one kind alone."""
    taken = {str(file) for listed in splits.values() for file in listed}
    if list(map(str, splits)) != ["train"] or any("train" in file.removeprefix(str(folder)) for file in taken):
        return
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in READERS)
    left = [
        file.relative_to(folder) for file in files if str(file) not in taken and file.name not in FACTS_OF_DATA_SETS
    ]
    left = [file for file in left if not any(part.startswith((".", "_")) for part in file.parts)]
    if left and not (folder / "README.md").is_file():  # which may say what belongs to the data set
        raise PluginError(
            f"{where}: its files are of several kinds and {left[0]} would be left out; name one file, or move it elsewhere"
        )


def _random_choice(prompts: list[tuple[str, str]], given: PromptSource, split: Split) -> tuple[Sample, ...]:
    """Return ``draw`` prompts, chosen at random, in the order of the file; a fifth as many others are for calibration.

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
        Sample(
            f"{entry['id']}-{digit}",
            {"prompt": _fill(entry["phrasing"], digit), "label": digit},
            target={"digit": digit},
        )
        for entry in manifest("digits_prompts.yaml")[split]
        for digit in range(10)
    )


def _fill(phrasing: str, digit: int) -> str:
    return phrasing.format(word=DIGIT_WORDS[digit], numeral=digit)


@cache
def _emoji_prompts(name: str) -> tuple[Sample, ...]:
    """Return a list; a target holds the 20 sentences that a judge chooses from, the right one first."""
    from effbench.zoo.emoji_scenes.prompts import candidates, prompts

    entries: Sequence[Any] = prompts(name)
    return tuple(
        Sample(entry.id, {"prompt": entry.prompt}, target={"candidates": [entries[i].prompt for i in rows]})
        for entry, rows in zip(entries, candidates(name), strict=True)
    )


@cache
def _moving_prompts(name: str) -> tuple[Sample, ...]:
    """Return a list; a target holds the emoji and the direction, by number, that a judge should see."""
    from effbench.zoo.moving_emoji.prompts import entries

    return tuple(
        Sample(key, {"prompt": prompt}, target={"concept": motion.concept, "direction": motion.direction})
        for key, prompt, motion in entries(name)
    )
