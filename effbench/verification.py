"""``verification.json``: what was found when somebody checked a store that was sent in, beside it and no part of it.

It says what its writer says: whoever copies a folder copies this file, and whoever forges one can write it. It is worth what
the place is worth that it was read from, and a board shows it with the name and the machine that stand in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from effbench.atomic import write_bytes
from effbench.counted import counted
from effbench.errors import StoreError
from effbench.inside import damaged, read_inside, root_of
from effbench.legible import legible

VERIFICATION = "verification.json"
"""The file's name; of all files of a submission the one that its manifest does not list."""
Level = Literal["schema", "recompute", "rescore", "regenerate", "remeasure"]
SCHEMA: Literal["effbench/verification/1"] = "effbench/verification/1"
MEANING: Mapping[Level, str] = {
    "schema": "every file is there as listed, and nothing else",
    "recompute": "every number follows from the raw parts",
    "rescore": "every score follows from the outputs that were sent in",
    "regenerate": "the method gives these scores again",
    "remeasure": "the method is as much faster here",
}
"""Level -> what it asks, as a statement that passing it confirms; from the cheapest, each presumes those before it."""

Words = Annotated[str, StringConstraints(max_length=5000)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CheckedLevel(_Entry):
    """What one level found; ``findings`` are (where, what), at most as many as were kept."""

    level: Level
    passed: bool
    compared: Annotated[int, Field(ge=0)]
    largest_difference: float | None
    missing: Words
    notes: tuple[Words, ...]
    findings: tuple[tuple[Words, Words], ...]


class Verification(_Entry):
    """One check: by whom, on which machine, when, with which EffBench, and its levels."""

    by: Words
    machine: Words
    utc: Words
    effbench: Words
    levels: Annotated[tuple[CheckedLevel, ...], Field(min_length=1)]

    @property
    def sentence(self) -> str:
        """Return it in a line: who, when, where, and how far it went."""
        passed = [level.level for level in self.levels if level.passed]
        others = [
            f"{level.level} not passed ({level.missing or counted(len(level.findings), 'finding')})"
            for level in self.levels
            if not level.passed
        ]
        said = "; ".join([*([f"{', '.join(passed)} passed"] if passed else []), *others])
        return legible(f"{self.by}, {self.utc[:10]}, machine {self.machine}: {said}")


class _History(_Entry):
    schema_version: Annotated[Literal["effbench/verification/1"], Field(alias="schema")]
    history: tuple[Verification, ...]


def read_history(path: Path) -> tuple[Verification, ...]:
    """Return the checks of a folder, the oldest first; raise ``StoreError`` where the file is damaged."""
    file = path / VERIFICATION
    try:
        return parsed_history(read_inside(file, root_of(path)), file)
    except FileNotFoundError:
        return ()


def parsed_history(data: bytes, file: object) -> tuple[Verification, ...]:
    """Return the checks that a file holds; raise ``StoreError`` where it is damaged."""
    try:
        return _History.model_validate_json(data).history
    except ValidationError as error:
        raise damaged(str(file), error.errors()[0]["msg"]) from None


def add_to_history(path: Path, check: Verification) -> None:
    """Add a check to those of a folder; raise ``StoreError`` where the file is damaged or cannot be written."""
    history: Sequence[Verification] = (*read_history(path), check)
    content: dict[str, Any] = {"schema": SCHEMA, "history": [entry.model_dump(mode="json") for entry in history]}
    try:
        write_bytes(path / VERIFICATION, json.dumps(content, indent=1).encode())
    except OSError as error:
        raise StoreError(f"{path / VERIFICATION}: cannot be written: {error.strerror or error}") from None
