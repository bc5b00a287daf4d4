"""Putting a submission at its place in a checkout of a board repository."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from effbench.errors import BadInput
from effbench.legible import legible
from effbench.report.standing import name_key
from effbench.repository.places import RESULTS, counter_place, is_board, own_cell, place_of
from effbench.store import read_store
from effbench.submission.manifest import read_manifest
from effbench.submission.packing import pack
from effbench.submission.verifying import verify

WHOLE_MB = 1e9
"""More than any submission: what was packed once is packed whole."""


class Added(NamedTuple):
    """Where a submission was put, and beside whose where it measures again what that one had sent in (else ``""``)."""

    place: PurePosixPath
    beside: str


def add(submission: Path, repository: Path, by: str = "") -> list[Added]:
    """Copy a submission to its place in a repository, each of its tasks by itself, and return where.

    ``by`` replaces who the submission says sends it in. Where somebody else's stands there already, it is put beside that as
    a counter-measurement. What others found when they checked it (``verification.json``) is not taken along: they are to
    say so themselves. Raises ``BadInput`` where the levels that run no code do not pass, nobody is named, or one's own
    stands there already.
    """
    if not is_board(repository):
        raise BadInput(f"{repository}: not a board repository (no {RESULTS}/); effbench board-repo init DIR makes one")
    for outcome in verify(submission, "recompute"):
        if not outcome.is_passed:
            why = ": ".join(filter(None, outcome.findings[0])) if outcome.findings else outcome.missing
            raise BadInput(
                f"{submission}: level {outcome.level} does not pass ({legible(why)}); effbench verify says more"
            )
    manifest, view = read_manifest(submission), read_store(submission)
    by = by or manifest.by
    if not by:
        raise BadInput(
            f"{submission}: does not say who sends it in; name yourself with --by, as the repository's host does"
        )
    targets: list[tuple[str, Added]] = []
    for cell in (cell for cell in view.cells if cell.id in manifest.cells):
        targets.append((cell.task_id, _target(repository, place_of(cell, manifest.method), by)))
    for task, added in targets:
        target = repository / added.place
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adding-") as scratch:
            packed = Path(scratch) / "packed"
            pack(
                view, manifest.method, packed, licence=manifest.licence, by=by, source=manifest.source,
                notes=manifest.notes, outputs_mb=WHOLE_MB, tasks=[task],
            )  # fmt: skip
            own_cell(read_store(packed), read_manifest(packed))
            packed.rename(target)
    return [added for _, added in targets]


def _target(repository: Path, place: PurePosixPath, by: str) -> Added:
    """Return where to put what belongs to ``place``; raise ``BadInput`` where the same hand has put it there before."""
    beside = ""
    if (repository / place).exists():
        owner = read_manifest(repository / place).by
        if name_key(owner) != name_key(by):
            place, beside = counter_place(place, by), owner
    if (repository / place).exists():
        raise BadInput(
            f"{repository / place}: is there already and stays as it is; raise the version of the package that the method "
            "comes from, or withdraw it in a pull request of its own"
        )
    return Added(place, beside)
