"""What a pull request may change of a submission that stands in the repository: hardly anything, and not everybody may."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from effbench.counted import counted
from effbench.errors import StoreError
from effbench.legible import legible
from effbench.report.standing import name_key
from effbench.repository.changes import Change, file_before, files_before
from effbench.submission.manifest import NAME, parsed_manifest
from effbench.verification import VERIFICATION, parsed_history, read_history

STAYS = "stays as it is: add another version beside it"
"""What is said to whoever changes what stands in the repository."""


def touched(
    repository: Path, commit: str, place: PurePosixPath, changes: Sequence[Change], before: bytes, author: str
) -> tuple[list[str], str]:
    """Return (sentences, a note) on changes to a submission that stood there before.

    Its owner may withdraw it whole; anybody else may add to the history beside it what he found; that is all.
    """
    owner = parsed_manifest(before, f"{place}/{NAME}").by
    kinds = {change.path.removeprefix(f"{place}/"): change.kind for change in changes}
    is_gone = "removed" in kinds.values() and not (repository / place).exists()
    if is_gone and len(changes) == len(files_before(repository, commit, str(place))):
        if author and name_key(author) == name_key(owner):
            return [], legible(f"{place} is withdrawn by {owner}")
        return [legible(f"belongs to {owner}, who alone may withdraw it")], ""
    if set(kinds) != {VERIFICATION} or "removed" in kinds.values():
        return [legible(f"is of {owner} and {STAYS}")], ""
    return _history_change(repository, commit, place, owner, author)


def _history_change(
    repository: Path, commit: str, place: PurePosixPath, owner: str, author: str
) -> tuple[list[str], str]:
    file = f"{place}/{VERIFICATION}"
    data = file_before(repository, commit, file)
    try:
        old = parsed_history(data, file) if data is not None else ()
        new = read_history(repository / place)
    except StoreError as error:
        return [legible(str(error))], ""
    if new[: len(old)] != old or len(new) == len(old):
        return [f"{VERIFICATION}: what stands in it is changed; checks are only ever added"], ""
    names = {name_key(check.by) for check in new[len(old) :]}
    if name_key(owner) in names:
        return [legible(f"{VERIFICATION}: {owner} sent it in; who checks it is somebody else")], ""
    if not author:
        return [f"{VERIFICATION}: whose pull request this is was not said (--author), so nobody can be named in it"], ""
    if names != {name_key(author)}:
        return [legible(f"{VERIFICATION}: {author} can say what {author} found, and nobody else")], ""
    said = counted(len(new) - len(old), "check")
    return [], legible(f"{place}: {said} added by {author}; the last: {new[-1].sentence}")
