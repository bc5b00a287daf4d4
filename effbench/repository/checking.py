"""Whether what a pull request changes in a board repository may stay: its own submissions, in their places, true to parts.

Nothing that was sent in is run, and no plugin is imported: only the levels schema and recompute are gone through.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from effbench.errors import BadInput, StoreError
from effbench.legible import legible
from effbench.report.standing import name_key
from effbench.repository.changes import PLAIN, Change, changes_since, common_commit, file_before
from effbench.repository.existing import touched
from effbench.repository.isolated import checked_apart
from effbench.repository.places import (
    DEPTH,
    RESULTS,
    counter_place,
    is_board,
    is_counter,
    own_cell,
    place_of,
    places_in,
)
from effbench.store import read_store
from effbench.submission.checking import LevelOutcome
from effbench.submission.manifest import NAME, Manifest, read_manifest
from effbench.verification import VERIFICATION

MOST_MB = 100.0
"""Of one submission: twice the outputs that are packed by default. A host's repository should stay below some gigabytes."""
MOST_FILES = 5_000
"""Of one submission; a method of one task with a file a batch has some hundreds."""
MOST_SUBMISSIONS = 100
"""In one pull request: each may take minutes to check, and a person has to look at them."""


class Verdict(NamedTuple):
    """What was found about one submission: what its levels found, and sentences on whatever else is wrong with it."""

    place: PurePosixPath
    manifest: Manifest | None
    outcomes: tuple[LevelOutcome, ...]
    problems: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Return whether it may stay."""
        return self.manifest is not None and not self.problems and all(one.is_passed for one in self.outcomes)


class Checked(NamedTuple):
    """What was found in a repository: submissions, (path, sentence) on other files, and sentences on what was done else."""

    verdicts: tuple[Verdict, ...]
    problems: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Return whether everything may stay."""
        return not self.problems and all(verdict.is_passed for verdict in self.verdicts)


def check_repository(repository: Path, base: str | None = None, author: str = "", most_mb: float = MOST_MB) -> Checked:
    """Return what is found in everything that a checkout changes against a commit, or in all of it without one.

    ``author`` is whose change it is, as the host has it: submissions must be by that name, and no others are changed. Raises
    ``BadInput`` where the folder or the commit is not there.
    """
    if base is None:
        if not is_board(repository):
            raise BadInput(f"{repository}: not a board repository (no {RESULTS}/)")
        places = list(places_in(repository))
        verdicts = tuple(_verdict(repository, place, "", most_mb) for place in places)
        return Checked(verdicts, tuple(_strays(repository, set(places))))
    problems: list[tuple[str, str]] = []
    by_place: dict[PurePosixPath, list[Change]] = {}
    for change in changes_since(repository, base):
        place = PurePosixPath(*PurePosixPath(change.path).parts[:DEPTH])
        if why := _why_not(change):
            problems.append((legible(change.path), why))
        else:
            by_place.setdefault(place, []).append(change)
    if len(by_place) > MOST_SUBMISSIONS:
        problems.append(
            (RESULTS, f"{len(by_place)} submissions are changed, at most {MOST_SUBMISSIONS} in one pull request")
        )
        return Checked((), tuple(problems))
    commit = common_commit(repository, base)
    made: list[Verdict] = []
    notes = []
    for place, changes in by_place.items():
        before = file_before(repository, commit, f"{place}/{NAME}")
        if before is None:
            made.append(_verdict(repository, place, author, most_mb))
            continue
        found, note = touched(repository, commit, place, changes, before, author)
        problems += [(str(place), what) for what in found]
        notes += [note] if note else []
    return Checked(tuple(made), tuple(problems), tuple(notes))


def _why_not(change: Change) -> str:
    """Return why nobody may change that file, or ``""``."""
    parts = PurePosixPath(change.path).parts
    if parts[0] != RESULTS:
        return f"is outside of {RESULTS}/, which is all that a submission may change"
    if len(parts) <= DEPTH:
        return f"is no part of a submission, which stands in {RESULTS}/TASK/SYSTEM/METHOD/VERSION/"
    return "" if change.mode in ("", PLAIN) else "is a link, a module or a program, and only plain files are taken"


def _verdict(repository: Path, place: PurePosixPath, author: str, most_mb: float) -> Verdict:
    """Return what is found about a submission that was not there before."""
    folder = repository / place
    if too_much := _size_problem(folder, most_mb):
        return Verdict(place, None, (), (too_much,))
    outcomes = tuple(checked_apart(folder))
    if not all(outcome.is_passed for outcome in outcomes):
        return Verdict(place, None, outcomes, ())
    try:
        manifest = read_manifest(folder)
        problems = [
            *_links(folder),
            *_place_problems(repository, place, manifest),
            *_hand_problems(folder, manifest, author),
        ]
    except (BadInput, StoreError) as error:
        return Verdict(place, None, outcomes, (legible(str(error)),))
    return Verdict(place, manifest, outcomes, tuple(problems))


def _size_problem(folder: Path, most_mb: float) -> str:
    """Return why a folder is too large to be looked at, or ``""``; nothing in it is opened."""
    files = total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            files, total = files + 1, total + (Path(above) / name).lstat().st_size
            if files > MOST_FILES:
                return f"holds more than {MOST_FILES} files"
            if total > 1e6 * most_mb:
                return f"is larger than {most_mb:g} MB; effbench submit --outputs-mb leaves large outputs at home"
    return ""


def _links(folder: Path) -> Iterator[str]:
    for above, folders, names in os.walk(folder):
        for name in (*folders, *names):
            if (path := Path(above) / name).is_symlink():
                yield legible(f"{path.relative_to(folder)} is a link, and only plain files are taken")


def _place_problems(repository: Path, place: PurePosixPath, manifest: Manifest) -> Iterator[str]:
    """Yield why a submission may not stand where it stands."""
    cell = own_cell(read_store(repository / place), manifest)
    wanted = place_of(cell, manifest.method)
    if not is_counter(place):
        if place != wanted:
            yield f"its content belongs to {wanted}"
        return
    if place != counter_place(wanted, manifest.by):
        yield f"its content belongs to {counter_place(wanted, manifest.by)}"
    elif not (repository / wanted / NAME).is_file():
        yield f"measures again what is not there: {wanted}"
    elif name_key(read_manifest(repository / wanted).by) == name_key(manifest.by):
        yield "measures again what the same hand had sent in; a counter-measurement is somebody else's"
    elif cell in read_store(repository / wanted).cells:
        yield f"is the record of {wanted} itself, so that nothing was measured again"


def _hand_problems(folder: Path, manifest: Manifest, author: str) -> Iterator[str]:
    """Yield what is wrong with whom a submission says that it is by."""
    if not manifest.by:
        yield f"{NAME} does not say by whom it is; effbench board-repo add --by NAME does"
    elif author and name_key(author) != name_key(manifest.by):
        yield legible(f"says that it is by {manifest.by}, and {author} sends it in")
    if (folder / VERIFICATION).exists():
        yield f"brings its own {VERIFICATION}: what others find they say in pull requests of their own"


def _strays(repository: Path, places: set[PurePosixPath]) -> Iterator[tuple[str, str]]:
    """Yield files below the results that belong to no submission."""
    for above, folders, names in os.walk(repository / RESULTS):
        here = PurePosixPath(Path(above).relative_to(repository).as_posix())
        if here in places:
            folders.clear()
            continue
        links = [name for name in folders if (Path(above) / name).is_symlink()]
        for name in (*names, *links):
            yield legible(str(here / name)), "is no part of a submission"
