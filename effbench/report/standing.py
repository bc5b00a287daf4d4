"""Who sent results in, and who else made their numbers again: what stands beside a store in its folder.

Both files say what their writer says. Only what somebody else found counts for more than what the sender said of himself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from effbench.errors import StoreError
from effbench.legible import legible
from effbench.store import read_sender
from effbench.verification import Level, Verification, read_history

SELF_REPORTED = "self-reported"
"""What numbers are that nobody but their sender has made again."""
DONE: Mapping[Level, str] = {
    "recompute": "recomputed",
    "rescore": "rescored",
    "regenerate": "run again",
    "remeasure": "measured again",
}
"""Level -> what somebody did who passed it, from the least; that files are whole says nothing of a number."""


class Standing(NamedTuple):
    """Where the numbers of a store stand: sent in ``by`` whom (``""``: not said), and what others found.

    ``is_sent`` is whether the store is a submission; ``problem`` a sentence where a file beside it is damaged.
    """

    by: str = ""
    is_sent: bool = False
    checks: tuple[Verification, ...] = ()
    problem: str = ""

    @property
    def others(self) -> tuple[Verification, ...]:
        """Return the checks by others than the sender, the oldest first."""
        return tuple(check for check in self.checks if name_key(check.by) != name_key(self.by))

    @property
    def text(self) -> str:
        """Return it in words: ``self-reported``, or ``rescored by carol``, and which level did not pass for whom."""
        last = {name_key(check.by): check for check in self.others}
        made, refused = [], []
        for check in last.values():
            passed = [level.level for level in check.levels if level.passed]
            found = next((level.level for level in check.levels if level.findings), None)
            made += [(list(DONE).index(level), check.by) for level in passed[-1:] if level in DONE]
            refused += [f"{found} did not pass for {check.by}"] if found else []
        best = max(made, default=None, key=lambda one: one[0])
        said = f"{list(DONE.values())[best[0]]} by {best[1]}" if best else SELF_REPORTED
        return _line("; ".join([said, *refused]))


def _line(text: str) -> str:
    return " ".join(legible(text).split())


def name_key(name: str) -> str:
    """Return what two spellings of a name share; hosts do not tell logins apart by case."""
    return name.strip().casefold()


def store_standing(store: Path) -> Standing:
    """Return the standing of a store; a damaged file beside it is said, and ends nothing."""
    try:
        sender = read_sender(store)
        by = "" if sender is None else _line(sender.by)
        return Standing(by, sender is not None, read_history(store))
    except StoreError as error:
        return Standing(problem=str(error))
