"""How checks are run and their violations gathered, so that an author sees all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from effbench.counted import counted
from effbench.errors import one_line

T = TypeVar("T")
S = TypeVar("S")


class Named(Protocol):
    """A function with a name; the name of a check is the promise that it checks."""

    __name__: str


@dataclass(frozen=True)
class Report:
    """What was checked of ``subject`` and found right; ``notes`` are facts that are neither right nor wrong."""

    subject: str
    passed: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.subject} keeps the contract ({counted(len(self.passed), 'check')})"]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


class ConformanceError(AssertionError):
    """A plugin breaks the contract: one sentence per violation, and what they kept from being checked."""

    def __init__(self, subject: str, violations: Sequence[str], not_checked: Sequence[str] = ()) -> None:
        self.subject, self.violations, self.not_checked = subject, tuple(violations), tuple(not_checked)
        count = counted(len(violations), "violation")
        lines = [f"{subject} breaks the contract ({count})", *(f"  - {violation}" for violation in violations)]
        if not_checked:
            lines.append(f"  not checked because of the above: {', '.join(not_checked)}")
        super().__init__("\n".join(lines))


class Unavailable(Exception):
    """A check cannot run because the plugin failed in the step before; the message is that violation."""


class Steps:
    """Results of the plugin's own calls, each made once; a call that fails is one violation, not one per check."""

    def __init__(self) -> None:
        self._results: dict[str, Any] = {}

    def obtain(self, call: str, make: Callable[[], T], mend: str) -> T:
        """Return what ``make`` returned, now or before; raise ``Unavailable`` with advice where it raised."""
        if call not in self._results:
            try:
                self._results[call] = make()
            except Unavailable as error:
                self._results[call] = error
            except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything, and that is the finding
                self._results[call] = Unavailable(f"{call} raised {one_line(error)}; {mend}")
        result = self._results[call]
        if isinstance(result, Unavailable):
            raise result
        return cast("T", result)


@dataclass
class Findings:
    """The outcome of the checks of one subject so far."""

    subject: str
    passed: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self, checks: Iterable[Callable[[S], Iterable[str]]], argument: S) -> None:
        """Run checks, each a function that yields its violations and whose name is the promise."""
        for check in checks:
            name = cast("Named", check).__name__.replace("_", " ")
            try:
                found = list(check(argument))
            except Unavailable as error:
                found = [str(error)]
                self.not_checked.append(name)
            except Exception as error:  # noqa: BLE001 - as in Steps.obtain
                found = [f"while checking that {name}: {one_line(error)}; expected no exception"]
            self.violations += [violation for violation in found if violation not in self.violations]
            if not found:
                self.passed.append(name)

    def conclude(self) -> Report:
        """Return the report, or raise ``ConformanceError`` where there are violations."""
        if self.violations:
            raise ConformanceError(self.subject, self.violations, self.not_checked)
        return Report(self.subject, tuple(self.passed), tuple(self.notes))
