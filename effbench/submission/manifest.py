"""``submission.yaml``: what was sent in, by whom it may be used, and the hash of every file.

A submission is a store of one method and the references beside it, with this file on top. It may come from anybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from effbench.atomic import write_bytes
from effbench.errors import BadInput
from effbench.inside import read_inside, root_of
from effbench.planfile import parsed
from effbench.yamlpos import parse

NAME = "submission.yaml"
"""The file that makes a folder a submission."""
SCHEMA: Literal["effbench/submission/1"] = "effbench/submission/1"
MOST_FILES = 20_000
"""A method on ten tasks with a file a batch, and as much again for its references, ten times over."""
MOST_BYTES = 1 << 31
"""Of all files of a submission together (2 GiB): more than a board's repository should hold."""
KINDS = (
    r"plan\.json",
    r"suite\.lock\.yaml",
    r"machine/[0-9a-f]{12}\.json",
    r"cells/[0-9a-f]{16}/(cell|setting)\.json",
    r"cells/[0-9a-f]{16}/(jobs|thresholds)/[A-Za-z0-9_.-]+\.json",
    r"cells/[0-9a-f]{16}/(samples|timings|draws)/[A-Za-z0-9_.-]+\.parquet",
    r"cells/[0-9a-f]{16}/(outputs|previews)/[A-Za-z0-9_.-]+\.safetensors",
)
"""Paths that a submission may hold. Artifacts (weights) and logs, which name folders of a machine, are no part of it."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(max_length=2000)]


class Manifest(BaseModel):
    """What a submission says of itself; ``cells`` are the method's own, and ``origins`` where its plugins come from.

    ``by`` is who sent it in, by the name that the place of sending knows (a login).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: Annotated[Literal["effbench/submission/1"], Field(alias="schema")] = SCHEMA
    method: Annotated[Text, Field(min_length=1)]
    suite: Text
    tasks: Annotated[tuple[Text, ...], Field(min_length=1)]
    cells: Annotated[tuple[str, ...], Field(min_length=1)]
    licence: Annotated[Text, Field(min_length=1)]
    by: Text = ""
    source: Text = ""
    notes: Text = ""
    origins: Mapping[str, Text]
    files: Annotated[Mapping[str, Sha256], Field(min_length=1, max_length=MOST_FILES)]

    @model_validator(mode="after")
    def _paths_are_known(self) -> Self:
        for name in self.files:
            if not is_known(name):
                raise ValueError(f"files: {name[:200]!r} is no file that a submission may hold")
        return self


def is_known(name: str) -> bool:
    """Return whether a path may be part of a submission: relative, without links upwards, of a known kind."""
    return any(re.fullmatch(kind, name) for kind in KINDS) and ".." not in PurePosixPath(name).parts


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a submission; raise ``BadInput`` in one sentence where there is none, or a damaged one."""
    file = path / NAME
    try:
        data = read_inside(file, root_of(path))
    except FileNotFoundError:
        raise BadInput(f"{path}: not a submission (no {NAME}); effbench submit STORE --method M makes one") from None
    return parsed_manifest(data, file)


def parsed_manifest(data: bytes, file: object) -> Manifest:
    """Return the manifest that a file holds; raise ``BadInput`` in one sentence where it is damaged."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{file}: is no UTF-8 text") from None
    return parsed(parse(text, str(file)), Manifest, SCHEMA, "a submission")


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest into a submission's folder."""
    content = manifest.model_dump(by_alias=True, mode="json")
    write_bytes(path / NAME, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000).encode())
