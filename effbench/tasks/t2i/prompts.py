"""Prompt lists with stable ids: a manifest of ours by name, or the user's own text file, one prompt a line."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from effbench.api import PluginError, Sample, Split

DIGITS = "digits"
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def load_prompts(source: str, split: Split) -> tuple[Sample, ...]:
    """Return the prompts of a split; raise ``PluginError`` where the list cannot be read.

    ``digits`` is ``data_manifests/digits_prompts.yaml``: every phrasing for every digit, so that the first ten prompts
    ask for the ten digits. A text file is split by line: of every five lines, one is for calibration.
    """
    if source == DIGITS:
        return _digit_prompts(split)
    path = Path(source)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"prompts {source!r}: not {DIGITS!r} and not a readable text file: {error}") from None
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line]
    if len(numbered) < 2:
        raise PluginError(f"prompts {source!r}: the file holds {len(numbered)} prompts; at least 2 are needed")
    chosen = [(n, line) for i, (n, line) in enumerate(numbered) if (i % 5 == 0) == (split == "calibration")]
    return tuple(Sample(f"{path.stem}-{number:05d}", {"prompt": line}) for number, line in chosen)


@cache
def _digit_prompts(split: Split) -> tuple[Sample, ...]:
    from importlib.resources import files

    manifest = yaml.safe_load(files("effbench_data_manifests").joinpath("digits_prompts.yaml").read_text("utf-8"))
    return tuple(
        Sample(f"{entry['id']}-{digit}", {"prompt": _fill(entry["phrasing"], digit), "digit": digit})
        for entry in manifest[split]
        for digit in range(10)
    )


def _fill(phrasing: str, digit: int) -> str:
    return phrasing.format(word=NAMES[digit], numeral=digit)
