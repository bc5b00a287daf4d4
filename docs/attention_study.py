"""What docs/attention.md derives from stores of its suites (``make attention``, ``make attention-architecture``).

Section "equal-latency" holds each method against the ``fewer-steps`` that takes the same time, and says whether it pays;
sections "interaction" hold each chain against its two links alone.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from effbench.catalogue import MEDIAN
from effbench.record import CellRecord
from effbench.report.compare import Comparison, ComparisonRow, compare
from effbench.report.interaction import DECIBEL, Interaction, quality_interaction, time_interaction
from effbench.report.rounding import rounded
from effbench.report.summarise import number_of, raw_cell
from effbench.section import replace_section
from effbench.store import StoreView, read_store

STEPS = "fewer-steps"
"""The method that any other has to beat: a shorter sampling needs no code at all."""
QUALITY = ("psnr_db", "alignment")
"""Numbers in which methods are held against it: fidelity to the full sampling, and what the judge says of the picture."""
LEVEL = 0.95
FLOPS = "gflop_per_sample"
"""The number of a record that says operations, in 1e9."""


VERDICTS: dict[tuple[str, str], str] = defaultdict(
    lambda: "unknown",
    {
        ("better", "better"): "**yes**",
        ("better", "undecided"): "**yes**: as near, quicker",
        ("better", "worse"): "quicker, but farther",
        ("undecided", "better"): "**yes**",
        ("undecided", "undecided"): "as fewer steps do",
        ("undecided", "worse"): "no: fewer steps are nearer",
        ("worse", "better"): "nearer, in more time",
        ("worse", "undecided"): "no: fewer steps are quicker",
        ("worse", "worse"): "no: fewer steps are better",
    },
)
"""(outcome in time, in PSNR) against fewer steps -> what that says of a method that is surely faster than full sampling."""


def text(value: float, low: float | None, high: float | None) -> str:
    """Return a value with its interval, rounded by it."""
    return " ".join(filter(None, rounded(value, low, high)))


def median_ms(cell: CellRecord) -> float | None:
    """Return the median latency of a cell that has one."""
    found = number_of(cell, MEDIAN)
    return None if found is None else found.value


def nearest_steps(cell: CellRecord, cells: list[CellRecord]) -> CellRecord | None:
    """Return the ``fewer-steps`` cell, or the reference, whose latency is nearest in ratio."""
    mine = median_ms(cell)
    timed = [(c, found) for c in cells if (found := median_ms(c)) is not None]
    if mine is None or not timed:
        return None
    return min(timed, key=lambda pair: abs(math.log(pair[1] / mine)))[0]


def uses(cell: CellRecord) -> list[str]:
    """Return the names of the methods of a cell, link by link."""
    return [link.use for link in cell.identity.chain]


def equal_latency(view: StoreView) -> Iterator[str]:
    """Yield, for each task with several ``fewer-steps``, a table of methods against the one of the nearest latency."""
    for task in dict.fromkeys(cell.task_id for cell in view.cells):
        cells = [cell for cell in view.cells if cell.task_id == task and cell.status != "failed"]
        shorter = [cell for cell in cells if uses(cell) == [STEPS]]
        others = [cell for cell in cells if cell.role != "reference" and cell not in shorter]
        if len(shorter) < 2 or not others:
            continue
        reference = next((cell for cell in cells if cell.role == "reference"), None)
        yield f"**{task}**\n"
        yield (
            "| method | operations promise | measured | beside it | time, method / beside | PSNR, dB more | "
            "alignment, more | it pays |"
        )
        yield "|---|--:|--:|---|--:|--:|--:|---|"
        for cell in others:
            beside = nearest_steps(cell, shorter)
            if beside is not None:
                found = compare(view, cell.method_id, beside.method_id, task, [MEDIAN, *QUALITY])
                cells_of = " | ".join(_said(found, name) for name in (MEDIAN, *QUALITY))
                speed = number_of(cell, "speedup")
                measured = (
                    "n/a" if speed is None or speed.value is None else text(speed.value, speed.ci_low, speed.ci_high)
                )
                start = f"{cell.method_id} | {promised(cell, reference)} | {measured} | {beside.method_id}"
                yield f"| {start} | {cells_of} | {verdict(cell, found)} |"
        yield ""


def promised(cell: CellRecord, reference: CellRecord | None) -> str:
    """Return how many times as fast a method would be if time fell as its operations do."""
    counts = [number_of(c, FLOPS) for c in (cell, reference) if c is not None]
    values = [found.value for found in counts if found is not None and found.value]
    return f"{values[1] / values[0]:.2f}" if len(values) == 2 else "n/a"


def verdict(cell: CellRecord, found: Comparison) -> str:
    """Return whether a method pays: surely faster than full sampling, and by tests ahead of fewer steps of about its time."""
    speed = number_of(cell, "speedup")
    if speed is None or speed.ci_low is None or speed.ci_high is None:
        return "unknown"
    if speed.ci_high < 1:
        return "no: slower than full sampling"
    if speed.ci_low <= 1:
        return "no: not surely faster"
    outcomes = {row.number: row.outcome(found.level) for row in found.rows}
    return VERDICTS[outcomes.get(MEDIAN, "unknown"), outcomes.get(QUALITY[0], "unknown")]


def _said(found: Comparison, name: str) -> str:
    row: ComparisonRow | None = next((row for row in found.rows if row.number == name), None)
    if row is None or row.value is None:
        return "n/a"
    outcome = row.outcome(found.level)
    mark = f" **{outcome}**" if outcome in ("better", "worse") else ""
    return f"{text(row.value, row.ci_low, row.ci_high)}{mark}"


def interactions(view: StoreView) -> Iterator[str]:
    """Yield a table of the chains whose links stand alone in the same task."""
    yield "| task | chain | number | together | expected of both | more than expected |"
    yield "|---|---|---|--:|--:|--:|"
    for cell in view.cells:
        beside = [c for c in view.cells if c.task_id == cell.task_id]
        alone = [c for link in cell.identity.chain for c in beside if c.identity.chain == (link,)]
        reference = next((c for c in beside if c.role == "reference"), None)
        if len(cell.identity.chain) != 2 or len(alone) != 2 or reference is None:
            continue
        raw = [raw_cell(view, c) for c in (cell, *alone, reference)]
        rounds = [r.rounds(MEDIAN) for r in raw]
        rows: list[tuple[str, Interaction | None]] = [("speed-up, x", time_interaction(*rounds, LEVEL))]
        rows.append(("PSNR, dB", quality_interaction(*raw, "psnr_db", DECIBEL, LEVEL)))
        rows.append(("alignment", quality_interaction(*raw, "alignment", "", LEVEL)))
        for name, found in rows:
            if found is not None:
                ends = found.interval or (None, None)
                yield (
                    f"| {cell.task_id} | {cell.method_id} | {name} | {found.together:.3g} | {found.expected:.3g} | "
                    f"{text(found.value, *ends)} |"
                )


def main() -> None:
    """Write both sections, or the one that is named."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--page", required=True, type=Path)
    parser.add_argument("--interaction", help="the section for interactions alone, of a store without fewer-steps")
    parser.add_argument("--equal-latency", help="the section for fewer steps alone, of a store without chains")
    given = parser.parse_args()
    view = read_store(given.store)
    if given.interaction is None:
        text_of = "\n".join(equal_latency(view)).strip()
        replace_section(given.page, given.equal_latency or "equal-latency", text_of)
    if given.equal_latency is None:
        replace_section(given.page, given.interaction or "interaction", "\n".join(interactions(view)))


if __name__ == "__main__":
    main()
