"""How far the numbers of a cell can be trusted: its badge, its honesty checks, and how quiet its machine was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from effbench.counted import listed
from effbench.record import CellRecord, Check, Noise
from effbench.report.standing import Standing

PASSED, IN_PART = "real (checks passed)", "real (checked in part)"
UNCHECKED, CONTRADICTED = "real (not checked)", "real (a check failed)"
"""Every honesty check found its evidence; one had none; none ran (``inspect: false``); or one found evidence against the
method. They are run with the method by whoever runs it, so that nobody has verified anything yet: that is said by
``standing``."""

BADGES = (PASSED, IN_PART, UNCHECKED, CONTRADICTED, "simulated", "failed")
"""What a row of a table can be."""

CHECK_TEXT = {
    "same_object": "quality and latency come from one object",
    "kernels": "the kernels it names ran",
    "resident_bytes": "the weights take the bytes it claims",
    "repeats": "a repeated input is not faster",
}
"""Check -> what it asks, as a statement that it confirms."""

SHARES = {"foreign_share": "foreign load", "steal_share": "stolen time", "clock_spread": "clock spread"}
"""Field of ``record.Noise`` -> its words."""

WORTH_SAYING = 0.005
"""Share below which a disturbance is left out: half a percent, a quarter of what grade A allows (``readings.FOREIGN_A``)."""


def badge_of(cell: CellRecord) -> str:
    """Return one of ``BADGES``."""
    if cell.status == "failed":
        return "failed"
    if cell.execution == "simulated":
        return "simulated"
    found = {check.status for check in cell.checks}
    if "fail" in found:
        return CONTRADICTED
    if "unknown" in found:
        return IN_PART
    return PASSED if found else UNCHECKED


def check_text(check: Check) -> str:
    """Return a check in words: what it asks, what came out, and why."""
    said = {"pass": "passed", "fail": "FAILED", "unknown": "no evidence"}[check.status]
    return f"{CHECK_TEXT[check.name]}: {said}" + (f" ({check.message})" if check.message else "")


def check_notes(cells: Iterable[CellRecord]) -> list[str]:
    """Return one note per check that failed or had no evidence, with the methods that it says so of."""
    holders: dict[str, list[str]] = {}
    for cell in cells:
        for check in cell.checks:
            if check.status != "pass":
                holders.setdefault(check_text(check), []).append(cell.method_id)
    return [f"check of {listed([*dict.fromkeys(methods)])}: {text}" for text, methods in holders.items()]


def noise_lines(cells: Sequence[CellRecord]) -> list[str]:
    """Return how quiet the machine was while the cells were timed: one line per grade, the worst of it in brackets."""
    graded: dict[str, list[tuple[str, Noise]]] = {}
    for cell in cells:
        if cell.noise is not None:
            graded.setdefault(cell.noise.grade, []).append((cell.method_id, cell.noise))
    lines = []
    for grade in sorted(graded):
        names = list(dict.fromkeys(name for name, _ in graded[grade]))
        whose = f" for {listed(names)}" if len(graded) > 1 else ""
        lines.append(f"Machine noise{whose}: {noise_text([noise for _, noise in graded[grade]])}.")
    return lines


def standing_lines(cells: Sequence[CellRecord], standing: Callable[[CellRecord], Standing]) -> list[str]:
    """Return who sent in which methods and who else made their numbers again; ``[]`` of stores of one's own."""
    said: dict[str, list[str]] = {}
    problems: dict[str, None] = {}
    for cell in cells:
        found = standing(cell)
        problems |= {found.problem: None} if found.problem else {}
        if (found.is_sent or found.others) and cell.role != "reference":
            whose = f"{cell.method_id} of {found.by}" if found.by else cell.method_id
            said.setdefault(found.text, []).append(whose)
    lines = [f"{text[0].upper()}{text[1:]}: {listed([*dict.fromkeys(who)])}." for text, who in said.items()]
    return [*lines, *problems]


def noise_text(states: Sequence[Noise]) -> str:
    """Return states of one grade in words, each share at its worst: ``B (foreign load 4 %, clock spread 2 %)``."""
    parts = []
    for name, words in SHARES.items():
        shares = [share for noise in states if (share := getattr(noise, name)) is not None]
        if shares and max(shares) >= WORTH_SAYING:
            parts.append(f"{words} {100 * max(shares):.2g} %")
    parts += ["throttled"] if any(noise.throttled for noise in states) else []
    return states[0].grade + (f" ({', '.join(parts)})" if parts else "")
